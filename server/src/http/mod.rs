//! The HTTP side: requests in, answers and errors out. Knows nothing of tensors.

mod body;
mod error;
mod guard;
mod health;
mod observe;
mod openapi;
mod page;
mod predict;
mod request;
mod serve;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use axum::Router;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post};
use tokio::sync::watch;
use tower_http::cors::CorsLayer;

use crate::metrics::Metrics;
use crate::settings::Settings;
use crate::traces::Traces;
use crate::worker::Worker;
use error::ApiError;

pub use guard::ApiKey;
pub use serve::serve;

/// What every handler sees.
#[derive(Clone)]
pub struct App {
    /// The model's threads.
    pub worker: Worker,
    /// Hot settings.
    pub settings: watch::Receiver<Settings>,
    /// Metrics.
    pub metrics: Arc<Metrics>,
    /// Set when the process was asked to stop.
    pub draining: Arc<AtomicBool>,
    /// Without it, everybody may ask.
    pub api_key: Option<ApiKey>,
    /// Without it, nothing is traced.
    pub traces: Option<Traces>,
}

/// The routes. Pages of `origins` may call the API from a browser; none may without.
pub fn router(app: App, origins: &[HeaderValue]) -> Router {
    let api = Router::new()
        .route("/api/predict", post(predict::predict))
        .layer(from_fn_with_state(app.clone(), guard::guard));
    let api = if origins.is_empty() {
        api
    } else {
        api.layer(cors(origins))
    };
    api.route("/health", get(health::health))
        .route("/ready", get(health::ready))
        .route("/metrics", get(health::metrics))
        .route("/info", get(health::info))
        .route("/openapi.json", get(openapi::document))
        .route("/docs", get(page::docs))
        .route("/", get(page::index))
        .route("/page.css", get(page::style))
        .route("/page.js", get(page::script))
        .route("/docs.js", get(page::docs_script))
        .fallback(no_route)
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn(page::secure))
        .layer(from_fn_with_state(app.clone(), observe::observe))
        .with_state(app)
}

fn cors(origins: &[HeaderValue]) -> CorsLayer {
    CorsLayer::new()
        .allow_origin(origins.to_vec())
        .allow_methods([Method::POST])
        .allow_headers([
            header::CONTENT_TYPE,
            header::AUTHORIZATION,
            guard::API_KEY,
            predict::REQUEST_TIMEOUT,
        ])
}

async fn no_route() -> ApiError {
    ApiError::new(
        StatusCode::NOT_FOUND,
        "no_route",
        "there is POST /api/predict, and GET /, /docs, /openapi.json, /health, /ready, /metrics, /info",
    )
}

async fn wrong_method() -> ApiError {
    ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "wrong_method",
        "POST /api/predict; every other route answers GET",
    )
}
