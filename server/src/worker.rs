//! The model's own thread behind a bounded queue: requests wait here, or are told at once that they cannot.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::{oneshot, watch};

use crate::config::ModelError;
use crate::decode::Logits;
use crate::extract::{ExtractError, Question, Scorer, Step, extract};
use crate::metrics::Metrics;
use crate::model::{EncodedText, Model};
use crate::schema::Schema;
use crate::settings::Settings;
use crate::tokenizer::Tokenizer;

/// Requests that may wait. A longer queue would only hide that the server is too slow.
const QUEUE: usize = 64;
/// Hints that one request may ask, over all levels: nested schemas multiply.
pub const HINT_LIMIT: usize = 2_048;
/// No forward pass takes so long; a thread that is busy for longer is stuck.
const STUCK: Duration = Duration::from_secs(300);

/// What a caller asks.
#[derive(Debug)]
pub struct Request {
    /// The text.
    pub text: String,
    /// What is looked for.
    pub schema: Schema,
    /// Whether paths that end early are given too.
    pub output_all_prefix: bool,
}

/// Why a request gets no output.
#[derive(Debug, thiserror::Error)]
pub enum PredictError {
    /// The queue is full.
    #[error("too many requests wait already")]
    Overloaded {
        /// When to come back: the queue's length times the time that a request takes.
        retry_after: Duration,
    },
    /// The schema multiplies beyond the bound.
    #[error(
        "the schema asks more than {HINT_LIMIT} questions of this text; ask fewer types, or fewer levels"
    )]
    TooManyHints,
    /// The model failed on this request.
    #[error("the model failed: {0}")]
    Model(String),
}

type Answer = Result<Vec<Vec<Step>>, PredictError>;
/// How the load went.
pub type Loaded = oneshot::Receiver<Result<(), ModelError>>;

struct Job {
    request: Request,
    answer: oneshot::Sender<Answer>,
}

/// What the thread and its handles share.
#[derive(Debug)]
struct State {
    started: Instant,
    info: OnceLock<Info>,
    loaded: AtomicBool,
    /// Asks the thread to leave its work and end.
    stopping: AtomicBool,
    waiting: AtomicU64,
    /// Milliseconds since the start at which the present work began; 0 when idle.
    busy_since: AtomicU64,
    /// Moving average of a request's time, in microseconds.
    average: AtomicU64,
}

/// Whoever asks the model.
#[derive(Clone)]
pub struct Worker {
    queue: SyncSender<Job>,
    state: Arc<State>,
}

/// The model's thread. It must be joined before the process ends: libtorch's statics are gone after `main`, and a pass
/// that still runs then crashes.
pub struct ModelThread {
    state: Arc<State>,
    handle: JoinHandle<()>,
}

impl ModelThread {
    /// Ends the thread after the pass that runs, whatever waits.
    pub fn stop(self) {
        self.state.stopping.store(true, Ordering::Release);
        if self.handle.join().is_err() {
            tracing::error!("the model's thread panicked");
        }
    }
}

/// What is known of the model once it is loaded.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Info {
    /// Layers of the towers.
    pub tower_layers: usize,
    /// Layers over text and hint together.
    pub cross_layers: usize,
    /// Width of a layer.
    pub hidden_size: i64,
    /// Entries of the vocabulary.
    pub vocabulary: i64,
    /// How the network computes.
    pub precision: &'static str,
}

impl Worker {
    /// Starts the thread. It loads the model, predicts the warm-up text once, and then answers; the receiver learns how
    /// the load went.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(
        folder: PathBuf,
        warmup: Option<String>,
        settings: watch::Receiver<Settings>,
        metrics: Arc<Metrics>,
    ) -> std::io::Result<(Self, ModelThread, Loaded)> {
        let (queue, jobs) = sync_channel(QUEUE);
        let (done, loaded) = oneshot::channel();
        let state = Arc::new(State::new());
        let own = state.clone();
        let handle = std::thread::Builder::new()
            .name("model".into())
            .spawn(move || {
                own.run(&folder, warmup.as_deref(), &settings, &metrics, jobs, done);
            })?;
        let worker = Self {
            queue,
            state: state.clone(),
        };
        Ok((worker, ModelThread { state, handle }, loaded))
    }

    /// Whether the model is loaded and warm.
    pub fn is_loaded(&self) -> bool {
        self.state.loaded.load(Ordering::Acquire)
    }

    /// What is known of the model, once it is loaded.
    pub fn info(&self) -> Option<&Info> {
        self.state.info.get()
    }

    /// Whether the thread makes progress. Never asks the thread itself: a busy one is alive.
    pub fn is_alive(&self) -> bool {
        let since = self.state.busy_since.load(Ordering::Acquire);
        since == 0 || self.state.now().saturating_sub(since) < STUCK.as_millis() as u64
    }

    /// Asks the model.
    ///
    /// # Errors
    /// [`PredictError`]; a full queue answers at once.
    pub async fn predict(&self, request: Request) -> Answer {
        let (answer, answered) = oneshot::channel();
        self.state.waiting.fetch_add(1, Ordering::AcqRel);
        match self.queue.try_send(Job { request, answer }) {
            Ok(()) => answered
                .await
                .unwrap_or_else(|_| Err(PredictError::Model("its thread ended".into()))),
            Err(refused) => {
                self.state.waiting.fetch_sub(1, Ordering::AcqRel);
                Err(match refused {
                    TrySendError::Full(_) => PredictError::Overloaded {
                        retry_after: self.time_of_queue(),
                    },
                    TrySendError::Disconnected(_) => PredictError::Model("its thread ended".into()),
                })
            }
        }
    }

    fn time_of_queue(&self) -> Duration {
        let (waiting, average) = (
            self.state.waiting.load(Ordering::Acquire),
            self.state.average.load(Ordering::Acquire),
        );
        Duration::from_micros(waiting.saturating_mul(average)).max(Duration::from_secs(1))
    }
}

