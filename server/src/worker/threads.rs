//! The threads that run the model: one loads it, then all answer.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use tch::Device;
use tokio::sync::oneshot;

use super::admission::Admission;
use super::engine::Engine;
use super::info::Info;
use super::progress::MOST_WORKERS;
use super::runner::Runner;
use super::shared::{LoadedModel, Shared};
use super::warmup;
use crate::model::Precision;
use crate::model_error::ModelError;

/// What is served, and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// Model folder.
    pub folder: PathBuf,
    /// How the network computes.
    pub precision: Precision,
    /// Where it runs.
    pub device: Device,
    /// Text predicted before the model counts as ready.
    pub warmup: Option<String>,
    /// Threads.
    pub plan: Plan,
}

/// How many threads, of what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// Threads that run batches, each on its own.
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

/// How the load went.
pub type Loaded = oneshot::Receiver<Result<(), ModelError>>;

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

    /// Ends the threads after the batch that runs, whatever waits.
    pub fn stop(self) {
        self.shared.stop();
        if self.first.join().is_err() {
            tracing::error!("a model thread panicked");
        }
    }
}

fn serve(options: &Options, shared: &Shared, done: oneshot::Sender<Result<(), ModelError>>) {
    let (engine, loaded) = match load(options, shared) {
        Ok(loaded) => loaded,
        Err(error) => return drop(done.send(Err(error))),
    };
    shared.set_loaded(loaded);
    let _ = done.send(Ok(()));
    let runner = |index, engine| Runner {
        index,
        engine,
        shared,
    };
    std::thread::scope(|scope| {
        for index in 1..options.plan.workers.min(MOST_WORKERS) {
            let runner = runner(index, engine.share());
            let thread = std::thread::Builder::new().name(format!("model-{index}"));
            if let Err(error) = thread.spawn_scoped(scope, move || runner.run()) {
                tracing::error!(%error, index, "cannot start a model thread");
            }
        }
        runner(0, engine).run();
    });
}

fn load(options: &Options, shared: &Shared) -> Result<(Engine, LoadedModel), ModelError> {
    tch::set_num_threads(options.plan.threads as i32);
    let began = Instant::now();
    let engine = Engine::load(&options.folder, options.precision, options.device)?;
    shared.metrics.model_loaded(began.elapsed());
    warmup::check_precision(&engine, &options.folder)?;
    let cost = warmup::measure(&engine, options.warmup.as_deref())?;
    let info = Info::of(engine.model(), &options.folder);
    info.log(cost.seconds_per_token, cost.bulk);
    let workers = options.plan.workers;
    let admission = Admission::new(workers, cost.seconds_per_token, cost.bulk);
    let loaded = LoadedModel::new(info, admission, engine.tokenizer().clone());
    Ok((engine, loaded))
}
