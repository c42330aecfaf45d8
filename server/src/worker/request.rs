//! What a caller asks, and what it gets.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::allowance::Allowance;
use super::error::PredictError;
use crate::extract::Step;
use crate::schema::Schema;

/// When an answer is of no use any more.
#[derive(Debug, Clone, Copy)]
pub struct Deadline {
    /// The moment.
    pub at: Instant,
    /// The setting `max-time`, where that is what ends it; else the caller does.
    pub max_time: Option<Duration>,
}

impl Deadline {
    /// What a request ends with behind it.
    pub fn error(&self) -> PredictError {
        match self.max_time {
            Some(max_time) => PredictError::MaxTime { max_time },
            None => PredictError::TooLate,
        }
    }
}

/// What a caller asks.
#[derive(Debug)]
pub struct Request {
    /// The text.
    pub text: String,
    /// What is looked for.
    pub schema: Arc<Schema>,
    /// Whether paths that end early are given too.
    pub output_all_prefix: bool,
    /// Whether the answer must be one of the labels before the text's `|`.
    pub is_strict: bool,
    /// When the answer is of no use any more.
    pub deadline: Option<Deadline>,
    /// What the question that it belongs to may cost.
    pub allowance: Arc<Allowance>,
}

/// What a caller gets.
#[derive(Debug)]
pub struct Prediction {
    /// Paths, depth first.
    pub output: Vec<Vec<Step>>,
    /// Passes through the cross layers.
    pub passes: usize,
    /// Their tokens.
    pub tokens: usize,
    /// Time until the first of them.
    pub queued: Duration,
    /// Time from there to the output.
    pub computed: Duration,
}

/// What a request comes to.
pub type Answer = Result<Prediction, PredictError>;
