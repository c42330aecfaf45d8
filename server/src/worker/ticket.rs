//! A request's place in the books: its caller, its deadline, and the work that is reserved for it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::admission::{Admission, Estimate};
use super::{Answer, Prediction, Request};
use crate::extract::Step;

pub(super) type Books = Arc<Mutex<Admission>>;

/// What is known of a request beside its contents.
pub(super) struct Ticket {
    answer: Option<oneshot::Sender<Answer>>,
    deadline: Option<Instant>,
    arrived: Instant,
    began: Option<Instant>,
    passes: usize,
    is_nested: bool,
    first_tokens: f64,
    all_tokens: f64,
    known: f64,
    reserved: f64,
    books: Books,
}

impl Ticket {
    /// `estimate` was entered in the books when the request was admitted.
    pub(super) fn new(
        request: &Request,
        arrived: Instant,
        estimate: Estimate,
        books: Books,
    ) -> (Self, oneshot::Receiver<Answer>) {
        let (answer, answered) = oneshot::channel();
        let ticket = Self {
            answer: Some(answer),
            deadline: request.deadline,
            arrived,
            began: None,
            passes: 0,
            is_nested: request.schema.is_nested(),
            first_tokens: 0.0,
            all_tokens: 0.0,
            known: 0.0,
            reserved: estimate.tokens,
            books,
        };
        (ticket, answered)
    }

    /// Whether the caller left or the deadline passed.
    pub(super) fn is_left(&self, now: Instant) -> bool {
        self.answer.as_ref().is_none_or(oneshot::Sender::is_closed)
            || self.deadline.is_some_and(|deadline| deadline < now)
    }

    /// The passes of one level are known now: so many tokens.
    pub(super) fn expect_more(&mut self, tokens: usize) {
        let tokens = tokens as f64;
        if self.all_tokens <= 0.0 {
            self.first_tokens = tokens;
        }
        self.all_tokens += tokens;
        self.known += tokens;
        // What is not nested is known whole; what is may still grow.
        if self.known > self.reserved || !self.is_nested {
            self.reserve(self.known);
        }
    }

    /// A pass of so many tokens has run.
    pub(super) fn pass_done(&mut self, tokens: usize, began: Instant) {
        self.passes += 1;
        self.began.get_or_insert(began);
        self.known = (self.known - tokens as f64).max(0.0);
        self.reserve((self.reserved - tokens as f64).max(self.known));
    }

    fn reserve(&mut self, tokens: f64) {
        let change = tokens - self.reserved;
        self.reserved = tokens;
        locked(&self.books).change(change, Instant::now());
    }

    /// The answer, with what it took.
    pub(super) fn prediction(&self, output: Vec<Vec<Step>>, now: Instant) -> Prediction {
        let began = self.began.unwrap_or(now);
        Prediction {
            output,
            passes: self.passes,
            tokens: self.all_tokens as usize,
            queued: began.saturating_duration_since(self.arrived),
            computed: now.saturating_duration_since(began),
        }
    }

    /// Answers the caller, who may be gone.
    pub(super) fn close(mut self, answer: Answer) {
        if self.is_nested && answer.is_ok() {
            locked(&self.books).note_growth(self.first_tokens, self.all_tokens);
        }
        if let Some(caller) = self.answer.take() {
            let _ = caller.send(answer);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.reserve(0.0);
    }
}

/// The books hold plain numbers: whoever panicked over them left them readable.
pub(super) fn locked(books: &Mutex<Admission>) -> std::sync::MutexGuard<'_, Admission> {
    books.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Time left until a deadline.
pub(super) fn left(deadline: Option<Instant>, now: Instant) -> Option<Duration> {
    deadline.map(|deadline| deadline.saturating_duration_since(now))
}
