//! Credentials of the Docker configuration (`auths`, credential helpers), as `docker login` left them.

use bollard::auth::DockerCredentials;
use docker_credential::{CredentialRetrievalError, DockerCredential};
use oci_client::secrets::RegistryAuth;

use super::error::Error;

/// The credential for a registry; `None` means anonymous. Helpers are programs, so this blocks.
///
/// # Errors
/// A configuration that cannot be read, or a helper that fails. No configuration at all is no error.
fn read(registry: &str) -> Result<Option<DockerCredential>, Error> {
    use CredentialRetrievalError as Fault;
    match docker_credential::get_credential(registry) {
        Ok(credential) => Ok(Some(credential)),
        Err(Fault::NoCredentialConfigured | Fault::ConfigNotFound) => Ok(None),
        Err(Fault::ConfigReadError) if !has_configuration() => Ok(None),
        // docker-credential-* say so when they hold nothing for the host; `docker` goes on without one as well.
        Err(Fault::HelperFailure { stdout, .. })
            if stdout.contains("credentials not found in native keychain") =>
        {
            Ok(None)
        }
        Err(fault) => Err(Error::Credential {
            registry: registry.to_owned(),
            cause: describe(&fault),
        }),
    }
}

/// The library tells an absent configuration and a malformed one by the same error.
fn has_configuration() -> bool {
    let folder = std::env::var_os("DOCKER_CONFIG").map(std::path::PathBuf::from);
    let home = || Some(std::path::PathBuf::from(std::env::var_os("HOME")?).join(".docker"));
    folder
        .or_else(home)
        .is_some_and(|folder| folder.join("config.json").exists())
}

/// Never with a helper's stdout: that is where the secret would stand.
fn describe(fault: &CredentialRetrievalError) -> String {
    match fault {
        CredentialRetrievalError::HelperFailure { helper, stderr, .. } => {
            format!(
                "the helper docker-credential-{helper} failed: {}",
                stderr.trim()
            )
        }
        CredentialRetrievalError::ConfigReadError => {
            "the Docker configuration config.json is not readable as JSON".to_owned()
        }
        other => other.to_string(),
    }
}

async fn read_aside(registry: &str) -> Result<Option<DockerCredential>, Error> {
    let registry = registry.to_owned();
    tokio::task::spawn_blocking(move || read(&registry))
        .await
        .expect("reading a credential does not panic")
}

/// For our own requests to the registry.
///
/// # Errors
/// As [`read`]; and an identity token, which only an engine knows to exchange.
pub(super) async fn for_registry(registry: &str) -> Result<RegistryAuth, Error> {
    match read_aside(registry).await? {
        None => Ok(RegistryAuth::Anonymous),
        Some(DockerCredential::UsernamePassword(user, secret)) => {
            Ok(RegistryAuth::Basic(user, secret))
        }
        Some(DockerCredential::IdentityToken(_)) => Err(Error::Credential {
            registry: registry.to_owned(),
            cause:
                "it is an identity token; a user name with a password or an access token is needed"
                    .to_owned(),
        }),
    }
}

/// For the engine's push and pull.
///
/// # Errors
/// As [`read`].
pub(super) async fn for_engine(registry: &str) -> Result<Option<DockerCredentials>, Error> {
    let serveraddress = Some(registry.to_owned());
    Ok(read_aside(registry)
        .await?
        .map(|credential| match credential {
            DockerCredential::UsernamePassword(user, secret) => DockerCredentials {
                username: Some(user),
                password: Some(secret),
                serveraddress,
                ..DockerCredentials::default()
            },
            DockerCredential::IdentityToken(token) => DockerCredentials {
                identitytoken: Some(token),
                serveraddress,
                ..DockerCredentials::default()
            },
        }))
}
