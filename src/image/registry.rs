//! What the registry has, asked without a Docker engine, so that `plan` needs none.

use std::collections::HashMap;
use std::time::Duration;

use oci_client::client::{Client, ClientConfig, ClientProtocol, linux_amd64_resolver};
use oci_client::errors::{OciDistributionError, OciErrorCode};
use oci_client::secrets::RegistryAuth;
use oci_client::{ParseError, Reference};

use super::credentials;
use super::error::{Error, io_kind};
use crate::report::innermost;

/// The digest (`sha256:…`) that the registry has for `repository:tag`; `None` when it does not have it.
///
/// # Errors
/// A registry that does not answer or refuses: never taken for "not there".
pub async fn digest(reference: &str) -> Result<Option<String>, Error> {
    Registry::of(reference).await?.digest().await
}

/// The image that the registry has for `repository:tag`, as `repository@sha256:…`, and its labels; `None` when it does
/// not have it.
///
/// # Errors
/// As [`digest`]; a registry that has no image for [`super::PLATFORM`] there.
pub(super) async fn find(
    reference: &str,
    repository: &str,
) -> Result<Option<(String, HashMap<String, String>)>, Error> {
    let registry = Registry::of(reference).await?;
    let Some(digest) = registry.digest().await? else {
        return Ok(None);
    };
    let pinned = format!("{repository}@{digest}");
    let registry = Registry {
        image: parse(&pinned)?,
        reference: pinned.clone(),
        ..registry
    };
    Ok(Some((pinned, registry.labels().await?)))
}

/// The labels of an image.
///
/// # Errors
/// As [`digest`]; a registry that has no image for [`super::PLATFORM`] there.
pub(super) async fn labels(reference: &str) -> Result<HashMap<String, String>, Error> {
    Registry::of(reference).await?.labels().await
}

/// The labels in an image's configuration; one that cannot be read has none.
fn labels_of(config: &str) -> HashMap<String, String> {
    let config: serde_json::Value = serde_json::from_str(config).unwrap_or_default();
    serde_json::from_value(config["config"]["Labels"].clone()).unwrap_or_default()
}

/// A client for an image's registry, with this machine's credentials.
pub(super) struct Registry {
    reference: String,
    pub(super) client: Client,
    pub(super) image: Reference,
    pub(super) auth: RegistryAuth,
}

impl Registry {
    pub(super) async fn of(reference: &str) -> Result<Self, Error> {
        super::tls::install_crypto_provider();
        let image = parse(reference)?;
        Ok(Self {
            reference: reference.to_owned(),
            client: client(&image),
            auth: credentials::for_registry(image.resolve_registry()).await?,
            image,
        })
    }

    async fn digest(&self) -> Result<Option<String>, Error> {
        let asked = self.client.fetch_manifest_digest(&self.image, &self.auth);
        match asked.await {
            Ok(digest) => Ok(Some(digest)),
            Err(error) if is_not_there(&error) => Ok(None),
            Err(error) => Err(self.explain(&error)),
        }
    }

    async fn labels(&self) -> Result<HashMap<String, String>, Error> {
        let pulled = self
            .client
            .pull_manifest_and_config(&self.image, &self.auth);
        let (_, _, config) = pulled.await.map_err(|error| self.explain(&error))?;
        Ok(labels_of(&config))
    }

    /// The registry's refusal, or why it does not answer.
    pub(super) fn explain(&self, error: &OciDistributionError) -> Error {
        Error::Registry {
            reference: self.reference.clone(),
            cause: cause(error),
            help: help(error, self.image.resolve_registry()),
        }
    }
}

/// The registry's host (and port) of a reference.
///
/// # Errors
/// A reference that is none.
pub fn host(reference: &str) -> Result<String, Error> {
    Ok(parse(reference)?.resolve_registry().to_owned())
}

fn parse(reference: &str) -> Result<Reference, Error> {
    reference
        .parse()
        .map_err(|error: ParseError| Error::BadReference {
            reference: reference.to_owned(),
            cause: error.to_string(),
        })
}

fn client(image: &Reference) -> Client {
    let is_plain = is_loopback(image.resolve_registry());
    Client::new(ClientConfig {
        protocol: if is_plain {
            ClientProtocol::Http
        } else {
            ClientProtocol::Https
        },
        connect_timeout: Some(Duration::from_secs(10)),
        read_timeout: Some(Duration::from_secs(30)),
        user_agent: concat!("uninlu/", env!("CARGO_PKG_VERSION")),
        // What is built here, whatever this machine is.
        platform_resolver: Some(Box::new(linux_amd64_resolver)),
        ..ClientConfig::default()
    })
}

/// Registries on this machine are plain HTTP, as the Docker engine takes them.
fn is_loopback(registry: &str) -> bool {
    let host = match registry.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => registry.split(':').next().unwrap_or(registry),
    };
    host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

fn is_not_there(error: &OciDistributionError) -> bool {
    match error {
        OciDistributionError::ImageManifestNotFoundError(_)
        | OciDistributionError::ServerError { code: 404, .. } => true,
        OciDistributionError::RegistryError { envelope, .. } => {
            envelope.errors.iter().any(|error| {
                matches!(
                    error.code,
                    OciErrorCode::ManifestUnknown
                        | OciErrorCode::NameUnknown
                        | OciErrorCode::NotFound
                )
            })
        }
        _ => false,
    }
}

fn cause(error: &OciDistributionError) -> String {
    match error {
        OciDistributionError::UnauthorizedError { .. } => {
            "it wants a credential (401 Unauthorized)".to_owned()
        }
        _ => innermost(error),
    }
}

fn help(error: &OciDistributionError, registry: &str) -> String {
    match error {
        OciDistributionError::UnauthorizedError { .. }
        | OciDistributionError::AuthenticationFailure(_) => format!("`docker login {registry}`"),
        OciDistributionError::RequestError(_)
            if io_kind(error) == Some(std::io::ErrorKind::ConnectionRefused) =>
        {
            format!(
                "nothing listens at {registry}: start the registry, or fix `[image] repository`"
            )
        }
        OciDistributionError::RequestError(_) => format!(
            "is {registry} right (`[image] repository`), and reachable from here? A proxy is taken from HTTPS_PROXY and NO_PROXY; registries on localhost are asked by plain HTTP, all others by HTTPS"
        ),
        _ => format!("the registry {registry} answered so; its own log knows more"),
    }
}

#[cfg(test)]
mod tests {
    use super::{is_loopback, labels_of};

    #[test]
    fn labels_stand_in_the_configuration() {
        let labels = labels_of(r#"{ "config": { "Labels": { "a": "b" } } }"#);
        assert_eq!(labels.get("a").map(String::as_str), Some("b"));
        for without in [
            "",
            "{}",
            r#"{ "config": { "Labels": null } }"#,
            r#"{ "config": null }"#,
        ] {
            assert!(labels_of(without).is_empty(), "{without}");
        }
    }

    #[test]
    fn only_registries_of_this_machine_are_plain() {
        for registry in [
            "localhost:5000",
            "localhost",
            "127.0.0.1:5000",
            "127.8.8.8",
            "[::1]:5000",
        ] {
            assert!(is_loopback(registry), "{registry} is this machine");
        }
        for registry in [
            "registry.example.com",
            "localhost.example.com:5000",
            "10.0.0.1:5000",
            "[2001:db8::1]:5000",
        ] {
            assert!(!is_loopback(registry), "{registry} is not this machine");
        }
    }
}
