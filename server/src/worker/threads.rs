//! The long-lived threads that run the model, and what they share with whoever asks.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::{oneshot, watch};
use uninlu_settings::{Choice, InForce};

use super::admission::Admission;
use super::engine::{Engine, Outcome};
use super::scheduler::{Round, Scheduler};
use super::session::Session;
use super::ticket::{Books, Ticket, locked};
use super::warmup;
use super::{Info, Options, Request};
use crate::config::ModelError;
use crate::metrics::Metrics;
use crate::model::Precision;
use crate::tokenizer::Tokenizer;

/// A thread that is busy for longer than this, and for many times the longest round so far, is stuck.
const STUCK: Duration = Duration::from_secs(60);
/// See [`STUCK`].
const STUCK_ROUNDS: u32 = 20;
/// Tokens of a round for each core: enough for oneDNN's full speed, few enough that an urgent request soon has its turn.
const ROUND_TOKENS: usize = 256;

/// How many threads, of what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// Threads that run rounds, each on its own.
    pub workers: usize,
    /// Threads inside each of libtorch's operators.
    pub threads: usize,
}

impl Plan {
    /// Uses so many cores: matrices of some hundred rows gain little beyond four threads. With bf16 an operator is done
    /// before a second thread has joined in: a worker for each core answers half as many requests again
    /// (tests/bench/throughput).
    pub fn of_cores(cores: usize, precision: Precision) -> Self {
        let threads = match precision {
            Precision::Bf16 => 1,
            _ => cores.clamp(1, 4),
        };
        Self {
            workers: (cores / threads).max(1),
            threads,
        }
    }
}

/// What is there once the model is loaded.
pub(super) struct LoadedModel {
    pub(super) info: Info,
    pub(super) books: Books,
    tokenizer: Arc<Tokenizer>,
    scheduler: Mutex<Scheduler>,
    work: Condvar,
}

/// What the threads and their handles share.
pub(super) struct Shared {
    started: Instant,
    stopping: AtomicBool,
    loaded: OnceLock<LoadedModel>,
    /// Milliseconds since the start at which each worker's round began; 0 when idle.
    busy_since: [AtomicU64; MOST_WORKERS],
    /// Milliseconds of the longest round so far.
    longest: AtomicU64,
    settings: watch::Receiver<InForce>,
    metrics: Arc<Metrics>,
}

/// More would only fight for memory bandwidth.
const MOST_WORKERS: usize = 64;

