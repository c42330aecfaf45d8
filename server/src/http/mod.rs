//! The HTTP side: requests in, answers and errors out. Knows nothing of tensors.

mod answer;
mod api_key;
mod app;
mod body;
mod body_buffer;
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
mod scrape_cache;
mod serve;
mod trace_context;
mod wire;

use axum::Router;
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tower_http::cors::CorsLayer;

use error::ApiError;

pub use api_key::ApiKey;
pub use app::App;
pub use body_buffer::BodyMemory;
pub use scrape_cache::ScrapeCache;
pub use serve::serve;
pub use trace_context::TraceContext;

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

/// With a key, only those who have it learn what the API is and does; the page itself asks for it.
fn service(app: &App, origins: &[HeaderValue]) -> Router<App> {
    let guarded = |routes: Router<App>| match &app.api_key {
        Some(key) => routes.layer(from_fn_with_state(key.clone(), guard::guard)),
        None => routes,
    };
    let mut api = guarded(Router::new().route("/api/predict", post(predict::predict)));
    if !origins.is_empty() {
        api = api.layer(cors(origins));
    }
    let description = Router::new()
        .route("/info", get(health::info))
        .route("/openapi.json", get(openapi::document))
        .route("/docs", get(page::docs));
    api.merge(guarded(description))
        .route("/", get(page::index))
        .route("/page.css", get(page::style))
        .route("/page.js", get(page::script))
        .route("/shared.js", get(page::shared_script))
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
        "the routes are POST /api/predict; GET /, /docs, /openapi.json, /info; and GET /health, /ready, /metrics here or on the management port",
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
        "/api/predict takes POST; all other routes take GET and HEAD",
    );
    error.into_response()
}

fn options() -> Response {
    StatusCode::NO_CONTENT.into_response()
}