impl State {
    fn new() -> Self {
        Self {
            started: Instant::now(),
            info: OnceLock::new(),
            loaded: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            waiting: AtomicU64::new(0),
            busy_since: AtomicU64::new(0),
            average: AtomicU64::new(0),
        }
    }

    /// Milliseconds since the start; never 0.
    fn now(&self) -> u64 {
        (self.started.elapsed().as_millis() as u64).max(1)
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    fn run(
        &self,
        folder: &std::path::Path,
        warmup: Option<&str>,
        settings: &watch::Receiver<Settings>,
        metrics: &Metrics,
        jobs: Receiver<Job>,
        done: oneshot::Sender<Result<(), ModelError>>,
    ) {
        let started = Instant::now();
        let engine = match Engine::load(folder, settings.clone()) {
            Ok(engine) => engine,
            Err(error) => return drop(done.send(Err(error))),
        };
        metrics.model_loaded(started.elapsed());
        let _ = self.info.set(engine.info());
        if let Some(text) = warmup {
            let _ = engine.predict(&warmup_request(text), metrics, &|| !self.is_stopping());
        }
        self.loaded.store(true, Ordering::Release);
        let _ = done.send(Ok(()));
        for job in jobs {
            if self.is_stopping() {
                return;
            }
            self.waiting.fetch_sub(1, Ordering::AcqRel);
            if job.answer.is_closed() {
                continue;
            }
            let began = Instant::now();
            self.busy_since.store(self.now(), Ordering::Release);
            let go_on = || !self.is_stopping() && !job.answer.is_closed();
            let answer = guarded(|| engine.predict(&job.request, metrics, &go_on));
            let _ = job.answer.send(answer);
            self.busy_since.store(0, Ordering::Release);
            self.note_time(began.elapsed());
        }
    }

    fn note_time(&self, took: Duration) {
        let (before, took) = (
            self.average.load(Ordering::Acquire),
            took.as_micros() as u64,
        );
        let average = if before == 0 {
            took
        } else {
            (before * 7 + took) / 8
        };
        self.average.store(average, Ordering::Release);
    }
}

fn warmup_request(text: &str) -> Request {
    Request {
        text: text.to_owned(),
        schema: Schema {
            types: vec![("预热".into(), None)],
        },
        output_all_prefix: false,
    }
}

/// A panic costs the request that made it, not the service.
fn guarded(predict: impl FnOnce() -> Answer) -> Answer {
    catch_unwind(AssertUnwindSafe(predict)).unwrap_or_else(|_| {
        Err(PredictError::Model(
            "it panicked; the log tells where".into(),
        ))
    })
}

/// Model and tokenizer together.
struct Engine {
    model: Model,
    tokenizer: Tokenizer,
    settings: watch::Receiver<Settings>,
}

impl Engine {
    fn load(
        folder: &std::path::Path,
        settings: watch::Receiver<Settings>,
    ) -> Result<Self, ModelError> {
        let tokenizer = Tokenizer::load(folder)?;
        let model = Model::load(folder)?;
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
            tokenizer,
            settings,
        })
    }

    fn info(&self) -> Info {
        let (tower_layers, cross_layers) = self.model.layers();
        let config = self.model.config();
        Info {
            tower_layers,
            cross_layers,
            hidden_size: config.hidden_size,
            vocabulary: config.vocab_size,
            precision: "fp32",
        }
    }

    fn predict(&self, request: &Request, metrics: &Metrics, go_on: &dyn Fn() -> bool) -> Answer {
        let _no_gradients = tch::no_grad_guard();
        let characters: Vec<char> = request.text.chars().collect();
        let tokens = self
            .tokenizer
            .text(&request.text)
            .map_err(PredictError::Model)?;
        let began = Instant::now();
        let text = self
            .model
            .encode_text(&tokens.ids)
            .map_err(|error| PredictError::Model(error.to_string()))?;
        metrics.forward("text", began.elapsed());
        let mut scorer = TextScorer {
            engine: self,
            text,
            batch_tokens: self.settings.borrow().batch_tokens,
            metrics,
            go_on,
        };
        let question = Question {
            text: &characters,
            tokens: &tokens,
            output_all_prefix: request.output_all_prefix,
            hint_limit: HINT_LIMIT,
        };
        extract(&question, &request.schema, &mut scorer).map_err(|error| match error {
            ExtractError::TooManyHints { .. } => PredictError::TooManyHints,
            ExtractError::Scorer(fault) => PredictError::Model(fault),
        })
    }
}

/// Scores hints over one text, whose tower ran once for all of them.
struct TextScorer<'a> {
    engine: &'a Engine,
    text: EncodedText,
    batch_tokens: usize,
    metrics: &'a Metrics,
    go_on: &'a dyn Fn() -> bool,
}

impl Scorer for TextScorer<'_> {
    type Error = String;

    fn score(&mut self, hints: &[String]) -> Result<Vec<Vec<Logits>>, String> {
        let ids = hints
            .iter()
            .map(|hint| self.engine.tokenizer.hint(hint))
            .collect::<Result<Vec<_>, _>>()?;
        let began = Instant::now();
        let scores = self
            .engine
            .model
            .score(&self.text, &ids, self.batch_tokens, self.go_on)
            .map_err(|error| error.to_string());
        self.metrics.forward("hints", began.elapsed());
        scores
    }
}
