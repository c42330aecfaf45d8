//! The model's threads: requests are admitted by the work that waits already, cut into passes, and computed together.
//!
//! ```text
//! request ──admission──▶ session ──passes──▶ queue ──most urgent first──▶ batch ──engine──▶ logits ──▶ session ──▶ answer
//! ```

mod admission;
mod allowance;
mod batch;
mod claim;
mod engine;
mod error;
mod estimate;
mod info;
mod limits;
mod pass_queue;
mod progress;
mod prompt_cache;
mod request;
mod runner;
mod scheduler;
mod session;
mod share;
mod shared;
mod text;
mod threads;
mod ticket;
mod warmup;

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{oneshot, watch};
use uninlu_settings::InForce;

use crate::metrics::Metrics;
use crate::schema::{Schema, place};
use admission::{Demand, Refusal};
use allowance::Counted;
use estimate::{FirstLevel, text_tokens};
use limits::PROMPT_LIMIT;
use shared::{LoadedModel, Shared};
use ticket::{Outcome, Ticket, locked};

pub use allowance::Allowance;
pub use engine::Engine;
pub use error::PredictError;
pub use info::Info;
pub use limits::ANSWER_LIMIT;
pub use request::{Answer, Deadline, Prediction, Request};
pub use threads::{Loaded, Options, Plan, Threads};

/// A handle on the model's threads.
#[derive(Clone)]
pub struct Worker {
    shared: Arc<Shared>,
}

impl Worker {
    /// Starts the threads. One loads the model and predicts the warm-up text, then all answer; the receiver learns how
    /// the load went.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(
        options: Options,
        settings: watch::Receiver<InForce>,
        metrics: Arc<Metrics>,
    ) -> std::io::Result<(Self, Threads, Loaded)> {
        let (done, loaded) = oneshot::channel();
        let shared = Arc::new(Shared::new(settings, metrics));
        let threads = Threads::start(options, shared.clone(), done)?;
        Ok((Self { shared }, threads, loaded))
    }

    /// Whether the model is loaded and warm.
    pub fn is_loaded(&self) -> bool {
        self.shared.loaded().is_some()
    }

    /// What is known of the model, once it is loaded.
    pub fn info(&self) -> Option<&Info> {
        self.shared.loaded().map(|loaded| &loaded.info)
    }

    /// Whether the threads make progress. Never asks them: busy ones are alive.
    pub fn is_alive(&self) -> bool {
        self.shared.progress.is_alive()
    }

    /// What a question may cost, by the settings of this moment. A nested schema is counted by its first level, since
    /// what follows depends on what is found; each further level is charged before it runs.
    ///
    /// # Errors
    /// When that is too much: how it was counted.
    pub fn allow(&self, texts: &[String], schema: &Schema) -> Result<Allowance, PredictError> {
        let loaded = self.shared.loaded().ok_or_else(ended)?;
        let (types, place) = (schema.types.len(), place(&[]));
        if types > PROMPT_LIMIT {
            return Err(PredictError::TooManyPrompts { place });
        }
        let max_work = self.shared.settings().max_work;
        let seconds_per_token = locked(&loaded.admission).pod_seconds_per_token();
        let first = FirstLevel::of(texts, schema);
        let allowance = Allowance::new(max_work, seconds_per_token).of(first.tokens, first.prompts);
        allowance.check(first.tokens as u64, || Counted {
            texts: texts.len(),
            windows: first.windows,
            prompts: types,
            place,
        })?;
        Ok(allowance)
    }

    /// Asks the model; the request's allowance is what [`Worker::allow`] gave. A caller that drops the future is dropped from
    /// the queue.
    ///
    /// # Errors
    /// [`PredictError`]; what cannot be taken is answered at once.
    pub async fn predict(&self, request: Request) -> Answer {
        let loaded = self.shared.loaded().ok_or_else(ended)?;
        let (ticket, answered) = self.admit(loaded, &request)?;
        let (shared, allowance) = (self.shared.clone(), request.allowance.clone());
        // A long text takes milliseconds to tokenize: not on a thread that answers others.
        tokio::task::spawn_blocking(move || shared.begin(&request, ticket))
            .await
            .map_err(|_| PredictError::Model("the tokenizer panicked".into()))?;
        let finished = answered.await.unwrap_or_else(|_| Err(ended()))?;
        tokio::task::spawn_blocking(move || finished.prediction(&allowance))
            .await
            .map_err(|_| PredictError::Model("building the output panicked".into()))?
    }

    fn admit(
        &self,
        loaded: &LoadedModel,
        request: &Request,
    ) -> Result<(Ticket, oneshot::Receiver<Outcome>), PredictError> {
        let now = Instant::now();
        let (types, prompts) = (request.schema.types.len(), request.allowance.prompts());
        let tokens = text_tokens(&request.text, types, prompts);
        let demand = demand(request, tokens, now);
        let max_wait = self.shared.settings().max_wait;
        let claim = locked(&loaded.admission)
            .ask(&demand, max_wait, now)
            .map_err(|refusal| refused(refusal, request.deadline))?;
        request.allowance.take_text(tokens);
        Ok(Ticket::new(request, now, claim, loaded.admission.clone()))
    }
}

fn demand(request: &Request, tokens: usize, now: Instant) -> Demand {
    let left = |deadline: Deadline| deadline.at.saturating_duration_since(now);
    Demand {
        tokens: tokens as f64,
        together: request.allowance.taken() as f64,
        question: request.allowance.first_level() as f64,
        is_nested: request.schema.is_nested(),
        left: request.deadline.map(left),
    }
}

fn refused(refusal: Refusal, deadline: Option<Deadline>) -> PredictError {
    match refusal {
        Refusal::Overloaded { retry_after } => PredictError::Overloaded { retry_after },
        Refusal::TooLate => deadline.map_or(PredictError::TooLate, |deadline| deadline.error()),
    }
}

fn ended() -> PredictError {
    PredictError::Model("the model threads ended".into())
}
