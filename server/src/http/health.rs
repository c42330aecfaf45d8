//! The state of the server: for the kubelet, for people.

use std::sync::atomic::Ordering;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Value, json};
use uninlu_settings::{NAMES, Settings};
use utoipa::ToSchema;

use super::app::App;

/// The state of the process.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Status {
    /// `ok` or `stuck`; `ready`, `loading` or `draining`.
    status: &'static str,
}

fn status(code: StatusCode, status: &'static str) -> Response {
    (code, Json(Status { status })).into_response()
}

/// Liveness: whether the model threads make progress, regardless of load.
#[utoipa::path(get, path = "/health", responses(
    (status = 200, description = "The process makes progress", body = Status),
    (status = 503, description = "A batch takes far too long: restart the process", body = Status),
))]
pub(super) async fn health(State(app): State<App>) -> Response {
    if app.worker.is_alive() {
        status(StatusCode::OK, "ok")
    } else {
        status(StatusCode::SERVICE_UNAVAILABLE, "stuck")
    }
}

/// Readiness: whether the model is loaded and the process is not shutting down, regardless of load.
#[utoipa::path(get, path = "/ready", responses(
    (status = 200, description = "Requests are answered", body = Status),
    (status = 503, description = "The model is loading, or the process is shutting down", body = Status),
))]
pub(super) async fn ready(State(app): State<App>) -> Response {
    match (app.worker.is_loaded(), app.draining.load(Ordering::Acquire)) {
        (_, true) => status(StatusCode::SERVICE_UNAVAILABLE, "draining"),
        (false, _) => status(StatusCode::SERVICE_UNAVAILABLE, "loading"),
        (true, false) => status(StatusCode::OK, "ready"),
    }
}

/// What the server runs: version, model, settings.
#[utoipa::path(get, path = "/info", responses(
    (status = 200, description = "Version, revision, model with the tasks that it is trained for, precision, device, threads, hot settings in force, and the names of all hot settings that this server knows", body = Object),
))]
pub(super) async fn info(State(app): State<App>) -> Json<Value> {
    Json(json!({
        "version": env!("CARGO_PKG_VERSION"),
        // Set by the image, so that another commit does not compile the server again.
        "revision": std::env::var("GIT_COMMIT").ok(),
        "threads": tch::get_num_threads(),
        "model": app.worker.info(),
        "settings": Settings::from(app.settings.borrow().clone()),
        "known_settings": NAMES,
    }))
}
