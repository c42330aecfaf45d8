//! Errors as callers see them.

use std::borrow::Cow;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::worker::PredictError;

/// The body of an error.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ErrorBody {
    error: ErrorDetail,
}

#[derive(Debug, Serialize, ToSchema)]
struct ErrorDetail {
    /// A code for programs.
    #[schema(example = "malformed")]
    code: &'static str,
    /// A message for people.
    #[schema(example = "a number is not a schema; write an object such as {\"人物\": null}")]
    message: String,
    /// Where in the request.
    #[schema(example = "schema.人物.职务")]
    place: Option<String>,
}

/// An error on its way to the caller.
#[derive(Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
    place: Option<String>,
    /// Seconds.
    retry_after: Option<u32>,
    /// Codings that a body may have.
    accepts: Option<&'static str>,
    /// What the log says besides the code.
    logged: Cow<'static, str>,
}

/// Why a request was refused, as the log shows it: never with what the caller sent.
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    pub(super) code: &'static str,
    pub(super) reason: Cow<'static, str>,
}

impl ApiError {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            place: None,
            retry_after: None,
            accepts: None,
            logged: Cow::Borrowed(""),
        }
    }

    pub(super) fn malformed(place: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed", message).at(place)
    }

    /// The server has no room for it, for a moment.
    pub(super) fn busy(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", message).retry_after(1)
    }

    /// The request is well formed and asks for what cannot be.
    pub(super) fn impossible(place: impl Into<String>, message: impl Into<String>) -> Self {
        Self::unprocessable("impossible", message).at(place)
    }

    /// The request is well formed and beyond a bound.
    pub(super) fn unprocessable(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, message)
    }

    /// The word for programs.
    pub(super) const fn code(&self) -> &'static str {
        self.code
    }

    /// The text that it is about, where it has no place of its own.
    pub(super) fn in_text(self, place: String) -> Self {
        let place = self.place.or(Some(place));
        Self { place, ..self }
    }

    pub(super) fn at(self, place: impl Into<String>) -> Self {
        let place = Some(place.into());
        Self { place, ..self }
    }

    /// Names the codings that a body may have (RFC 9110, 12.5.3: in an answer they are for the next request).
    pub(super) fn accepting(self, codings: &'static str) -> Self {
        let accepts = Some(codings);
        Self { accepts, ..self }
    }

    /// What the log says besides the code; nothing that the caller sent may be in it.
    pub(super) fn logged(self, reason: impl Into<Cow<'static, str>>) -> Self {
        let logged = reason.into();
        Self { logged, ..self }
    }

    #[cfg(test)]
    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    pub(super) fn retry_after(self, seconds: u32) -> Self {
        let retry_after = Some(seconds);
        Self {
            retry_after,
            ..self
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let error = ErrorDetail {
            code: self.code,
            message: self.message,
            place: self.place,
        };
        let mut response = (self.status, Json(ErrorBody { error })).into_response();
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(codings) = self.accepts {
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(codings));
        }
        response.extensions_mut().insert(Refusal {
            code: self.code,
            reason: self.logged,
        });
        response
    }
}

impl From<PredictError> for ApiError {
    fn from(error: PredictError) -> Self {
        let message = error.to_string();
        match error {
            PredictError::Overloaded { retry_after } => {
                let seconds = retry_after.as_secs_f64().ceil().max(1.0) as u32;
                Self::new(StatusCode::TOO_MANY_REQUESTS, "overloaded", message).retry_after(seconds)
            }
            PredictError::TooLate | PredictError::Left => {
                Self::new(StatusCode::GATEWAY_TIMEOUT, "too_late", message)
            }
            PredictError::MaxTime { .. } => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "max_time", message)
            }
            PredictError::TooMuchWork { place, .. } => {
                Self::unprocessable("max_work", message).at(place)
            }
            PredictError::TooManyPrompts { place } => {
                Self::unprocessable("schema_too_large", message).at(place)
            }
            PredictError::TooManyEntities { place } => {
                Self::unprocessable("too_many_entities", message).at(place)
            }
            PredictError::AnswerTooLarge => Self::unprocessable("answer_too_large", message),
            PredictError::Model(reason) => {
                tracing::error!(reason, "the model failed");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "model_failed", message)
            }
        }
    }
}
