//! Sends requests: one alone, or many at their arrivals, which wait for no answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::figures::{Sample, allowed_misses};
use super::pod::KEY;
use crate::report::innermost;

/// After this a request counts as never answered.
const PATIENCE: Duration = Duration::from_secs(120);
/// The same for `/ready`.
const PROBE_PATIENCE: Duration = Duration::from_secs(2);

/// Connections to one server, kept alive and as many as are needed at once, as a caller's pool keeps them.
#[derive(Clone)]
pub(super) struct Client {
    pool: Pool<HttpConnector, Full<Bytes>>,
    server: SocketAddr,
}

/// An answer of the server.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Bytes,
}

impl Client {
    pub(super) fn new(server: SocketAddr) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Self {
            pool: Pool::builder(TokioExecutor::new()).build(connector),
            server,
        }
    }

    /// Asks `/ready`.
    ///
    /// # Errors
    /// What came instead of 200, with the address.
    pub(super) async fn ready(&self) -> Result<(), String> {
        let address = format!("http://{}/ready", self.server);
        let answer = self.send(Request::get(&address), Bytes::new(), PROBE_PATIENCE);
        match answer.await {
            Ok(answer) if answer.status == 200 => Ok(()),
            Ok(answer) => Err(format!("{address} answered {}", answer.status)),
            Err(reason) => Err(format!("{address}: {reason}")),
        }
    }

    /// Asks for a prediction; `None` when the connection broke or no answer came.
    pub(super) async fn predict(&self, body: Bytes) -> Option<Answer> {
        let request = Request::post(format!("http://{}/api/predict", self.server))
            .header(CONTENT_TYPE, "application/json")
            .header(AUTHORIZATION, format!("Bearer {KEY}"));
        self.send(request, body, PATIENCE).await.ok()
    }

    async fn send(
        &self,
        request: http::request::Builder,
        body: Bytes,
        patience: Duration,
    ) -> Result<Answer, String> {
        let request = request
            .body(Full::new(body))
            .map_err(|error| innermost(&error))?;
        let answer = timeout(patience, async {
            let answer = self
                .pool
                .request(request)
                .await
                .map_err(|error| innermost(&error))?;
            let (head, body) = answer.into_parts();
            let body = body
                .collect()
                .await
                .map_err(|error| innermost(&error))?
                .to_bytes();
            let status = head.status.as_u16();
            Ok(Answer { status, body })
        });
        answer
            .await
            .unwrap_or_else(|_| Err(format!("no answer within {patience:?}")))
    }

    /// Sends each body at its arrival, whatever the server does meanwhile: a generator that waits for answers would not
    /// see the latencies that callers suffer while a server stalls. Ends early when the objective cannot be met any
    /// more. Returns when all are answered; what was not sent any more counts as a miss by its absence.
    pub(super) async fn trial(
        &self,
        requests: Vec<(Duration, Bytes)>,
        objective: Duration,
    ) -> Vec<Sample> {
        let (began, misses) = (Instant::now(), Arc::new(AtomicUsize::new(0)));
        let allowed = allowed_misses(requests.len());
        let mut sent = JoinSet::new();
        for (arrival, body) in requests {
            sleep_until(began + arrival).await;
            if misses.load(Ordering::Relaxed) > allowed {
                break;
            }
            let lag = (began + arrival).elapsed();
            let (client, misses) = (self.clone(), misses.clone());
            sent.spawn(async move {
                let answer = client.predict(body).await;
                let sample = Sample {
                    latency: (began + arrival).elapsed(),
                    lag,
                    status: answer.map(|answer| answer.status),
                };
                if sample.misses(objective) {
                    misses.fetch_add(1, Ordering::Relaxed);
                }
                sample
            });
        }
        sent.join_all().await
    }
}
