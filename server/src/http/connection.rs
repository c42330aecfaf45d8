//! What a request's connection decides about it before its route does.

use std::sync::Arc;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;

use super::error::ApiError;
use super::line::Line;

/// What is answered on a connection beyond the bound: a kubelet must not restart a pod for its callers' number.
const PROBES: [&str; 3] = ["/health", "/ready", "/metrics"];

/// Refuses what a connection of the reserve may not ask, and a request whose end is not certain.
pub(super) async fn admit(request: Request, next: Next) -> Result<Response, ApiError> {
    if let Some(line) = request.extensions().get::<Arc<Line>>() {
        check(line, request.uri().path())?;
    }
    Ok(next.run(request).await)
}

fn check(line: &Line, path: &str) -> Result<(), ApiError> {
    if line.is_framing_ambiguous() {
        let message = "send Content-Length or Transfer-Encoding, not both";
        return Err(ApiError::malformed("Content-Length", message)
            .logged("both Content-Length and Transfer-Encoding"));
    }
    if line.is_reserve && !PROBES.contains(&path) {
        let message = "too many connections are open";
        return Err(ApiError::busy(message).logged(message));
    }
    Ok(())
}
