//! Why a request gets no output.

use std::time::Duration;

use uninlu_settings::duration;

use super::limits::{ANSWER_LIMIT, ENTITY_LIMIT, PROMPT_LIMIT};

/// Why a request gets no output.
#[derive(Debug, thiserror::Error)]
pub enum PredictError {
    /// Too much work waits.
    #[error("too much work is queued; retry later")]
    Overloaded {
        /// When to come back: the predicted time until the queue is short enough.
        retry_after: Duration,
    },
    /// The caller's deadline.
    #[error("the answer would come after X-Request-Timeout")]
    TooLate,
    /// The setting `max-time`.
    #[error("the answer takes longer than max-time ({}); ask for less at once, or raise max-time", duration::text(*.max_time))]
    MaxTime {
        /// The setting.
        max_time: Duration,
    },
    /// The caller is gone, so that nobody reads this.
    #[error("the caller closed the connection")]
    Left,
    /// More work than one request may be.
    #[error(
        "the request is predicted to take {seconds:.1} s of this pod, but max-work is {}: {tokens} tokens at \
         {microseconds_per_token:.1} µs each; {counted}; ask for fewer types or levels, send fewer or shorter texts, or \
         raise max-work",
        duration::text(*.max_work)
    )]
    TooMuchWork {
        /// Predicted.
        seconds: f64,
        /// The setting.
        max_work: Duration,
        /// Tokens of all passes.
        tokens: u64,
        /// Predicted, of the whole pod.
        microseconds_per_token: f64,
        /// How.
        counted: String,
        /// Where in the schema.
        place: String,
    },
    /// The schema multiplies beyond the bound.
    #[error(
        "the schema asks more than {PROMPT_LIMIT} questions about a text; ask for fewer types or levels"
    )]
    TooManyPrompts {
        /// Where in the schema.
        place: String,
    },
    /// More is found than is kept.
    #[error(
        "the text has more than {ENTITY_LIMIT} entities at one level of the schema; send a shorter text, or ask for fewer types"
    )]
    TooManyEntities {
        /// Where in the schema.
        place: String,
    },
    /// More is found than is sent.
    #[error(
        "the answer has more than {ANSWER_LIMIT} bytes; send fewer or shorter texts, or ask for fewer types or levels"
    )]
    AnswerTooLarge,
    /// The model failed on this request.
    #[error("the model failed on this request; the server's log has the reason")]
    Model(String),
}
