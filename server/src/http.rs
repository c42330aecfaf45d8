//! The HTTP side: requests in, answers and errors out. Knows nothing of tensors.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use axum::body::Body;
use axum::extract::{MatchedPath, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::metrics::Metrics;
use crate::schema::Schema;
use crate::settings::Settings;
use crate::worker::{PredictError, Request, Worker};

/// Bytes of a request's body at most.
const BODY_LIMIT: usize = 1 << 20;
/// Bytes that are read of a body that is too large.
const READ_LIMIT: usize = 16 << 20;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACE_PARENT: HeaderName = HeaderName::from_static("traceparent");

/// What every handler sees.
#[derive(Clone)]
pub struct App {
    /// The model's thread.
    pub worker: Worker,
    /// Hot settings.
    pub settings: watch::Receiver<Settings>,
    /// Metrics.
    pub metrics: Arc<Metrics>,
    /// Set when the process was asked to stop.
    pub draining: Arc<AtomicBool>,
}

/// The routes.
pub fn router(app: App) -> Router {
    Router::new()
        .route("/api/predict", post(predict))
        .route("/health", get(health))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics))
        .route("/info", get(info))
        .fallback(no_route)
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn_with_state(app.clone(), observe))
        .with_state(app)
}

/// An error as the caller sees it.
#[derive(Debug)]
struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
    place: Option<String>,
    retry_after: Option<u64>,
}

impl ApiError {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            place: None,
            retry_after: None,
        }
    }

    fn malformed(place: impl Into<String>, message: impl Into<String>) -> Self {
        let place = Some(place.into());
        Self {
            place,
            ..Self::new(StatusCode::BAD_REQUEST, "malformed", message)
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body =
            json!({ "error": { "code": self.code, "message": self.message, "place": self.place } });
        let mut response = (self.status, Json(body)).into_response();
        if let Some(seconds) = self.retry_after {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl From<PredictError> for ApiError {
    fn from(error: PredictError) -> Self {
        let message = error.to_string();
        match error {
            PredictError::Overloaded { retry_after } => Self {
                retry_after: Some(retry_after.as_secs_f64().ceil().max(1.0) as u64),
                ..Self::new(StatusCode::TOO_MANY_REQUESTS, "overloaded", message)
            },
            PredictError::TooLate => Self::new(StatusCode::GATEWAY_TIMEOUT, "too_late", message),
            PredictError::TooManyHints => Self {
                place: Some("schema".into()),
                ..Self::new(
                    StatusCode::UNPROCESSABLE_ENTITY,
                    "schema_too_large",
                    message,
                )
            },
            PredictError::Model(_) => {
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "model_failed", message)
            }
        }
    }
}

async fn no_route() -> ApiError {
    ApiError::new(
        StatusCode::NOT_FOUND,
        "no_route",
        "there is POST /api/predict, and GET /health, /ready, /metrics, /info",
    )
}

async fn wrong_method() -> ApiError {
    ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "wrong_method",
        "POST /api/predict; every other route answers GET",
    )
}

/// The body, if it is not too large. Of one that is, some more is read and thrown away: a caller that is still writing
/// would see a broken connection instead of the answer.
async fn read(mut body: Body) -> Result<Vec<u8>, ApiError> {
    let (mut bytes, mut length) = (Vec::new(), 0);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| ApiError::malformed("body", error.to_string()))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        length += data.len();
        if length <= BODY_LIMIT {
            bytes.extend_from_slice(&data);
        } else if length > READ_LIMIT {
            break;
        }
    }
    if length > BODY_LIMIT {
        return Err(ApiError::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too_large",
            format!("the body is larger than {BODY_LIMIT} bytes"),
        ));
    }
    Ok(bytes)
}

/// `{"text": …, "schema": …}` → `{"output": [[{"type", "span", "offset"}, …], …]}`
async fn predict(State(app): State<App>, body: Body) -> Result<Response, ApiError> {
    let body = read(body).await?;
    let request = parse(&body, app.settings.borrow().max_length)?;
    if !app.worker.is_loaded() {
        let loading = ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "loading",
            "the model is being loaded",
        );
        return Err(ApiError {
            retry_after: Some(1),
            ..loading
        });
    }
    let prediction = app.worker.predict(request).await?;
    Ok(Json(json!({ "output": prediction.output })).into_response())
}

fn parse(body: &[u8], max_length: usize) -> Result<Request, ApiError> {
    let value: Value = serde_json::from_slice(body)
        .map_err(|error| ApiError::malformed("body", format!("no JSON: {error}")))?;
    let Value::Object(fields) = value else {
        return Err(ApiError::malformed(
            "body",
            "write an object with `text` and `schema`",
        ));
    };
    let text = match fields.get("text") {
        Some(Value::String(text)) => text.clone(),
        Some(_) => return Err(ApiError::malformed("text", "`text` is no string")),
        None => return Err(ApiError::malformed("text", "`text` is missing")),
    };
    let length = text.chars().count();
    if length > max_length {
        let message = format!(
            "the text has {length} characters, and max-length is {max_length}; nothing was cut off"
        );
        return Err(ApiError {
            place: Some("text".into()),
            ..ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_long", message)
        });
    }
    let schema = fields
        .get("schema")
        .ok_or_else(|| ApiError::malformed("schema", "`schema` is missing"))?;
    let schema =
        Schema::parse(schema).map_err(|error| ApiError::malformed(error.place, error.message))?;
    let output_all_prefix = match fields.get("output_all_prefix") {
        None => false,
        Some(Value::Bool(flag)) => *flag,
        Some(_) => {
            return Err(ApiError::malformed(
                "output_all_prefix",
                "`output_all_prefix` is no boolean",
            ));
        }
    };
    Ok(Request {
        text,
        schema: Arc::new(schema),
        output_all_prefix,
        deadline: None,
    })
}

/// Alive while the process can make progress; never asks the model's queue.
async fn health(State(app): State<App>) -> Response {
    if app.worker.is_alive() {
        Json(json!({ "status": "ok" })).into_response()
    } else {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            Json(json!({ "status": "stuck" })),
        )
            .into_response()
    }
}

/// Ready when the model is loaded and warm and the process was not asked to stop. Load is no reason.
async fn ready(State(app): State<App>) -> Response {
    let status = match (app.worker.is_loaded(), app.draining.load(Ordering::Acquire)) {
        (_, true) => "draining",
        (false, _) => "loading",
        (true, false) => return Json(json!({ "status": "ready" })).into_response(),
    };
    (
        StatusCode::SERVICE_UNAVAILABLE,
        Json(json!({ "status": status })),
    )
        .into_response()
}

async fn metrics(State(app): State<App>) -> Response {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], app.metrics.page()).into_response()
}

async fn info(State(app): State<App>) -> Json<Value> {
    Json(json!({
        "version": env!("CARGO_PKG_VERSION"),
        // Set by the image, so that another commit does not compile the server again.
        "revision": std::env::var("GIT_COMMIT").ok(),
        "threads": tch::get_num_threads(),
        "model": app.worker.info(),
    }))
}

/// Counts and logs every request once, and gives it an id. What is asked is never logged: texts may be private.
async fn observe(State(app): State<App>, request: axum::extract::Request, next: Next) -> Response {
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
