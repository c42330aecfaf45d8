//! What the model's threads share with those who ask.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use tokio::sync::watch;
use uninlu_settings::InForce;

use super::admission::Admission;
use super::batch::Batch;
use super::info::Info;
use super::progress::Progress;
use super::request::Request;
use super::scheduler::Scheduler;
use super::session::Session;
use super::ticket::{SharedAdmission, Ticket, locked};
use crate::metrics::Metrics;
use crate::tokenizer::Tokenizer;

/// What the threads and their handles share.
pub(super) struct Shared {
    stopping: AtomicBool,
    loaded: OnceLock<LoadedModel>,
    settings: watch::Receiver<InForce>,
    pub(super) progress: Progress,
    pub(super) metrics: Arc<Metrics>,
}

/// What is there once the model is loaded.
pub(super) struct LoadedModel {
    pub(super) info: Info,
    pub(super) admission: SharedAdmission,
    tokenizer: Arc<Tokenizer>,
    scheduler: Mutex<Scheduler>,
    work: Condvar,
}

impl Shared {
    pub(super) fn new(settings: watch::Receiver<InForce>, metrics: Arc<Metrics>) -> Self {
        Self {
            stopping: AtomicBool::new(false),
            loaded: OnceLock::new(),
            settings,
            progress: Progress::new(),
            metrics,
        }
    }

    /// The settings of this moment.
    pub(super) fn settings(&self) -> watch::Ref<'_, InForce> {
        self.settings.borrow()
    }

    pub(super) fn loaded(&self) -> Option<&LoadedModel> {
        self.loaded.get()
    }

    /// The model is loaded, once.
    pub(super) fn set_loaded(&self, model: LoadedModel) {
        let _ = self.loaded.set(model);
    }

    /// Ends the threads after the batch that runs, whatever waits.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        if let Some(loaded) = self.loaded() {
            // Under the lock: a thread that has just checked and does not wait yet would miss the call.
            let _scheduler = loaded.scheduler();
            loaded.work.notify_all();
        }
    }

    /// Tokenizes a request, if its caller is still there, and queues its passes.
    pub(super) fn begin(&self, request: &Request, ticket: Ticket) {
        let Some(loaded) = self.loaded() else {
            return;
        };
        match ticket.over(Instant::now()) {
            Some(error) => ticket.refuse(error),
            None => match Session::new(request, &loaded.tokenizer) {
                Ok((session, asked)) => loaded.scheduler().begin(session, &asked, ticket),
                Err(error) => ticket.refuse(error),
            },
        }
        // Also where nothing is to be run: the queue that the metrics show became shorter.
        loaded.work.notify_one();
    }

    /// Waits for a batch of so many tokens at most; none when the server stops.
    pub(super) fn next_batch(
        &self,
        loaded: &LoadedModel,
        budget: impl Fn() -> usize,
    ) -> Option<Batch> {
        let mut scheduler = loaded.scheduler();
        while !self.stopping.load(Ordering::Acquire) {
            let batch = scheduler.batch(budget(), Instant::now());
            self.note_queue(loaded);
            if batch.is_some() {
                return batch;
            }
            let woken = loaded.work.wait(scheduler);
            scheduler = woken.unwrap_or_else(PoisonError::into_inner);
        }
        None
    }

    fn note_queue(&self, loaded: &LoadedModel) {
        let admission = locked(&loaded.admission);
        let tokens = admission.queued_tokens();
        self.metrics.queue(tokens, admission.whole(tokens));
    }
}

impl LoadedModel {
    pub(super) fn new(info: Info, admission: Admission, tokenizer: Arc<Tokenizer>) -> Self {
        Self {
            info,
            admission: Arc::new(Mutex::new(admission)),
            scheduler: Mutex::new(Scheduler::new(tokenizer.clone())),
            tokenizer,
            work: Condvar::new(),
        }
    }

    /// A panic over the scheduler ends the sessions that it touched, not the scheduler.
    pub(super) fn scheduler(&self) -> MutexGuard<'_, Scheduler> {
        self.scheduler
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Results are in: passes may have been queued.
    pub(super) fn wake_all(&self) {
        self.work.notify_all();
    }
}
