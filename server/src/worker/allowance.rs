//! What one question may cost, over all of its texts and levels: work, and bytes of the answer.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use super::error::PredictError;
use super::limits::ANSWER_LIMIT;
use crate::decode::WINDOW;
use crate::extract::TooLarge;

/// Characters of a prompt that are read for one of its tokens, before the reading counts as work.
const CHARACTERS_PER_TOKEN: usize = 8;

/// How work is counted, for people.
#[derive(Debug)]
pub(super) struct Counted {
    /// Texts of the question, or one of them.
    pub(super) texts: usize,
    /// Their windows.
    pub(super) windows: usize,
    /// What is asked of each.
    pub(super) prompts: usize,
    /// Up to which level.
    pub(super) place: String,
}

impl fmt::Display for Counted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = if self.texts == 1 { "text" } else { "texts" };
        write!(
            formatter,
            "{} {text} ({} windows of up to {WINDOW} tokens) × {} types down to `{}`",
            self.texts, self.windows, self.prompts, self.place
        )
    }
}

/// A question's share of the pod. Each level of each text is charged before it runs, so that what a nested schema
/// becomes is bounded by what was found and not by what could have been.
#[derive(Debug)]
pub struct Allowance {
    max_work: Duration,
    seconds_per_token: f64,
    /// Tokens of the first level of all its texts; what makes a question large, however many texts share it.
    first_level: usize,
    /// Tokens of the prompts of the schema's first level.
    prompts: usize,
    /// Tokens charged.
    charged: AtomicU64,
    /// Tokens of the first level of those of its texts that are taken.
    taken: AtomicUsize,
    /// Bytes of the answer that are left.
    bytes: AtomicUsize,
    is_left: AtomicBool,
}

/// Work without a bound, and the usual answer: for callers that are no strangers.
impl Default for Allowance {
    fn default() -> Self {
        Self::new(Duration::MAX, 0.0)
    }
}

impl Allowance {
    /// `seconds_per_token` are of the whole pod.
    pub(super) fn new(max_work: Duration, seconds_per_token: f64) -> Self {
        Self {
            max_work,
            seconds_per_token,
            first_level: 0,
            prompts: 0,
            charged: AtomicU64::new(0),
            taken: AtomicUsize::new(0),
            bytes: AtomicUsize::new(ANSWER_LIMIT),
            is_left: AtomicBool::new(false),
        }
    }

    /// Of so many tokens in the first level of all texts, and in its prompts.
    pub(super) fn of(self, first_level: usize, prompts: usize) -> Self {
        Self {
            first_level,
            prompts,
            ..self
        }
    }

    /// Tokens of the prompts of the schema's first level.
    pub(super) fn prompts(&self) -> usize {
        self.prompts
    }

    /// Tokens of the first level of all texts.
    pub(super) fn first_level(&self) -> usize {
        self.first_level
    }

    /// Whether so many tokens are within the bound.
    ///
    /// # Errors
    /// How it was counted.
    pub(super) fn check(
        &self,
        tokens: u64,
        counted: impl FnOnce() -> Counted,
    ) -> Result<(), PredictError> {
        let seconds = tokens as f64 * self.seconds_per_token;
        if seconds <= self.max_work.as_secs_f64() {
            return Ok(());
        }
        let counted = counted();
        Err(PredictError::TooMuchWork {
            seconds,
            max_work: self.max_work,
            tokens,
            microseconds_per_token: self.seconds_per_token * 1e6,
            counted: counted.to_string(),
            place: counted.place,
        })
    }

    /// Takes the passes of one prompt: so many tokens over all windows, made of so many of its own and of so many
    /// characters read.
    ///
    /// # Errors
    /// When it is too much, how it was counted.
    pub(super) fn charge(
        &self,
        passes: usize,
        (tokens, characters): (usize, usize),
        counted: impl FnOnce() -> Counted,
    ) -> Result<(), PredictError> {
        let reading = characters.saturating_sub(tokens * CHARACTERS_PER_TOKEN);
        let tokens = (passes + reading / CHARACTERS_PER_TOKEN) as u64;
        let charged = self.charged.fetch_add(tokens, Ordering::Relaxed) + tokens;
        let checked = self.check(charged, counted);
        if checked.is_err() {
            // What is refused does not run.
            self.charged.fetch_sub(tokens, Ordering::Relaxed);
        }
        checked
    }

    /// A text of so many tokens is taken.
    pub(super) fn take_text(&self, tokens: usize) {
        self.taken.fetch_add(tokens, Ordering::Relaxed);
    }

    /// Tokens of the texts that are taken.
    pub(super) fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    /// Predicted time of the whole pod for all that was charged.
    pub fn work(&self) -> Duration {
        let seconds = self.charged.load(Ordering::Relaxed) as f64 * self.seconds_per_token;
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
    }

    /// Takes bytes of the answer.
    ///
    /// # Errors
    /// When the answer is beyond its bound, or the caller left.
    pub(crate) fn take_bytes(&self, bytes: usize) -> Result<(), TooLarge> {
        if self.is_left() {
            return Err(TooLarge);
        }
        let take = |left: usize| left.checked_sub(bytes);
        self.bytes
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
            .map(drop)
            .map_err(|_| TooLarge)
    }

    /// The caller left: whatever is still done for it may end.
    pub fn leave(&self) {
        self.is_left.store(true, Ordering::Relaxed);
    }

    /// Whether the caller left.
    pub fn is_left(&self) -> bool {
        self.is_left.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted() -> Counted {
        Counted {
            texts: 1,
            windows: 2,
            prompts: 3,
            place: "schema".into(),
        }
    }

    #[test]
    fn work_is_summed_and_its_count_told() {
        let allowance = Allowance::new(Duration::from_secs(1), 0.001);
        for _ in 0..10 {
            assert!(allowance.charge(100, (10, 20), counted).is_ok());
        }
        let refused = allowance.charge(100, (10, 20), counted);
        let message = refused.expect_err("beyond").to_string();
        for part in [
            "1.1 s",
            "max-work is 1s",
            "1100 tokens",
            "2 windows",
            "3 types",
        ] {
            assert!(message.contains(part), "{part} is missing in: {message}");
        }
        assert_eq!(allowance.work(), Duration::from_secs(1));
    }

    #[test]
    fn reading_counts_only_where_it_gives_nothing() {
        let allowance = Allowance::new(Duration::from_secs(1), 0.001);
        assert!(allowance.charge(990, (10, 80), counted).is_ok());
        assert!(allowance.charge(0, (10, 160), counted).is_ok());
        assert!(allowance.charge(0, (10, 160), counted).is_err());
    }

    #[test]
    fn an_answer_ends_at_its_bound_and_when_its_caller_leaves() {
        let allowance = Allowance::default();
        assert!(allowance.take_bytes(ANSWER_LIMIT).is_ok());
        assert_eq!(allowance.take_bytes(1), Err(TooLarge));
        let allowance = Allowance::default();
        allowance.leave();
        assert_eq!(allowance.take_bytes(1), Err(TooLarge));
    }
}
