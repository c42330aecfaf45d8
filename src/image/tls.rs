//! The cryptography of connections.

/// Chooses rustls' cryptography once for the process; the libraries leave the choice to the program.
pub fn install_crypto_provider() {
    // An error says that it was chosen before, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