impl Shared {
    pub(super) fn new(settings: watch::Receiver<InForce>, metrics: Arc<Metrics>) -> Self {
        Self {
            started: Instant::now(),
            stopping: AtomicBool::new(false),
            loaded: OnceLock::new(),
            busy_since: [const { AtomicU64::new(0) }; MOST_WORKERS],
            longest: AtomicU64::new(0),
            settings,
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

    /// Tokenizes a request, if its caller is still there, and lets it take part in the rounds.
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

    /// Milliseconds since the start; never 0.
    fn now(&self) -> u64 {
        (self.started.elapsed().as_millis() as u64).max(1)
    }

    pub(super) fn is_alive(&self) -> bool {
        let longest = Duration::from_millis(self.longest.load(Ordering::Acquire));
        let bound = STUCK.max(longest * STUCK_ROUNDS).as_millis() as u64;
        let now = self.now();
        self.busy_since.iter().all(|since| {
            let since = since.load(Ordering::Acquire);
            since == 0 || now.saturating_sub(since) < bound
        })
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }
}

impl LoadedModel {
    /// A panic over the scheduler ends the sessions that it touched, not the scheduler.
    fn scheduler(&self) -> MutexGuard<'_, Scheduler> {
        self.scheduler
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// The threads. They must be joined before the process ends: libtorch's statics are gone after `main`, and a pass that
/// still runs then crashes.
pub struct Threads {
    shared: Arc<Shared>,
    first: JoinHandle<()>,
}

impl Threads {
    pub(super) fn start(
        options: Options,
        shared: Arc<Shared>,
        done: oneshot::Sender<Result<(), ModelError>>,
    ) -> std::io::Result<Self> {
        let own = shared.clone();
        let first = std::thread::Builder::new()
            .name("model-0".into())
            .spawn(move || serve(&options, &own, done))?;
        Ok(Self { shared, first })
    }

    /// Ends the threads after the round that runs, whatever waits.
    pub fn stop(self) {
        self.shared.stopping.store(true, Ordering::Release);
        if let Some(loaded) = self.shared.loaded() {
            // Under the lock: a thread that has just looked and does not wait yet would miss the call.
            let _scheduler = loaded.scheduler();
            loaded.work.notify_all();
        }
        if self.first.join().is_err() {
            tracing::error!("a model's thread panicked");
        }
    }
}

fn serve(options: &Options, shared: &Shared, done: oneshot::Sender<Result<(), ModelError>>) {
    let (engine, loaded) = match load(options, shared) {
        Ok(loaded) => loaded,
        Err(error) => return drop(done.send(Err(error))),
    };
    let _ = shared.loaded.set(loaded);
    let _ = done.send(Ok(()));
    std::thread::scope(|scope| {
        for index in 1..options.plan.workers.min(MOST_WORKERS) {
            let engine = engine.share();
            let thread = std::thread::Builder::new().name(format!("model-{index}"));
            if let Err(error) = thread.spawn_scoped(scope, move || {
                Runner {
                    index,
                    engine,
                    shared,
                }
                .run()
            }) {
                tracing::error!(%error, index, "a model's thread cannot be started");
            }
        }
        Runner {
            index: 0,
            engine,
            shared,
        }
        .run();
    });
}

fn load(options: &Options, shared: &Shared) -> Result<(Engine, LoadedModel), ModelError> {
    tch::set_num_threads(options.plan.threads as i32);
    let began = Instant::now();
    let engine = Engine::load(&options.folder, options.precision, options.device)?;
    shared.metrics.model_loaded(began.elapsed());
    warmup::check_precision(&engine, &options.folder)?;
    let cost = warmup::measure(&engine, options.warmup.as_deref())?;
    let (tower_layers, cross_layers) = engine.model().layers();
    let config = engine.model().config();
    let info = Info {
        tower_layers,
        cross_layers,
        hidden_size: config.hidden_size,
        vocabulary: config.vocab_size,
        precision: engine.model().precision(),
        device: match engine.model().device() {
            tch::Device::Cuda(index) => format!("cuda:{index}"),
            other => format!("{other:?}").to_lowercase(),
        },
    };
    let (usual, bulk) = (cost.seconds_per_token, cost.bulk);
    tracing::info!(
        tower_layers,
        cross_layers,
        hidden_size = info.hidden_size,
        vocabulary = info.vocabulary,
        precision = info.precision.name(),
        device = info.device,
        seconds_per_token = usual,
        bulk,
        "loaded"
    );
    let books = Admission::new(options.plan.workers, usual, bulk);
    let loaded = LoadedModel {
        info,
        books: Arc::new(Mutex::new(books)),
        tokenizer: engine.tokenizer().clone(),
        scheduler: Mutex::new(Scheduler::new(engine.tokenizer().clone())),
        work: Condvar::new(),
    };
    Ok((engine, loaded))
}

struct Runner<'a> {
    index: usize,
    engine: Engine,
    shared: &'a Shared,
}

impl Runner<'_> {
    fn run(&self) {
        let Some(loaded) = self.shared.loaded() else {
            return;
        };
        while let Some(round) = self.next_round(loaded) {
            let began = Instant::now();
            let busy = &self.shared.busy_since[self.index];
            busy.store(self.shared.now(), Ordering::Release);
            self.run_round(loaded, round, began);
            busy.store(0, Ordering::Release);
            let took = began.elapsed().as_millis() as u64;
            self.shared.longest.fetch_max(took, Ordering::AcqRel);
        }
    }

    /// Waits for work; none when the server stops.
    fn next_round(&self, loaded: &LoadedModel) -> Option<Round> {
        let mut scheduler = loaded.scheduler();
        loop {
            if self.shared.is_stopping() {
                return None;
            }
            let budget = self.budget();
            let round = scheduler.round(budget, Instant::now());
            self.note_queue(loaded);
            if round.is_some() {
                return round;
            }
            scheduler = loaded
                .work
                .wait(scheduler)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn budget(&self) -> usize {
        let most = self.shared.settings.borrow().batch_tokens as usize;
        if self.engine.model().device() == tch::Device::Cpu {
            most.min(ROUND_TOKENS * tch::get_num_threads().max(1) as usize)
        } else {
            most
        }
    }

    fn note_queue(&self, loaded: &LoadedModel) {
        let books = locked(&loaded.books);
        let tokens = books.queued_tokens();
        self.shared.metrics.queue(tokens, books.whole(tokens));
    }

    fn run_round(&self, loaded: &LoadedModel, round: Round, began: Instant) {
        let pause = || {
            if round.is_large {
                self.run_small_rounds(loaded);
            }
        };
        match guarded(|| self.engine.run(&round, &pause)) {
            Ok(outcome) => self.deliver(loaded, round, outcome, began),
            Err(fault) if round.passes.len() == 1 => {
                tracing::error!(fault, "a pass failed");
                self.shared.metrics.pass_failed();
                loaded.scheduler().fail(&round.passes[0], &fault);
            }
            // Only the bad pass is to fail: each alone tells which it is.
            Err(_) => {
                for alone in round.split() {
                    self.run_round(loaded, alone, began);
                }
            }
        }
    }

    /// A small request does not wait for the end of a round of large ones, only for that of a layer.
    fn run_small_rounds(&self, loaded: &LoadedModel) {
        let next = || loaded.scheduler().small_round(self.budget());
        while let Some(round) = next() {
            self.run_round(loaded, round, Instant::now());
        }
    }

    fn deliver(&self, loaded: &LoadedModel, round: Round, outcome: Outcome, began: Instant) {
        let work = outcome.work;
        locked(&loaded.books).note_pass(round.tokens, work.towers + work.cross);
        self.shared.metrics.round(&work);
        loaded.scheduler().settle(round, outcome, began);
        loaded.work.notify_all();
    }
}

/// A panic is a fault of the round that made it, not of the service.
fn guarded<T>(run: impl FnOnce() -> Result<T, ModelError>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("it panicked; the log shows where".into()),
    }
}
