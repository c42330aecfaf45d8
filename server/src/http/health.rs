//! How the server is: for the kubelet, for people.

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

/// One word.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Status {
    /// `ok` or `stuck`; `ready`, `loading` or `draining`.
    status: &'static str,
}

fn status(code: StatusCode, status: &'static str) -> Response {
    (code, Json(Status { status })).into_response()
}

/// Alive while the process can make progress; never asks the model's queue.
#[utoipa::path(get, path = "/health", responses(
    (status = 200, description = "The process makes progress", body = Status),
    (status = 503, description = "A pass takes impossibly long: restart it", body = Status),
))]
pub(super) async fn health(State(app): State<App>) -> Response {
    if app.worker.is_alive() {
        status(StatusCode::OK, "ok")
    } else {
        status(StatusCode::SERVICE_UNAVAILABLE, "stuck")
    }
}

/// Ready when the model is loaded and warm and the process was not asked to stop. Load is no reason.
#[utoipa::path(get, path = "/ready", responses(
    (status = 200, description = "Requests are answered", body = Status),
    (status = 503, description = "The model is being loaded, or the process was asked to stop", body = Status),
))]
pub(super) async fn ready(State(app): State<App>) -> Response {
    match (app.worker.is_loaded(), app.draining.load(Ordering::Acquire)) {
        (_, true) => status(StatusCode::SERVICE_UNAVAILABLE, "draining"),
        (false, _) => status(StatusCode::SERVICE_UNAVAILABLE, "loading"),
        (true, false) => status(StatusCode::OK, "ready"),
    }
}

/// What is served, and how.
#[utoipa::path(get, path = "/info", responses(
    (status = 200, description = "Version, revision, model, precision, device, threads, hot settings in force, names of all hot settings that this server knows", body = Object),
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
