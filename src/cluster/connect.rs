//! The client for the one context that the stack names.

use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::header::USER_AGENT;
use http::{HeaderValue, Response, Uri};
use hyper::body::Incoming;
use hyper::rt::{Read, Write};
use hyper_timeout::TimeoutConnector;
use hyper_util::client::legacy::connect::proxy::{SocksV5, Tunnel};
use hyper_util::client::legacy::connect::{Connection as Connected, HttpConnector};
use hyper_util::rt::TokioExecutor;
use kube::client::ConfigExt;
use kube::config::AuthInfo;
use kube::core::DynamicObject;
use kube::{Api, Client, Config};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::Value;
use tower::filter::AsyncFilterLayer;
use tower::{BoxError, Service, ServiceBuilder};

use super::Error;
use super::kubeconfig::{self, Entry};
use super::plugin::Plugin;
use super::proxy::{self, Proxy};
use super::trust::Trust;
use super::warnings::Warnings;
use crate::bounded;
use crate::kinds::{Kind, ObjectId};
use crate::report::innermost;
use crate::stack::Target;

/// A client and where it leads.
#[derive(Clone)]
pub struct Connection {
    pub(super) client: Client,
    /// The stack and its only place.
    pub target: Target,
    /// The API server's address, and the proxy on the way to it.
    pub server: String,
    pub(super) warnings: Warnings,
}

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// Makes a client for the target's context, and only for that. Sends nothing; runs the context's credential plugin, as
/// far as `trust` lets it.
///
/// # Errors
/// All that keeps a kubeconfig from being used, see [`Error`].
pub async fn connect(target: &Target, trust: &Trust) -> Result<Connection, Error> {
    let context = &target.context;
    let entry = kubeconfig::read(target)?.entry(context)?;
    trust.check(&entry)?;
    let mut config = config(&entry)?;
    let proxy = proxy(&entry, &config.cluster_url)?;
    let plugin = Plugin::start(&entry).await?;
    config.auth_info = match &plugin {
        Some(plugin) => plugin.user(&entry.user).await,
        None => entry.user.clone(),
    };
    let way = proxy
        .as_ref()
        .map_or(String::new(), |proxy| format!(" {}", proxy.words));
    let server = format!("{}{way}", config.cluster_url);
    // Nothing was asked yet: what fails here is what the kubeconfig says.
    let unusable = |error: kube::Error| {
        let user = &entry.user_name;
        let reason = format!(
            "the credentials of user `{user}` cannot be used: {}",
            innermost(&error)
        );
        Error::kubeconfig(&entry.user_file, reason)
    };
    let warnings = Warnings::default();
    let transport = Transport {
        config,
        plugin,
        warnings: warnings.clone(),
    };
    Ok(Connection {
        client: transport.client(proxy.as_ref()).map_err(unusable)?,
        target: target.clone(),
        server: server.clone(),
        warnings,
    })
}

/// The client's settings but for user and proxy: what its own reading takes from the environment is not kubectl's.
fn config(entry: &Entry) -> Result<Config, Error> {
    let cluster = &entry.cluster;
    let unusable = |reason: String| Error::kubeconfig(&entry.cluster_file, reason);
    let server = cluster.server.as_deref().unwrap_or_default();
    let address: Result<Uri, _> = with_scheme(server, entry).parse();
    let Some(address) = address.ok().filter(is_address) else {
        return Err(unusable(format!(
            "the cluster's `server` is not an address: `{server}`"
        )));
    };
    let mut config = Config::new(address);
    config.root_cert = authorities(entry)?;
    config.accept_invalid_certs = cluster.insecure_skip_tls_verify.unwrap_or(false);
    config.disable_compression = cluster.disable_compression.unwrap_or(false);
    let name = cluster.tls_server_name.clone();
    config.tls_server_name = name.filter(|name| !name.is_empty());
    check_user(entry)?;
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    config.read_timeout = Some(READ_TIMEOUT);
    // The client's own retries last for minutes, say nothing, and repeat what must not be sent twice.
    config.default_retry = false;
    let agent = HeaderValue::from_static(concat!("uninlu/", env!("CARGO_PKG_VERSION")));
    config.headers.push((USER_AGENT, agent));
    Ok(config)
}

fn is_address(address: &Uri) -> bool {
    let is_web = matches!(address.scheme_str(), Some("http" | "https"));
    let authority = address
        .authority()
        .map_or("", |authority| authority.as_str());
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    // A number that is no port would be dropped, and another port be asked.
    let port = host
        .rsplit_once(':')
        .map(|(_, port)| port)
        .filter(|port| !port.ends_with(']'));
    let is_port = port.is_none_or(|port| port.parse::<u16>().is_ok());
    is_web && is_port && address.host().is_some_and(|host| !host.is_empty())
}

