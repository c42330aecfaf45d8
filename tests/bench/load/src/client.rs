//! HTTP/1.1 with connections kept alive, as a caller's pool keeps them; as many as are needed at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::header::{CONTENT_TYPE, RETRY_AFTER};
use hyper::{HeaderMap, Request, Uri};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::endpoints::Rotation;
use crate::open_loop::Outcome;
use crate::report::Counts;

/// A pool of connections for bodies of this type. A request for which a kept connection turns out to be closed, before
/// anything of it was sent, goes over a new one: every common HTTP client does that.
pub(crate) type Connections = Pool<HttpConnector, Full<Bytes>>;

/// A new pool.
pub(crate) fn connections() -> Connections {
    pool(usize::MAX)
}

fn pool(kept: usize) -> Connections {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    Pool::builder(TokioExecutor::new())
        .pool_max_idle_per_host(kept)
        .build(connector)
}

/// Sends predictions.
#[derive(Clone)]
pub(crate) struct Client {
    connections: Connections,
    rotation: Rotation,
    bodies: Arc<Vec<Bytes>>,
    patience: Duration,
}

impl Client {
    /// A client of what is in rotation.
    pub(crate) fn new(rotation: Rotation, bodies: Vec<Bytes>, patience: Duration) -> Self {
        Self {
            connections: connections(),
            rotation,
            bodies: Arc::new(bodies),
            patience,
        }
    }

    /// The same, with a new connection for each request.
    pub(crate) fn without_kept_connections(mut self) -> Self {
        self.connections = pool(0);
        self
    }

    /// Sends body `number` and reads the whole answer.
    pub(crate) async fn predict(self, number: usize) -> Outcome {
        let Some(endpoint) = self.rotation.next() else {
            return Outcome::Broken;
        };
        let Ok(request) = Request::post(format!("{endpoint}api/predict"))
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(self.bodies[number % self.bodies.len()].clone()))
        else {
            return Outcome::Broken;
        };
        let answer = timeout(self.patience, async {
            let answer = self.connections.request(request).await.ok()?;
            let (head, body) = answer.into_parts();
            body.collect().await.ok()?;
            Some(Outcome::Answered {
                code: head.status.as_u16(),
                retry_after: retry_after(&head.headers),
            })
        });
        answer.await.map_or(Outcome::TimedOut, |answer| {
            answer.unwrap_or(Outcome::Broken)
        })
    }

    async fn predict_until_taken(self, number: usize) -> Counts {
        let mut counts = Counts::default();
        loop {
            let outcome = self.clone().predict(number).await;
            counts.note(outcome);
            match outcome {
                Outcome::Answered {
                    code: 429,
                    retry_after: Some(wait),
                } => sleep(wait).await,
                _ => return counts,
            }
        }
    }

    /// Sends `many` requests, `concurrency` at a time. Who is sent away comes back as told, until it is taken.
    pub(crate) async fn drive(&self, many: usize, concurrency: usize) -> Counts {
        let next = Arc::new(AtomicUsize::new(0));
        let mut callers = JoinSet::new();
        for _ in 0..concurrency {
            let (client, next) = (self.clone(), next.clone());
            callers.spawn(async move {
                let mut counts = Counts::default();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= many {
                        return counts;
                    }
                    counts.add(client.clone().predict_until_taken(number).await);
                }
            });
        }
        let mut counts = Counts::default();
        for caller in callers.join_all().await {
            counts.add(caller);
        }
        counts
    }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// Asks a path of an endpoint for its status; every time on a new connection, as the kubelet asks.
pub(crate) async fn status(endpoint: &Uri, path: &str, patience: Duration) -> Option<u16> {
    let request = Request::get(format!("{endpoint}{path}"))
        .body(Full::default())
        .ok()?;
    let answer = timeout(patience, connections().request(request))
        .await
        .ok()?
        .ok()?;
    Some(answer.status().as_u16())
}
