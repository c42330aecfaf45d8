//! One of the model's threads: takes batches and runs them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use tch::Device;

use super::batch::{Batch, BatchOutcome};
use super::engine::Engine;
use super::shared::{LoadedModel, Shared};
use super::ticket::locked;
use crate::model_error::ModelError;

/// Tokens of a batch for each core: enough for oneDNN's full speed, few enough that an urgent request soon has its turn.
const BATCH_TOKENS: usize = 256;

/// What runs on one thread.
pub(super) struct Runner<'a> {
    pub(super) index: usize,
    pub(super) engine: Engine,
    pub(super) shared: &'a Shared,
}

impl Runner<'_> {
    /// Runs batches until the server stops.
    pub(super) fn run(&self) {
        let Some(loaded) = self.shared.loaded() else {
            return;
        };
        while let Some(batch) = self.shared.next_batch(loaded, || self.budget()) {
            let run = |began| self.run_batch(loaded, batch, began);
            self.shared.progress.note(self.index, run);
        }
    }

    fn budget(&self) -> usize {
        let most = self.shared.settings().batch_tokens as usize;
        if self.engine.model().device() == Device::Cpu {
            most.min(BATCH_TOKENS * tch::get_num_threads().max(1) as usize)
        } else {
            most
        }
    }

    fn run_batch(&self, loaded: &LoadedModel, batch: Batch, began: Instant) {
        let pause = || {
            if batch.is_large {
                self.run_small_batches(loaded);
            }
        };
        match guarded(|| self.engine.run(&batch, &pause)) {
            Ok(outcome) => self.deliver(loaded, batch, outcome, began),
            Err(reason) if batch.passes.len() == 1 => {
                tracing::error!(error = reason, "a forward pass failed");
                self.shared.metrics.pass_failed();
                loaded.scheduler().fail(&batch.passes[0], &reason);
            }
            // Only the bad pass is to fail: each alone shows which it is.
            Err(_) => {
                for alone in batch.split() {
                    self.run_batch(loaded, alone, began);
                }
            }
        }
    }

    /// A small request does not wait for the end of a batch of large ones, only for that of a layer.
    fn run_small_batches(&self, loaded: &LoadedModel) {
        let next = || loaded.scheduler().small_batch(self.budget());
        while let Some(batch) = next() {
            self.run_batch(loaded, batch, Instant::now());
        }
    }

    fn deliver(&self, loaded: &LoadedModel, batch: Batch, outcome: BatchOutcome, began: Instant) {
        let work = outcome.work;
        locked(&loaded.admission).note_pass(batch.tokens, work.towers + work.cross);
        self.shared.metrics.batch(&work);
        loaded.scheduler().settle(batch, outcome, began);
        loaded.wake_all();
    }
}

/// A panic ends the batch that made it, not the service.
fn guarded<T>(run: impl FnOnce() -> Result<T, ModelError>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("it panicked; the log shows where".into()),
    }
}
