//! The client for the one context that the stack names.

use std::time::Duration;

use http::HeaderValue;
use http::header::USER_AGENT;
use hyper_timeout::TimeoutConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use kube::client::ConfigExt;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::DynamicObject;
use kube::{Api, Client, Config};
use tower::{BoxError, ServiceBuilder};

use super::Error;
use crate::kinds::{Kind, ObjectId};
use crate::stack::Target;

/// A client and where it leads.
#[derive(Clone)]
pub struct Connection {
    pub(super) client: Client,
    /// The stack and its only place.
    pub target: Target,
    /// The API server's address.
    pub server: String,
}

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// Makes a client for the target's context, and only for that. Sends nothing.
///
/// # Errors
/// [`Error::Kubeconfig`] and [`Error::UnknownContext`].
pub async fn connect(target: &Target) -> Result<Connection, Error> {
    let kubeconfig = read_kubeconfig(target)?;
    let context = &target.context;
    if !kubeconfig
        .contexts
        .iter()
        .any(|known| known.name == *context)
    {
        let known: Vec<&str> = kubeconfig
            .contexts
            .iter()
            .map(|known| known.name.as_str())
            .collect();
        return Err(Error::UnknownContext {
            context: context.clone(),
            known: known.join(", "),
        });
    }
    let options = KubeConfigOptions {
        context: Some(context.clone()),
        ..Default::default()
    };
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &options)
        .await
        .map_err(Error::Kubeconfig)?;
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    config.read_timeout = Some(READ_TIMEOUT);
    // The client's own retries last for minutes, say nothing, and repeat what must not be sent twice.
    config.default_retry = false;
    let agent = HeaderValue::from_static(concat!("uninlu/", env!("CARGO_PKG_VERSION")));
    config.headers.push((USER_AGENT, agent));
    let server = config.cluster_url.to_string();
    let unreachable = |error: kube::Error| Error::Unreachable {
        context: context.clone(),
        server: server.clone(),
        reason: error.to_string(),
    };
    Ok(Connection {
        client: client(config).map_err(unreachable)?,
        target: target.clone(),
        server: server.clone(),
    })
}

/// The client's own stack, but for one option: head and body of a request are two writes, and without `TCP_NODELAY` the
/// second one waits for the other side's delayed acknowledgement, 40 ms in every fifth plan.
fn client(config: Config) -> Result<Client, kube::Error> {
    if config.proxy_url.is_some() {
        return Client::try_from(config);
    }
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    let mut connector = TimeoutConnector::new(config.rustls_https_connector_with_connector(tcp)?);
    connector.set_connect_timeout(config.connect_timeout);
    connector.set_read_timeout(config.read_timeout);
    connector.set_reset_reader_on_write(config.reset_reader_on_write);
    let http = hyper_util::client::legacy::Client::builder(TokioExecutor::new()).build(connector);
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(BoxError::from)
        .service(http);
    Ok(Client::new(service, config.default_namespace))
}

fn read_kubeconfig(target: &Target) -> Result<Kubeconfig, Error> {
    match &target.kubeconfig {
        Some(file) => Kubeconfig::read_from(file),
        None => Kubeconfig::read(),
    }
    .map_err(Error::Kubeconfig)
}

impl Connection {
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
