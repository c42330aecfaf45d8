//! `POST /api/predict`

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::future::try_join_all;
use serde::Serialize;
use utoipa::ToSchema;

use super::app::App;
use super::error::{ApiError, ErrorBody};
use super::request::{PredictRequest, Question};
use super::{answer, body};
use crate::extract::Step;
use crate::worker::{Allowance, Deadline, PredictError, Prediction, Request};

/// Seconds that the caller waits, such as `1.5`.
pub(super) const REQUEST_TIMEOUT: HeaderName = HeaderName::from_static("x-request-timeout");
const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// The answer to one text.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PredictAnswer {
    /// A path for each leaf of the schema that was found.
    output: Vec<Vec<Step>>,
}

/// Extracts what the schema asks for from one text or from several.
#[utoipa::path(post, path = "/api/predict",
    request_body(content = PredictRequest, example = json!({"text": "雷军是小米公司的董事长。", "schema": {"人物": {"职务": null}}})),
    params(("X-Request-Timeout" = Option<f64>, Header, description = "Seconds that the caller waits")),
    responses(
        (status = 200, description = "The output; for `texts` it is `outputs`, in the same order; with the view `grouped`, entities by type", body = PredictAnswer,
            example = json!({"output": [[{"type": "人物", "span": "雷军", "offset": [0, 2]}, {"type": "职务", "span": "董事长", "offset": [8, 11]}]]})),
        (status = 400, description = "Malformed; `place` says where", body = ErrorBody),
        (status = 401, description = "The key is missing or wrong", body = ErrorBody),
        (status = 408, description = "The body arrived too slowly", body = ErrorBody),
        (status = 413, description = "The body or a text is too long", body = ErrorBody),
        (status = 415, description = "The charset is not UTF-8, or Content-Encoding is not gzip or deflate", body = ErrorBody),
        (status = 422, description = "Well formed, but over a limit (max-work, the size of the schema or of the answer), or impossible", body = ErrorBody),
        (status = 429, description = "Too much work is queued; `Retry-After` says when to retry", body = ErrorBody),
        (status = 500, description = "The model failed on this request", body = ErrorBody),
        (status = 503, description = "The model is loading, too many connections or large bodies are open (`Retry-After` says when to retry), or the answer takes longer than max-time", body = ErrorBody),
        (status = 504, description = "The answer would come after `X-Request-Timeout`", body = ErrorBody),
    ))]
pub(super) async fn predict(
    State(app): State<App>,
    request: axum::extract::Request,
) -> Result<Response, ApiError> {
    let answered = answered(&app, request).await;
    if let Err(error) = &answered {
        app.metrics.refused(error.code());
    }
    answered
}

async fn answered(app: &App, request: axum::extract::Request) -> Result<Response, ApiError> {
    let caller = deadline(request.headers(), Instant::now())?;
    let settings = app.settings.borrow().clone();
    // Held until the answer: what is read from it lives as long.
    let body = body::read(request, app.body_memory.clone()).await?;
    let question = Question::parse(body.bytes(), settings.max_length as usize)?;
    if !app.worker.is_loaded() {
        let message = "the model is loading";
        let loading = ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "loading", message);
        return Err(loading.retry_after(1));
    }
    let deadline = earlier(caller, settings.max_time, Instant::now());
    let answer = answer_within(app, question, deadline);
    match deadline {
        None => answer.await,
        Some(deadline) => tokio::time::timeout_at(deadline.at.into(), answer)
            .await
            .unwrap_or_else(|_| Err(deadline.error().into())),
    }
}

/// A caller that waits: when this is dropped, whatever is still done for it ends.
struct Waiting(Arc<Allowance>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.leave();
    }
}

