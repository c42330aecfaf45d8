//! The HTTP side: requests in, answers and errors out. Knows nothing of tensors.

mod answer;
mod body;
mod coding;
mod connection;
mod error;
mod framing;
mod guard;
mod health;
mod line;
mod observe;
mod openapi;
mod page;
mod pool;
mod predict;
mod rate;
mod request;
mod scrape;
mod serve;
mod trace_context;
mod wire;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use axum::Router;
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio::sync::watch;
use tower_http::cors::CorsLayer;
use uninlu_settings::InForce;

use crate::metrics::Metrics;
use crate::traces::Traces;
use crate::worker::Worker;
use error::ApiError;

pub use body::Room;
pub use guard::ApiKey;
pub use scrape::Page;
pub use serve::serve;
pub use trace_context::TraceContext;

/// What every handler sees.
#[derive(Clone)]
pub struct App {
    /// The model's threads.
    pub worker: Worker,
    /// Hot settings.
    pub settings: watch::Receiver<InForce>,
    /// Metrics.
    pub metrics: Arc<Metrics>,
    /// Set when the process was asked to stop.
    pub draining: Arc<AtomicBool>,
    /// Without it, everybody may ask.
    pub api_key: Option<ApiKey>,
    /// Without it, nothing is traced.
    pub traces: Option<Traces>,
    /// For the bodies of all requests.
    pub room: Room,
    /// Of the metrics.
    pub page: Page,
}

/// Which routes a router has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Routes {
    /// All.
    All,
    /// Without those of [`Routes::Management`], which another port has.
    Service,
    /// `/health`, `/ready` and `/metrics`.
    Management,
}

/// The routes. Pages of `origins` may call the API from a browser; none may without.
pub fn router(app: App, routes: Routes, origins: &[HeaderValue]) -> Router {
    let chosen = match routes {
        Routes::All => service(&app, origins).merge(management()),
        Routes::Service => service(&app, origins),
        Routes::Management => management(),
    };
    chosen
        .fallback(no_route)
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn(connection::admit))
        .layer(from_fn(page::secure))
        .layer(from_fn_with_state(app.clone(), observe::observe))
        .with_state(app)
}

fn management() -> Router<App> {
    Router::new()
        .route("/health", get(health::health))
        .route("/ready", get(health::ready))
        .route("/metrics", get(scrape::metrics))
}

/// With a key, what the API is and does is told to who has it; the page itself asks for it.
fn service(app: &App, origins: &[HeaderValue]) -> Router<App> {
    let key = from_fn_with_state(app.clone(), guard::guard);
    let mut api = Router::new()
        .route("/api/predict", post(predict::predict))
        .layer(key.clone());
    if !origins.is_empty() {
        api = api.layer(cors(origins));
    }
    let told = Router::new()
        .route("/info", get(health::info))
        .route("/openapi.json", get(openapi::document))
        .route("/docs", get(page::docs))
        .layer(key);
    api.merge(told)
        .route("/", get(page::index))
        .route("/page.css", get(page::style))
        .route("/page.js", get(page::script))
        .route("/docs.js", get(page::docs_script))
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

async fn no_route(method: Method, uri: Uri) -> Response {
    // `OPTIONS *` asks about the server itself (RFC 9110, 9.3.7).
    if method == Method::OPTIONS && uri.path() == "*" {
        return options();
    }
    let error = ApiError::new(
        StatusCode::NOT_FOUND,
        "no_route",
        "there is POST /api/predict, and GET /, /docs, /openapi.json, /info; /health, /ready, /metrics here or on the management port",
    );
    error.into_response()
}

/// `Allow` is added by axum.
async fn wrong_method(method: Method) -> Response {
    if method == Method::OPTIONS {
        return options();
    }
    let error = ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "wrong_method",
        "POST /api/predict; every other route answers GET and HEAD",
    );
    error.into_response()
}

fn options() -> Response {
    StatusCode::NO_CONTENT.into_response()
}
