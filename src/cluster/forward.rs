//! HTTP to a pod through a port-forward: it enters the pod's own network, where no NetworkPolicy stops it.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderName, Request, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::Portforwarder;
use kube::client::UpgradeConnectionError;
use tokio::time::timeout;
use tower::BoxError;

use crate::plan::outlook::Asked;
use crate::verify::Answer;

/// Far above what a server that serves takes for an answer.
const PATIENCE: Duration = Duration::from_secs(60);
/// Largest body that is read.
const LONGEST: usize = 4 << 20;
/// Where the server looks for its key.
const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// One connection to a pod's port.
pub(super) struct Forward {
    sender: SendRequest<Full<Bytes>>,
    /// The port is forwarded for as long as this lives; it tells why it ended.
    forwarder: Portforwarder,
    port: u16,
    /// Why nothing can be asked any more.
    broken: Option<String>,
}

impl Forward {
    pub(super) async fn open(api: &Api<Pod>, pod: &str, port: u16) -> Asked<Self> {
        let mut forwarder = api.portforward(pod, &[port]).await.map_err(refusal)?;
        let stream = forwarder.take_stream(port).ok_or("no stream")?;
        let (sender, connection) = within(handshake(TokioIo::new(stream))).await?;
        tokio::spawn(connection);
        Ok(Self {
            sender,
            forwarder,
            port,
            broken: None,
        })
    }

    pub(super) async fn get(&mut self, path: &str, key: Option<&str>) -> Asked<Answer> {
        let request = with_key(Request::get(path), key).body(Full::default());
        self.send(request.map_err(|error| error.to_string())?).await
    }

    /// The answer to a JSON body, and how long it took.
    pub(super) async fn post(
        &mut self,
        path: &str,
        body: Bytes,
        key: Option<&str>,
    ) -> Asked<(Answer, Duration)> {
        let request = Request::post(path).header(header::CONTENT_TYPE, "application/json");
        let request = with_key(request, key).body(Full::new(body));
        let request = request.map_err(|error| error.to_string())?;
        let began = Instant::now();
        let answer = self.send(request).await?;
        Ok((answer, began.elapsed()))
    }

    /// Once an answer did not come, no later one would be told from it.
    async fn send(&mut self, request: Request<Full<Bytes>>) -> Asked<Answer> {
        if let Some(why) = &self.broken {
            return Err(why.clone());
        }
        match self.exchange(request).await {
            Ok(answer) => Ok(answer),
            Err(why) => {
                let why = self.fault().await.unwrap_or(why);
                self.broken = Some(why.clone());
                Err(why)
            }
        }
    }

    /// The kubelet's words, such as that nothing listens on the port.
    async fn fault(&mut self) -> Option<String> {
        let fault = self.forwarder.take_error(self.port)?;
        timeout(Duration::from_secs(1), fault).await.ok()?
    }

    async fn exchange(&mut self, mut request: Request<Full<Bytes>>) -> Asked<Answer> {
        let host = header::HeaderValue::from_static("localhost");
        request.headers_mut().insert(header::HOST, host);
        within(self.sender.ready()).await?;
        let response = within(self.sender.send_request(request)).await?;
        let status = response.status().as_u16();
        let body = within(Limited::new(response.into_body(), LONGEST).collect()).await?;
        Ok(Answer {
            status,
            body: String::from_utf8_lossy(&body.to_bytes()).into_owned(),
        })
    }
}

fn with_key(request: http::request::Builder, key: Option<&str>) -> http::request::Builder {
    match key {
        Some(key) => request.header(API_KEY, key),
        None => request,
    }
}

async fn within<T, E: Into<BoxError>>(answer: impl Future<Output = Result<T, E>>) -> Asked<T> {
    match timeout(PATIENCE, answer).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(format!("the connection broke: {}", error.into())),
        Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
    }
}

/// Why there is no answer. A refused exec or port-forward tells no more than its status.
pub(super) fn refusal(error: kube::Error) -> String {
    use UpgradeConnectionError::ProtocolSwitch;
    let code = match &error {
        kube::Error::Api(status) => status.code,
        kube::Error::UpgradeConnection(ProtocolSwitch(status)) => status.as_u16(),
        _ => 0,
    };
    match (code, error) {
        (403, _) => "not allowed to look (docs/rbac/verify.yaml has the rights)".into(),
        (_, kube::Error::Api(status)) => status.message,
        (500.., _) => format!("the API server cannot reach the pod (HTTP {code})"),
        (_, error) => error.to_string(),
    }
}