async fn answer_within(
    app: &App,
    question: Question,
    deadline: Option<Deadline>,
) -> Result<Response, ApiError> {
    let allowance = app.worker.allow(&question.texts, &question.schema)?;
    let waiting = Waiting(Arc::new(allowance));
    let predictions = predict_all(app, &question, deadline, &waiting.0).await;
    app.metrics.request_work(waiting.0.work());
    let predictions = predictions?;
    let timing = timing(&predictions);
    let allowance = waiting.0.clone();
    let together = move || answer::json(&question, predictions, &allowance);
    let bytes = tokio::task::spawn_blocking(together)
        .await
        .map_err(|_| PredictError::Model("writing the response panicked".into()))??;
    let json = HeaderValue::from_static("application/json");
    let headers = [(header::CONTENT_TYPE, json), (SERVER_TIMING, timing)];
    Ok((headers, bytes).into_response())
}

/// All texts at once; the first that cannot be answered ends the others, which are dropped from the queue.
async fn predict_all(
    app: &App,
    question: &Question,
    deadline: Option<Deadline>,
    allowance: &Arc<Allowance>,
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
                allowance: allowance.clone(),
            };
            let answer = app.worker.predict(request).await;
            answer.map_err(|error| {
                let error = ApiError::from(error);
                if question.is_batch {
                    error.in_text(question.place(index))
                } else {
                    error
                }
            })
        });
    try_join_all(each).await
}

/// Longer than any caller waits; what is beyond it is the same, and a moment cannot hold all that a number can.
const FOREVER: f64 = 1e9;

fn deadline(headers: &HeaderMap, now: Instant) -> Result<Option<Instant>, ApiError> {
    let Some(value) = headers.get(REQUEST_TIMEOUT) else {
        return Ok(None);
    };
    let seconds = value
        .to_str()
        .ok()
        .and_then(|text| text.parse::<f64>().ok())
        .filter(|seconds| *seconds > 0.0)
        .and_then(|seconds| Duration::try_from_secs_f64(seconds.min(FOREVER)).ok());
    match seconds {
        Some(timeout) => Ok(now.checked_add(timeout)),
        None => Err(ApiError::malformed(
            "X-Request-Timeout",
            "send seconds above 0, such as 1.5",
        )),
    }
}

/// What comes first: the caller's deadline, or the setting's.
fn earlier(caller: Option<Instant>, max_time: Duration, now: Instant) -> Option<Deadline> {
    let own = now.checked_add(max_time);
    match (caller, own) {
        (Some(at), own) if own.is_none_or(|own| at <= own) => Some(Deadline { at, max_time: None }),
        (_, own) => own.map(|at| Deadline {
            at,
            max_time: Some(max_time),
        }),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Option<Duration>, ApiError> {
        let now = Instant::now();
        let mut headers = HeaderMap::new();
        headers.insert(REQUEST_TIMEOUT, text.parse().expect("a value"));
        let deadline = deadline(&headers, now)?;
        Ok(deadline.map(|deadline| deadline - now))
    }

    #[test]
    fn a_timeout_is_seconds_above_nothing() {
        for (text, seconds) in [
            ("1.5", 1.5),
            ("1e3", 1e3),
            ("1e300", FOREVER),
            ("inf", FOREVER),
        ] {
            let timeout = of(text).expect(text).expect("a deadline");
            assert_eq!(timeout.as_secs_f64(), seconds, "{text}");
        }
        for text in [
            "0", "-0", "-1", "-inf", "nan", "1e-400", "", "soon", "1s", "0x10",
        ] {
            assert!(of(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_earlier_deadline_names_its_reason() {
        let now = Instant::now();
        let max_time = Duration::from_secs(30);
        let at = |seconds| Some(now + Duration::from_secs(seconds));
        for (caller, is_ours) in [(None, true), (at(60), true), (at(29), false)] {
            let deadline = earlier(caller, max_time, now).expect("a deadline");
            let error = deadline.error();
            assert_eq!(
                matches!(error, PredictError::MaxTime { .. }),
                is_ours,
                "{error}"
            );
        }
        assert!(earlier(None, Duration::MAX, now).is_none());
    }
}
