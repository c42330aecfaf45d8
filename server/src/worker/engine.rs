//! Model and tokenizer together: runs rounds.

use std::cell::Cell;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tch::{Device, Tensor};

use super::admission::Admission;
use super::claim::Claim;
use super::scheduler::{Round, Row, Scheduler, States};
use super::session::Session;
use super::ticket::{Ticket, locked};
use super::{Answer, PredictError, Request};
use crate::config::ModelError;
use crate::decode::Logits;
use crate::metrics::Work;
use crate::model::{Model, Pair, Precision, Sequence, stepped};
use crate::tokenizer::Tokenizer;

/// What predicts, on one thread.
pub struct Engine {
    model: Model,
    tokenizer: Arc<Tokenizer>,
}

/// What a round came to.
pub(super) struct Outcome {
    /// States of each row.
    pub(super) rows: Vec<Tensor>,
    /// Logits of each pass.
    pub(super) logits: Vec<Logits>,
    pub(super) work: Work,
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
            let fault = format!(
                "it has {known} tokens, and the model embeds {embedded}: they do not belong together"
            );
            return Err(ModelError::malformed(&folder.join("vocab.txt"), fault));
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

    /// Answers requests together, on this thread; rounds have at most so many tokens.
    pub fn predict_all(&self, requests: &[Request], budget: usize) -> Vec<Answer> {
        let now = Instant::now();
        let books = Arc::new(Mutex::new(Admission::new(1, 0.0, 0.0)));
        let mut scheduler = Scheduler::new(self.tokenizer.clone());
        let begin = |request: &Request| {
            let claim = locked(&books).enter(Claim::new(now, 0.0, 0.0, f64::MAX), now);
            let (ticket, answer) = Ticket::new(request, now, claim, books.clone());
            match Session::new(request, &self.tokenizer) {
                Ok((session, asked)) => scheduler.begin(session, &asked, ticket),
                Err(error) => ticket.refuse(error),
            }
            answer
        };
        let answers: Vec<_> = requests.iter().map(begin).collect();
        while let Some(round) = scheduler.round(budget, Instant::now()) {
            self.step(&mut scheduler, round);
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

    fn step(&self, scheduler: &mut Scheduler, round: Round) {
        let began = Instant::now();
        match self.run(&round, &|| ()) {
            Ok(outcome) => scheduler.settle(round, outcome, began),
            Err(error) => {
                for pass in &round.passes {
                    scheduler.fail(pass, &error.to_string());
                }
            }
        }
    }

    /// Runs a round. `pause` is called between layers; the time that it takes is no part of the work.
    pub(super) fn run(&self, round: &Round, pause: &dyn Fn()) -> Result<Outcome, ModelError> {
        let began = Instant::now();
        let paused = Cell::new(Duration::ZERO);
        let pause = || {
            let since = Instant::now();
            pause();
            paused.set(paused.get() + since.elapsed());
        };
        let worked = || began.elapsed().saturating_sub(paused.get());
        let rows = if round.rows.is_empty() {
            Vec::new()
        } else {
            let sequences: Vec<Sequence<'_>> = round.rows.iter().map(sequence).collect();
            self.model.encode(&sequences, &pause)?
        };
        let towers = worked();
        let states = |states: &States| match states {
            States::Known(states) => states.shallow_clone(),
            States::Row(index) => rows[*index].shallow_clone(),
        };
        let pairs: Vec<(Tensor, Tensor)> = round
            .passes
            .iter()
            .map(|pass| (states(&pass.text), states(&pass.hint)))
            .collect();
        let pairs: Vec<Pair<'_>> = pairs
            .iter()
            .map(|(text, hint)| Pair { text, hint })
            .collect();
        let logits = self.model.score(&pairs, &pause)?;
        if !logits.iter().all(Logits::are_finite) {
            return Err(ModelError::NotFinite);
        }
        let encoded: usize = round.rows.iter().map(|row| row.ids().len()).sum();
        let work = Work {
            towers,
            cross: worked() - towers,
            true_tokens: encoded + round.tokens,
            padded_tokens: fill(encoded) + fill(round.tokens),
        };
        Ok(Outcome { rows, logits, work })
    }
}

fn fill(tokens: usize) -> usize {
    stepped(tokens as i64) as usize - tokens
}

fn sequence(row: &Row) -> Sequence<'_> {
    let (token_type, first_position) = match row {
        Row::Window { .. } => (0, 0),
        Row::Hint { behind, .. } => (1, *behind as i64),
    };
    Sequence {
        ids: row.ids(),
        token_type,
        first_position,
    }
}
