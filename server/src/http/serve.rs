//! Connections: so many at once, each with bounds on what it may send and how slowly.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::Version;
use hyper::Request;
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;

use super::line::{Line, Phase};
use super::pool::{Place, Pool};
use super::rate::Rate;
use super::wire::{self, Wire};

/// Headers of a request at most; more is answered with 431.
const HEADERS: usize = 64;
/// Bytes of a request's head at most; nginx's default too.
const HEAD_BYTES: usize = 32 << 10;
/// Connections beyond the bound, on which only probes are answered.
const RESERVE: usize = 64;
/// After a refused `accept`, which mostly means that there are no descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// For those that not even the reserve has room for.
const BUSY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\n\
    content-length: 0\r\n\r\n";

/// The places of one listener, and what is read on them for nothing.
struct Places {
    usual: Arc<Pool>,
    reserve: Arc<Pool>,
    drain: Arc<Rate>,
}

impl Places {
    fn admit(&self) -> Option<Place> {
        self.usual.admit().or_else(|| self.reserve.admit())
    }
}

/// Serves until `stop` ends, then lets the requests end that run; takes no connection any more. `connections` is how
/// many there are at most.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    connections: usize,
    stop: impl Future<Output = ()>,
) {
    let places = Places {
        usual: Pool::new(connections, false),
        reserve: Pool::new(RESERVE, true),
        drain: Arc::new(wire::drain()),
    };
    let running = GracefulShutdown::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        let Ok((stream, _)) = accepted else {
            places.usual.give_up_one();
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        // Answers are small and complete: nothing is gained by waiting for more to send.
        let _ = stream.set_nodelay(true);
        if let Some(place) = places.admit() {
            let wire = Wire::new(stream, place.line.clone(), places.drain.clone());
            tokio::spawn(converse(wire, place, router.clone(), running.watcher()));
        } else {
            let _ = stream.try_write(BUSY);
        }
    }
    drop(listener);
    running.shutdown().await;
}

async fn converse(wire: Wire, place: Place, router: Router, watcher: Watcher) {
    let line = place.line.clone();
    let router = TowerToHyperService::new(router);
    let service = service_fn(|request| answer(&line, &router, request));
    let wire = TokioIo::new(wire);
    let connection = http1::Builder::new()
        // `Line` bounds it, and the time before the head's first byte by itself.
        .header_read_timeout(None)
        .max_headers(HEADERS)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(wire, service);
    tokio::select! {
        ended = watcher.watch(connection) => {
            if let Err(error) = ended {
                tracing::debug!(%error, "connection error");
            }
        }
        reason = line.ended() => tracing::debug!(reason, "connection closed"),
    }
}

async fn answer(
    line: &Arc<Line>,
    router: &TowerToHyperService<Router>,
    mut request: Request<Incoming>,
) -> Result<axum::response::Response, std::convert::Infallible> {
    let has_body = !request.body().is_end_stream();
    let knows_interim = request.version() == Version::HTTP_11;
    line.asked(has_body, knows_interim).await;
    request.extensions_mut().insert(line.clone());
    let response = router.call(request).await;
    line.enter(Phase::Answer);
    response
}
