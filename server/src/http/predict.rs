//! `POST /api/predict`

use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::future::try_join_all;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::App;
use super::body;
use super::error::{ApiError, ErrorBody};
use super::request::{Offsets, PredictRequest, Question, View};
use crate::extract::Step;
use crate::view;
use crate::worker::{PredictError, Prediction, Request};

/// Seconds that the caller waits, such as `1.5`.
pub(super) const REQUEST_TIMEOUT: HeaderName = HeaderName::from_static("x-request-timeout");
const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// The answer to one text.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PredictAnswer {
    /// A path for each leaf of the schema that was found.
    output: Vec<Vec<Step>>,
}

/// Finds what the schema asks for in a text, or in several.
#[utoipa::path(post, path = "/api/predict", request_body = PredictRequest,
    params(("X-Request-Timeout" = Option<f64>, Header, description = "Seconds that the caller waits")),
    responses(
        (status = 200, description = "The output; with `texts` it is `outputs`, in their order; with the view `grouped` entities by type", body = PredictAnswer),
        (status = 400, description = "Malformed: the place is told", body = ErrorBody),
        (status = 401, description = "The key is missing or wrong", body = ErrorBody),
        (status = 408, description = "The body came too slowly", body = ErrorBody),
        (status = 413, description = "The body or a text is too long; nothing was cut off", body = ErrorBody),
        (status = 415, description = "The body is neither UTF-8 nor compressed by gzip or deflate", body = ErrorBody),
        (status = 422, description = "The schema asks too much, or what cannot be", body = ErrorBody),
        (status = 429, description = "Too much work waits; `Retry-After` says when it is less", body = ErrorBody),
        (status = 500, description = "The model failed on this request", body = ErrorBody),
        (status = 503, description = "The model is being loaded, or too many connections or large bodies are open; `Retry-After` says when to come again", body = ErrorBody),
        (status = 504, description = "The answer would come after the caller's time-out", body = ErrorBody),
    ))]
pub(super) async fn predict(
    State(app): State<App>,
    request: axum::extract::Request,
) -> Result<Response, ApiError> {
    let deadline = deadline(request.headers(), Instant::now())?;
    // Held until the answer: what is read from it lives as long.
    let body = body::read(request, app.room.clone()).await?;
    let question = Question::parse(body.bytes(), app.settings.borrow().max_length)?;
    if !app.worker.is_loaded() {
        let message = "the model is being loaded";
        let loading = ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "loading", message);
        return Err(loading.retry_after(1));
    }
    let predictions = within(deadline, predict_all(&app, &question, deadline)).await?;
    let timing = timing(&predictions);
    let mut outputs: Vec<Value> = question
        .texts
        .iter()
        .zip(predictions)
        .map(|(text, prediction)| arranged(&question, text, prediction))
        .collect();
    let answer = if question.is_batch {
        json!({ "outputs": outputs })
    } else {
        json!({ "output": outputs.remove(0) })
    };
    Ok(([(SERVER_TIMING, timing)], Json(answer)).into_response())
}

/// All texts at once; the first that cannot be answered ends the others, which are dropped from the queue.
async fn predict_all(
    app: &App,
    question: &Question,
    deadline: Option<Instant>,
) -> Result<Vec<Prediction>, ApiError> {
    let each = question
        .texts
        .iter()
        .enumerate()
        .map(|(index, text)| async move {
            let request = Request {
                text: text.clone(),
                schema: question.schema.clone(),
                output_all_prefix: question.output_all_prefix,
                is_strict: question.is_strict,
                deadline,
            };
            let answer = app.worker.predict(request).await;
            answer.map_err(|error| {
                let error = ApiError::from(error);
                if question.is_batch {
                    error.at(question.place(index))
                } else {
                    error
                }
            })
        });
    try_join_all(each).await
}

async fn within<T>(
    deadline: Option<Instant>,
    answer: impl Future<Output = Result<T, ApiError>>,
) -> Result<T, ApiError> {
    match deadline {
        None => answer.await,
        Some(deadline) => tokio::time::timeout_at(deadline.into(), answer)
            .await
            .unwrap_or_else(|_| Err(PredictError::TooLate.into())),
    }
}

fn deadline(headers: &HeaderMap, now: Instant) -> Result<Option<Instant>, ApiError> {
    let Some(value) = headers.get(REQUEST_TIMEOUT) else {
        return Ok(None);
    };
    let seconds = value
        .to_str()
        .ok()
        .and_then(|text| text.parse::<f64>().ok());
    match seconds.map(Duration::try_from_secs_f64) {
        Some(Ok(timeout)) if !timeout.is_zero() => Ok(now.checked_add(timeout)),
        _ => Err(ApiError::malformed(
            "X-Request-Timeout",
            "write seconds above 0, such as 1.5",
        )),
    }
}

fn arranged(question: &Question, text: &str, prediction: Prediction) -> Value {
    let mut output = prediction.output;
    if question.offsets == Offsets::Utf16 {
        view::in_utf16(text, &mut output);
    }
    match question.view {
        View::Paths => json!(output),
        View::Grouped => view::grouped(&output),
    }
}

/// For the browser's tools: the longest of the texts.
fn timing(predictions: &[Prediction]) -> HeaderValue {
    let longest = |part: fn(&Prediction) -> Duration| {
        let longest = predictions.iter().map(part).max().unwrap_or_default();
        longest.as_secs_f64() * 1e3
    };
    let passes: usize = predictions.iter().map(|prediction| prediction.passes).sum();
    let text = format!(
        "queue;dur={:.1}, compute;dur={:.1}, passes;desc=\"{passes}\"",
        longest(|prediction| prediction.queued),
        longest(|prediction| prediction.computed),
    );
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""))
}
