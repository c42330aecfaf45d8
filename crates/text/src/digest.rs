//! Digests as OCI writes them.

use sha2::{Digest, Sha256};

/// `sha256:` and 64 hexadecimal digits.
pub fn sha256(content: impl AsRef<[u8]>) -> String {
    let hash = Sha256::digest(content);
    let hexadecimal: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hexadecimal}")
}
