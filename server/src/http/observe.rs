//! What is noted of every request: metrics, a line of the log, its ids.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;

use super::App;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACE_PARENT: HeaderName = HeaderName::from_static("traceparent");

/// Counts and logs every request once, and gives it an id. What is asked is never logged: texts may be private.
pub(super) async fn observe(State(app): State<App>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let method = request.method().to_string();
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("unmatched", MatchedPath::as_str)
        .to_owned();
    let id = request_id(request.headers());
    let trace = request.headers().get(TRACE_PARENT).cloned();
    app.metrics.request_began();
    let mut response = next.run(request).await;
    let (code, took) = (response.status().as_u16(), began.elapsed());
    app.metrics.request_ended(&method, &route, code, took);
    if route == "/api/predict" || code >= 500 && code != 503 {
        let trace = trace
            .as_ref()
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        tracing::info!(
            method,
            route,
            code,
            seconds = took.as_secs_f64(),
            request_id = id.to_str().unwrap_or_default(),
            trace,
            "answered"
        );
    }
    response.headers_mut().insert(REQUEST_ID, id);
    if app.draining.load(Ordering::Acquire) {
        // Whoever keeps connections open must open the next one to another pod.
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
    }
    if let Some(trace) = trace {
        response.headers_mut().insert(TRACE_PARENT, trace);
    }
    response
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
