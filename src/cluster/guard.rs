//! Writes under the lock: none is sent, and none is waited for, once its holder may no longer write.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{Method, Request, Response};
use jiff::Timestamp;
use kube::Client;
use kube::client::Body;
use tokio::sync::watch;
use tokio::time::Instant;
use tower::service_fn;

use super::Connection;

/// When a request was sent, by two clocks: the process's own stands still while the machine sleeps, the wall clock can
/// be set.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    process: Instant,
    wall: Timestamp,
}

impl Moment {
    pub(super) fn now() -> Self {
        Self {
            process: Instant::now(),
            wall: Timestamp::now(),
        }
    }

    /// The longer of what both clocks say: to take a lock for older than it is does no harm.
    pub(super) fn elapsed(&self) -> Duration {
        let wall = Timestamp::now().duration_since(self.wall);
        self.process
            .elapsed()
            .max(wall.try_into().unwrap_or_default())
    }
}

/// The right to write: from the moment at which the last renewal that was answered was sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Term {
    since: Moment,
    length: Duration,
}

impl Term {
    pub(super) const fn new(since: Moment, length: Duration) -> Self {
        Self { since, length }
    }

    /// One that ends at once.
    pub(super) fn ended() -> Self {
        Self::new(Moment::now(), Duration::ZERO)
    }

    pub(super) fn is_over(&self) -> bool {
        self.since.elapsed() >= self.length
    }
}

/// The error of a write that is refused or cut off because the term is over.
#[derive(Debug, thiserror::Error)]
#[error("the lock's term is over")]
pub(super) struct Over;

/// What decides about the writes of a [`guarded`] connection.
#[derive(Clone)]
pub(super) struct Guard {
    pub(super) term: watch::Receiver<Term>,
    pub(super) astray: Astray,
}

/// When the outcome of a write was last unknown: it may still reach the API server.
#[derive(Debug, Clone, Default)]
pub(super) struct Astray(Arc<Mutex<Option<Instant>>>);

impl Astray {
    pub(super) fn last(&self) -> Option<Instant> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }
}

/// The same connection, on which writes are refused when the term is over, and cut off when it ends meanwhile. Reads
/// and dry runs pass.
pub(super) fn guarded(connection: &Connection, guard: Guard) -> Connection {
    let client = connection.client.clone();
    let namespace = client.default_namespace().to_owned();
    let service = service_fn(move |request: Request<Body>| {
        let (client, guard) = (client.clone(), guard.clone());
        async move {
            if is_write(&request) {
                guard.send(&client, request).await
            } else {
                client.send(request).await
            }
        }
    });
    Connection {
        client: Client::new(service, namespace),
        ..connection.clone()
    }
}

fn is_write<B>(request: &Request<B>) -> bool {
    let query = request.uri().query().unwrap_or_default();
    // Such a review creates nothing, whatever its method.
    let is_review = request.uri().path().ends_with("/selfsubjectreviews");
    request.method() != Method::GET && !query.contains("dryRun=All") && !is_review
}

impl Guard {
    /// The term is looked at first: dropped unpolled, a request is not sent at all. Dropped later, its connection is
    /// closed.
    async fn send(
        mut self,
        client: &Client,
        request: Request<Body>,
    ) -> Result<Response<Body>, kube::Error> {
        let answer = tokio::select! {
            biased;
            () = over(&mut self.term) => Err(kube::Error::Service(Box::new(Over))),
            answer = client.send(request) => answer,
        };
        // A 5xx may come from something in between, or from an API server whose own storage has not answered yet.
        if answer
            .as_ref()
            .map_or(true, |it| it.status().is_server_error())
        {
            self.astray.note();
        }
        answer
    }
}

/// Ends with the term, which a renewal makes longer; without a holder it is over.
async fn over(term: &mut watch::Receiver<Term>) {
    loop {
        let known = *term.borrow_and_update();
        if known.is_over() {
            return;
        }
        let end = known.since.process + known.length;
        tokio::select! {
            () = tokio::time::sleep_until(end) => (),
            changed = term.changed() => if changed.is_err() {
                return;
            },
        }
    }
}
