//! What is noted of every request: metrics, a line of the log, its ids.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;

use super::App;
use crate::traces::Answered;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACE_PARENT: HeaderName = HeaderName::from_static("traceparent");

/// What a caller that left before the answer is counted as; nginx's number for it.
const LEFT: u16 = 499;

/// A request that runs. Counted when it is dropped: also when its caller left and nobody asks for an answer any more.
struct Running {
    app: App,
    began: Instant,
    method: String,
    route: String,
    code: u16,
}

impl Running {
    fn begin(app: App, request: &Request) -> Self {
        let route = request.extensions().get::<MatchedPath>();
        app.metrics.request_began();
        Self {
            began: Instant::now(),
            method: request.method().to_string(),
            route: route.map_or("unmatched", MatchedPath::as_str).to_owned(),
            code: LEFT,
            app,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let took = self.began.elapsed();
        self.app
            .metrics
            .request_ended(&self.method, &self.route, self.code, took);
    }
}

/// Counts, logs and traces every request once, and gives it an id. What is asked is never logged: texts may be private.
pub(super) async fn observe(State(app): State<App>, request: Request, next: Next) -> Response {
    let mut running = Running::begin(app.clone(), &request);
    let headers = request.headers().clone();
    let id = request_id(&headers);
    let mut response = next.run(request).await;
    running.code = response.status().as_u16();
    if running.route == "/api/predict" || running.code >= 500 && running.code != 503 {
        tell(&running, &headers, id.to_str().unwrap_or_default());
    }
    response.headers_mut().insert(REQUEST_ID, id);
    if app.draining.load(Ordering::Acquire) {
        // Whoever keeps connections open must open the next one to another pod.
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
    }
    if let Some(trace) = headers.get(TRACE_PARENT) {
        response.headers_mut().insert(TRACE_PARENT, trace.clone());
    }
    response
}

fn tell(running: &Running, headers: &HeaderMap, id: &str) {
    let (method, route, code) = (&running.method, &running.route, running.code);
    let took = running.began.elapsed();
    let trace = headers.get(TRACE_PARENT);
    tracing::info!(
        method,
        route,
        code,
        seconds = took.as_secs_f64(),
        request_id = id,
        trace = trace
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default(),
        "answered"
    );
    if let Some(traces) = &running.app.traces {
        traces.answered(&Answered {
            headers,
            method,
            route,
            code,
            id,
            took,
        });
    }
}

static COUNT: AtomicU64 = AtomicU64::new(0);

/// The caller's id, or one of ours that is unique to this process.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    match headers.get(REQUEST_ID) {
        Some(id) if id.len() <= 128 => id.clone(),
        _ => {
            let id = format!(
                "{:x}-{:x}",
                std::process::id(),
                COUNT.fetch_add(1, Ordering::Relaxed)
            );
            HeaderValue::from_str(&id).unwrap_or(HeaderValue::from_static("none"))
        }
    }
}
