//! Model and tokenizer together: runs batches.

use std::cell::Cell;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tch::{Device, Tensor};

use super::admission::Admission;
use super::batch::{Batch, BatchOutcome, Pass, Row, States};
use super::claim::Claim;
use super::error::PredictError;
use super::request::{Answer, Request};
use super::scheduler::Scheduler;
use super::session::Session;
use super::ticket::{Ticket, locked};
use crate::decode::Logits;
use crate::metrics::Work;
use crate::model::{Model, Pair, Precision, Sequence, stepped};
use crate::model_error::ModelError;
use crate::tokenizer::Tokenizer;

/// What predicts, on one thread.
pub struct Engine {
    model: Model,
    tokenizer: Arc<Tokenizer>,
}

impl Engine {
    /// Loads a model folder.
    ///
    /// # Errors
    /// Whatever keeps the folder from being a model.
    pub fn load(folder: &Path, precision: Precision, device: Device) -> Result<Self, ModelError> {
        let tokenizer = Tokenizer::load(folder)?;
        let model = Model::load(folder, precision, device)?;
        let (known, embedded) = (
            tokenizer.vocabulary_size() as i64,
            model.config().vocab_size,
        );
        if known > embedded {
            let reason = format!(
                "it has {known} tokens, but the model has {embedded}; fix: take vocab.txt and the weights from the same model"
            );
            return Err(ModelError::malformed(&folder.join("vocab.txt"), reason));
        }
        Ok(Self {
            model,
            tokenizer: Arc::new(tokenizer),
        })
    }

    /// The tokenizer.
    pub fn tokenizer(&self) -> &Arc<Tokenizer> {
        &self.tokenizer
    }

    /// The model.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Another handle on the same weights, for another thread.
    pub(super) fn share(&self) -> Self {
        Self {
            model: self.model.share(),
            tokenizer: self.tokenizer.clone(),
        }
    }

    /// Answers requests together, on this thread; batches have at most so many tokens.
    pub fn predict_all(&self, requests: &[Request], budget: usize) -> Vec<Answer> {
        let now = Instant::now();
        let admission = Arc::new(Mutex::new(Admission::new(1, 0.0, 0.0)));
        let mut scheduler = Scheduler::new(self.tokenizer.clone());
        let begin = |request: &Request| {
            let claim = locked(&admission).enter(Claim::new(now, 0.0, 0.0, f64::MAX), now);
            let (ticket, answer) = Ticket::new(request, now, claim, admission.clone());
            match Session::new(request, &self.tokenizer) {
                Ok((session, asked)) => scheduler.begin(session, &asked, ticket),
                Err(error) => ticket.refuse(error),
            }
            answer
        };
        let answers: Vec<_> = requests.iter().map(begin).collect();
        while let Some(batch) = scheduler.batch(budget, Instant::now()) {
            self.step(&mut scheduler, batch);
        }
        let ended = |_| Err(PredictError::Model("a pass failed".into()));
        let answers = requests.iter().zip(answers);
        answers
            .map(|(request, mut answer)| {
                let finished = answer.try_recv().unwrap_or_else(ended)?;
                finished.prediction(&request.allowance)
            })
            .collect()
    }

    fn step(&self, scheduler: &mut Scheduler, batch: Batch) {
        let began = Instant::now();
        match self.run(&batch, &|| ()) {
            Ok(outcome) => scheduler.settle(batch, outcome, began),
            Err(error) => {
                for pass in &batch.passes {
                    scheduler.fail(pass, &error.to_string());
                }
            }
        }
    }

    /// Runs a batch. `pause` is called between layers; the time that it takes is no part of the work.
    pub(super) fn run(&self, batch: &Batch, pause: &dyn Fn()) -> Result<BatchOutcome, ModelError> {
        let began = Instant::now();
        let paused = Cell::new(Duration::ZERO);
        let pause = || {
            let since = Instant::now();
            pause();
            paused.set(paused.get() + since.elapsed());
        };
        let worked = || began.elapsed().saturating_sub(paused.get());
        let rows = self.encode(&batch.rows, &pause)?;
        let towers = worked();
        let logits = self.score(&batch.passes, &rows, &pause)?;
        let encoded: usize = batch.rows.iter().map(|row| row.ids().len()).sum();
        let work = Work {
            towers,
            cross: worked() - towers,
            true_tokens: encoded + batch.tokens,
            padded_tokens: fill(encoded) + fill(batch.tokens),
        };
        Ok(BatchOutcome { rows, logits, work })
    }

    /// The towers' states of each row.
    fn encode(&self, rows: &[Row], pause: &dyn Fn()) -> Result<Vec<Tensor>, ModelError> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let sequences: Vec<Sequence<'_>> = rows.iter().map(sequence).collect();
        self.model.encode(&sequences, pause)
    }

    /// The logits of each pass.
    fn score(
        &self,
        passes: &[Pass],
        rows: &[Tensor],
        pause: &dyn Fn(),
    ) -> Result<Vec<Logits>, ModelError> {
        let states = |states: &States| match states {
            States::Known(states) => states.shallow_clone(),
            States::Row(index) => rows[*index].shallow_clone(),
        };
        let pairs: Vec<(Tensor, Tensor)> = passes
            .iter()
            .map(|pass| (states(&pass.text), states(&pass.prompt)))
            .collect();
        let pairs: Vec<Pair<'_>> = pairs
            .iter()
            .map(|(text, prompt)| Pair { text, prompt })
            .collect();
        let logits = self.model.score(&pairs, pause)?;
        if !logits.iter().all(Logits::are_finite) {
            return Err(ModelError::NotFinite);
        }
        Ok(logits)
    }
}

fn fill(tokens: usize) -> usize {
    stepped(tokens as i64) as usize - tokens
}

fn sequence(row: &Row) -> Sequence<'_> {
    let (token_type, first_position) = match row {
        Row::Window { .. } => (0, 0),
        Row::Prompt { behind, .. } => (1, *behind as i64),
    };
    Sequence {
        ids: row.ids(),
        token_type,
        first_position,
    }
}
