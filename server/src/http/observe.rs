//! What is noted of every request: metrics, a line of the log, its ids.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::Response;

use super::app::App;
use super::error::Refusal;
use super::line::Line;
use super::trace_context::{TRACE_PARENT, TraceContext};
use crate::traces::Answered;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The label of a method or a path that is none of ours: those that callers invent are without number.
const OTHER: &str = "other";
/// Asked every few seconds by the kubelet, whatever the answer: its metrics tell enough.
const READY: &str = "/ready";

/// What a caller that left before the answer is counted as; nginx's number for it.
const LEFT: u16 = 499;

/// A request that runs. Noted when it is dropped: also when its caller left and nobody asks for an answer any more.
struct Running {
    app: App,
    began: Instant,
    method: &'static str,
    route: String,
    id: HeaderValue,
    trace: Option<TraceContext>,
    code: u16,
    refusal: Option<Refusal>,
}

impl Running {
    fn begin(app: App, request: &Request) -> Self {
        let route = request.extensions().get::<MatchedPath>();
        app.metrics.request_began();
        Self {
            began: Instant::now(),
            method: label(request.method()),
            route: route.map_or(OTHER, MatchedPath::as_str).to_owned(),
            id: request_id(request.headers()),
            trace: TraceContext::of(request.headers()),
            code: LEFT,
            refusal: None,
            app,
        }
    }

    /// Pages and probes that go well are not worth a line.
    fn is_told(&self) -> bool {
        self.route == "/api/predict" || self.code >= 400 && self.route != READY
    }

    fn tell(&self) {
        let seconds = self.began.elapsed().as_secs_f64();
        let (method, route, code) = (self.method, self.route.as_str(), self.code);
        let request_id = self.id.to_str().unwrap_or_default();
        let trace_id = self.trace.as_ref().map(TraceContext::id);
        let error = self.refusal.as_ref().map(|refusal| refusal.code);
        let reason = self.refusal.as_ref().map(|refusal| &*refusal.reason);
        let reason = reason.filter(|reason| !reason.is_empty());
        if code >= 500 {
            tracing::error!(
                method, route, code, seconds, request_id, trace_id, error, reason, "failed"
            );
        } else if code == LEFT {
            tracing::info!(
                method,
                route,
                code,
                seconds,
                request_id,
                trace_id,
                "client closed request"
            );
        } else if code >= 400 {
            tracing::info!(
                method, route, code, seconds, request_id, trace_id, error, reason, "refused"
            );
        } else {
            tracing::info!(
                method, route, code, seconds, request_id, trace_id, "answered"
            );
        }
    }

    fn trace(&self) {
        if let Some(traces) = &self.app.traces {
            traces.answered(&Answered {
                context: self.trace.as_ref(),
                method: self.method,
                route: &self.route,
                code: self.code,
                id: self.id.to_str().unwrap_or_default(),
                took: self.began.elapsed(),
            });
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let took = self.began.elapsed();
        self.app
            .metrics
            .request_ended(self.method, &self.route, self.code, took);
        if self.is_told() {
            self.tell();
            self.trace();
        }
    }
}

/// Counts, logs and traces every request once, and gives it an id. What is asked is never logged: texts may be private.
pub(super) async fn observe(State(app): State<App>, request: Request, next: Next) -> Response {
    let mut running = Running::begin(app.clone(), &request);
    let line = request.extensions().get::<Arc<Line>>().cloned();
    let mut response = next.run(request).await;
    running.code = response.status().as_u16();
    running.refusal = response.extensions_mut().remove::<Refusal>();
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, running.id.clone());
    if let Some(parent) = running.trace.as_ref().and_then(TraceContext::header) {
        headers.insert(TRACE_PARENT, parent);
    }
    // Who keeps connections open must open the next one to another pod.
    let is_draining = app.draining.load(Ordering::Acquire);
    if is_draining || line.is_some_and(|line| line.is_body_unread() || line.is_reserve) {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

fn label(method: &Method) -> &'static str {
    let known = [
        "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT",
    ];
    let mut known = known.into_iter();
    known
        .find(|known| *known == method.as_str())
        .unwrap_or(OTHER)
}

static COUNT: AtomicU64 = AtomicU64::new(0);
/// Differs between pods, whose process ids are all 1.
static PROCESS: LazyLock<u64> = LazyLock::new(|| RandomState::new().build_hasher().finish());

/// The caller's id where it is short and plain, or one of ours.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    let is_plain = |id: &HeaderValue| {
        let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:/+=@".contains(byte);
        (1..=128).contains(&id.len()) && id.as_bytes().iter().all(is_plain)
    };
    if let Some(id) = headers.get(REQUEST_ID).filter(|id| is_plain(id)) {
        return id.clone();
    }
    let id = format!(
        "{:016x}-{:x}",
        *PROCESS,
        COUNT.fetch_add(1, Ordering::Relaxed)
    );
    HeaderValue::from_str(&id).unwrap_or(HeaderValue::from_static("none"))
}
