//! A request's place in the admission state: its caller, its deadline, and the work that is reserved for it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::admission::Admission;
use super::allowance::Allowance;
use super::claim::{Claim, ClaimId, Due};
use super::error::PredictError;
use super::request::{Deadline, Prediction, Request};
use super::session::Session;
use crate::extract::TooLarge;

/// The admission state, which the model's threads and those who ask change.
pub(super) type SharedAdmission = Arc<Mutex<Admission>>;

/// A request whose passes have all run; its output is not put together yet.
pub(super) struct Finished {
    session: Session,
    passes: usize,
    tokens: usize,
    queued: Duration,
    computed: Duration,
}

impl Finished {
    /// Puts the output together: off the model's threads, since it may be long.
    pub(super) fn prediction(self, allowance: &Allowance) -> Result<Prediction, PredictError> {
        let output = self.session.output(|bytes| allowance.take_bytes(bytes));
        Ok(Prediction {
            output: output.map_err(|TooLarge| PredictError::AnswerTooLarge)?,
            passes: self.passes,
            tokens: self.tokens,
            queued: self.queued,
            computed: self.computed,
        })
    }
}

/// What the model's threads send a caller.
pub(super) type Outcome = Result<Finished, PredictError>;

/// What is known of a request beside its contents.
pub(super) struct Ticket {
    caller: Option<oneshot::Sender<Outcome>>,
    deadline: Option<Deadline>,
    allowance: Arc<Allowance>,
    arrived: Instant,
    began: Option<Instant>,
    passes: usize,
    is_nested: bool,
    first_tokens: f64,
    all_tokens: f64,
    claim: ClaimId,
    admission: SharedAdmission,
}

impl Ticket {
    /// `claim` was entered in the admission state when the request was admitted.
    pub(super) fn new(
        request: &Request,
        arrived: Instant,
        claim: ClaimId,
        admission: SharedAdmission,
    ) -> (Self, oneshot::Receiver<Outcome>) {
        let (caller, answered) = oneshot::channel();
        let ticket = Self {
            caller: Some(caller),
            deadline: request.deadline,
            allowance: request.allowance.clone(),
            arrived,
            began: None,
            passes: 0,
            is_nested: request.schema.is_nested(),
            first_tokens: 0.0,
            all_tokens: 0.0,
            claim,
            admission,
        };
        (ticket, answered)
    }

    /// Why nothing more is to be done for the caller: it left, or its time is over.
    pub(super) fn over(&self, now: Instant) -> Option<PredictError> {
        let is_gone = self.caller.as_ref().is_none_or(oneshot::Sender::is_closed);
        if is_gone || self.allowance.is_left() {
            return Some(PredictError::Left);
        }
        let deadline = self.deadline.filter(|deadline| deadline.at < now)?;
        Some(deadline.error())
    }

    /// Another pass of so many tokens is known now; says where it stands.
    pub(super) fn expect_more(&mut self, tokens: usize) -> Due {
        let tokens = tokens as f64;
        self.all_tokens += tokens;
        locked(&self.admission).expect(self.claim, tokens, Instant::now())
    }

    /// The passes of the first level are known.
    pub(super) fn first_level_known(&mut self) {
        self.first_tokens = self.all_tokens;
        // What is nested may still grow.
        if !self.is_nested {
            self.change(Claim::close);
        }
    }

    /// A pass of so many tokens has run.
    pub(super) fn pass_done(&mut self, tokens: usize, began: Instant) {
        self.passes += 1;
        self.began.get_or_insert(began);
        self.change(|claim| claim.did(tokens as f64));
    }

    fn change(&self, change: impl FnOnce(&mut Claim)) {
        locked(&self.admission).change(self.claim, Instant::now(), change);
    }

    /// Gives the caller, who may be gone, what its passes came to.
    pub(super) fn finish(mut self, session: Session, now: Instant) {
        if self.is_nested {
            locked(&self.admission).note_growth(self.first_tokens, self.all_tokens);
        }
        let began = self.began.unwrap_or(now);
        let finished = Finished {
            session,
            passes: self.passes,
            tokens: self.all_tokens as usize,
            queued: began.saturating_duration_since(self.arrived),
            computed: now.saturating_duration_since(began),
        };
        self.send(Ok(finished));
    }

    /// Sends the caller, who may be gone, why there is no answer.
    pub(super) fn refuse(mut self, error: PredictError) {
        self.send(Err(error));
    }

    fn send(&mut self, outcome: Outcome) {
        if let Some(caller) = self.caller.take() {
            let _ = caller.send(outcome);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        locked(&self.admission).leave(self.claim, Instant::now());
    }
}

/// The admission state is plain numbers: a panic leaves them readable.
pub(super) fn locked(admission: &Mutex<Admission>) -> std::sync::MutexGuard<'_, Admission> {
    admission.lock().unwrap_or_else(PoisonError::into_inner)
}