/// kubectl takes an address without a scheme for HTTPS where something of TLS is set, and for HTTP where nothing is.
fn with_scheme(server: &str, entry: &Entry) -> String {
    if server.is_empty() || server.contains("://") {
        return server.to_owned();
    }
    let (cluster, user) = (&entry.cluster, &entry.user);
    let has_tls = cluster.certificate_authority.is_some()
        || cluster.certificate_authority_data.is_some()
        || cluster.insecure_skip_tls_verify == Some(true)
        || user.client_certificate.is_some()
        || user.client_certificate_data.is_some();
    let scheme = if has_tls { "https" } else { "http" };
    format!("{scheme}://{server}")
}

/// The certificates that the API server's own is checked against; `None` means those of this machine.
fn authorities(entry: &Entry) -> Result<Option<Vec<Vec<u8>>>, Error> {
    let cluster = &entry.cluster;
    let text = match (
        &cluster.certificate_authority_data,
        &cluster.certificate_authority,
    ) {
        (Some(data), _) if !data.is_empty() => {
            BASE64_STANDARD.decode(data.trim()).map_err(|error| {
                let reason = format!("`certificate-authority-data` is not base64: {error}");
                Error::kubeconfig(&entry.cluster_file, reason)
            })?
        }
        (_, Some(file)) if !file.is_empty() => {
            read("certificate-authority", file, &entry.cluster_file)?
        }
        _ => return Ok(None),
    };
    let found: Result<Vec<CertificateDer>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let unusable = |reason: String| {
        let reason = format!("the certificate authority is not PEM: {reason}");
        Error::kubeconfig(&entry.cluster_file, reason)
    };
    let found = found.map_err(|error| unusable(format!("{error:?}")))?;
    if found.is_empty() {
        return Err(unusable("it holds no certificate".to_owned()));
    }
    Ok(Some(found.iter().map(|one| one.to_vec()).collect()))
}

/// Names what the client would only fail at.
fn check_user(entry: &Entry) -> Result<(), Error> {
    let AuthInfo {
        token_file,
        client_certificate,
        client_key,
        auth_provider,
        ..
    } = &entry.user;
    let files = [
        ("tokenFile", token_file),
        ("client-certificate", client_certificate),
        ("client-key", client_key),
    ];
    for (key, file) in files {
        if let Some(file) = file {
            let bytes = read(key, file, &entry.user_file)?;
            if key == "tokenFile" && !is_header(String::from_utf8_lossy(&bytes).trim()) {
                return Err(unsendable(entry, key));
            }
        }
    }
    let user = serde_json::to_value(&entry.user).unwrap_or_default();
    let texts = |key: &str| match &user[key] {
        Value::Array(items) => items.clone(),
        item => vec![item.clone()],
    };
    for key in ["token", "as", "as-groups"] {
        if !texts(key).iter().filter_map(Value::as_str).all(is_header) {
            return Err(unsendable(entry, key));
        }
    }
    check_data(entry)?;
    // With OpenID Connect a token that is written there still counts.
    match auth_provider {
        Some(provider) if provider.name != "oidc" || !provider.config.contains_key("id-token") => {
            Err(Error::AuthProvider {
                provider: provider.name.clone(),
                user: entry.user_name.clone(),
                file: entry.user_file.display().to_string(),
            })
        }
        _ => Ok(()),
    }
}

/// The client ends the whole program at it.
fn is_header(text: &str) -> bool {
    HeaderValue::from_str(text).is_ok()
}

fn unsendable(entry: &Entry, key: &str) -> Error {
    let user = &entry.user_name;
    let reason =
        format!("`{key}` of user `{user}` holds a control character, such as the end of a line");
    Error::kubeconfig(&entry.user_file, reason)
}

/// The client would fail at it as if the API server did not answer. What the data hold is never shown.
fn check_data(entry: &Entry) -> Result<(), Error> {
    const MARKER: &[u8] = b"-----BEGIN ";
    let user = serde_json::to_value(&entry.user).unwrap_or_default();
    for key in ["client-certificate-data", "client-key-data"] {
        let Some(data) = user[key].as_str() else {
            continue;
        };
        let is_pem = |pem: Vec<u8>| pem.windows(MARKER.len()).any(|at| at == MARKER);
        let reason = match BASE64_STANDARD.decode(data).map(is_pem) {
            Ok(true) => continue,
            Ok(false) => "is not PEM",
            Err(_) => "is not base64",
        };
        let user = &entry.user_name;
        let reason = format!("`{key}` of user `{user}` {reason}");
        return Err(Error::kubeconfig(&entry.user_file, reason));
    }
    Ok(())
}

fn read(key: &'static str, file: &str, kubeconfig: &Path) -> Result<Vec<u8>, Error> {
    bounded::read(Path::new(file)).map_err(|source| Error::CredentialFile {
        key,
        file: file.to_owned(),
        kubeconfig: kubeconfig.display().to_string(),
        source,
    })
}

fn proxy(entry: &Entry, server: &Uri) -> Result<Option<Proxy>, Error> {
    let environment = |name: &str| std::env::var(name).ok();
    let proxy = proxy::choose(server, entry.cluster.proxy_url.as_deref(), environment);
    proxy.map_err(|proxy::Unusable { proxy, source }| Error::Proxy {
        proxy,
        source_name: source,
    })
}

/// The client's own stack, but for what it does not offer: `TCP_NODELAY`, since head and body of a request are two
/// writes, and the second one would wait for the other side's delayed acknowledgement, 40 ms in every fifth plan; the
/// answers' warnings; a plugin that runs once.
struct Transport {
    config: Config,
    plugin: Option<Plugin>,
    warnings: Warnings,
}

impl Transport {
    fn client(self, proxy: Option<&Proxy>) -> Result<Client, kube::Error> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        let Some(proxy) = proxy else {
            return self.over(tcp);
        };
        let uri = proxy.uri.clone();
        match (proxy.uri.scheme_str(), &proxy.credentials) {
            (Some("socks5"), Some((user, password))) => {
                self.over(SocksV5::new(uri, tcp).with_auth(user.clone(), password.clone()))
            }
            (Some("socks5"), None) => self.over(SocksV5::new(uri, tcp)),
            (Some("https"), _) => {
                let tls = self.config.rustls_https_connector_with_connector(tcp)?;
                self.over(with_credentials(Tunnel::new(uri, tls), proxy))
            }
            _ => self.over(with_credentials(Tunnel::new(uri, tcp), proxy)),
        }
    }

    fn over<C>(self, connector: C) -> Result<Client, kube::Error>
    where
        C: Service<Uri> + Clone + Send + Sync + 'static,
        C::Response: Connected + Read + Write + Send + Unpin + 'static,
        C::Future: Send + 'static,
        C::Error: std::error::Error + Send + Sync + 'static,
    {
        let Self {
            config,
            plugin,
            warnings,
        } = self;
        let tls = config.rustls_https_connector_with_connector(connector)?;
        let mut connector = TimeoutConnector::new(tls);
        connector.set_connect_timeout(config.connect_timeout);
        connector.set_read_timeout(config.read_timeout);
        connector.set_reset_reader_on_write(config.reset_reader_on_write);
        let http =
            hyper_util::client::legacy::Client::builder(TokioExecutor::new()).build(connector);
        let hear = move |response: Response<Incoming>| {
            warnings.hear(response.headers());
            response
        };
        let service = ServiceBuilder::new()
            .map_response(hear)
            .option_layer(plugin.map(AsyncFilterLayer::new))
            .layer(config.base_uri_layer())
            .option_layer(config.auth_layer()?)
            .layer(config.extra_headers_layer()?)
            .map_err(BoxError::from)
            .service(http);
        Ok(Client::new(service, config.default_namespace))
    }
}

fn with_credentials<C>(tunnel: Tunnel<C>, proxy: &Proxy) -> Tunnel<C> {
    let pair = proxy.credentials.as_ref();
    let header = pair.and_then(|(user, password)| {
        let text = BASE64_STANDARD.encode(format!("{user}:{password}"));
        HeaderValue::from_str(&format!("Basic {text}")).ok()
    });
    match header {
        Some(header) => tunnel.with_auth(header),
        None => tunnel,
    }
}

impl Connection {
    /// What the API server warned of since this was asked last, each text once.
    pub fn warnings(&self) -> Vec<String> {
        self.warnings.take()
    }

    /// The kind's API, in the stack's namespace where it has one.
    pub(super) fn api(&self, kind: Kind) -> Api<DynamicObject> {
        let resource = kind.api_resource();
        if kind.is_namespaced() {
            Api::namespaced_with(self.client.clone(), &self.target.namespace, &resource)
        } else {
            Api::all_with(self.client.clone(), &resource)
        }
    }

    /// The identity of an object of ours.
    pub(super) fn object_id(&self, kind: Kind, name: &str) -> ObjectId {
        ObjectId {
            kind,
            namespace: kind.is_namespaced().then(|| self.target.namespace.clone()),
            name: name.to_owned(),
        }
    }
}
