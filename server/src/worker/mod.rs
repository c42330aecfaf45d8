//! The model's threads: requests are admitted by the work that waits already, cut into passes, and computed together.
//!
//! ```text
//! request ──admission──▶ session ──passes──▶ agenda ──most urgent first──▶ round ──engine──▶ logits ──▶ session ──▶ answer
//! ```

mod admission;
mod agenda;
mod engine;
mod hints;
mod scheduler;
mod session;
mod threads;
mod ticket;
mod warmup;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tch::Device;
use tokio::sync::{oneshot, watch};

use crate::config::ModelError;
use crate::decode::window_count;
use crate::extract::Step;
use crate::metrics::Metrics;
use crate::model::Precision;
use crate::schema::Schema;
use crate::settings::Settings;
use admission::{Demand, Refusal};
use threads::Shared;
use ticket::{Ticket, left, locked};

pub use engine::Engine;
pub use threads::{Plan, Threads};

/// Hints that one request may ask, over all levels: nested schemas multiply.
pub const HINT_LIMIT: usize = 2_048;

/// What a caller asks.
#[derive(Debug)]
pub struct Request {
    /// The text.
    pub text: String,
    /// What is looked for.
    pub schema: Arc<Schema>,
    /// Whether paths that end early are given too.
    pub output_all_prefix: bool,
    /// Whether the answer must be one of the labels before the text's `|`.
    pub is_strict: bool,
    /// When the answer is of no use any more.
    pub deadline: Option<Instant>,
}

/// What a caller gets.
#[derive(Debug)]
pub struct Prediction {
    /// Paths, depth first.
    pub output: Vec<Vec<Step>>,
    /// Passes through the cross layers.
    pub passes: usize,
    /// Their tokens.
    pub tokens: usize,
    /// Time until the first of them.
    pub queued: Duration,
    /// Time from there to the output.
    pub computed: Duration,
}

/// Why a request gets no output.
#[derive(Debug, thiserror::Error)]
pub enum PredictError {
    /// Too much work waits.
    #[error("too much work waits already")]
    Overloaded {
        /// When to come back: the predicted time until the queue is short enough.
        retry_after: Duration,
    },
    /// The caller's deadline.
    #[error("the answer would come after the caller's deadline")]
    TooLate,
    /// The schema multiplies beyond the bound.
    #[error(
        "the schema asks more than {HINT_LIMIT} questions of this text; ask fewer types, or fewer levels"
    )]
    TooManyHints,
    /// The model failed on this request.
    #[error("the model failed on this request; the server's log has the reason")]
    Model(String),
}

/// What a request comes to.
pub type Answer = Result<Prediction, PredictError>;
/// How the load went.
pub type Loaded = oneshot::Receiver<Result<(), ModelError>>;

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
    pub precision: Precision,
    /// Where it runs: `cpu` or `cuda:0`.
    pub device: String,
}

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

/// Whoever asks the model.
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
        settings: watch::Receiver<Settings>,
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
        self.shared.is_alive()
    }

    /// Asks the model. Whoever drops the future is dropped from the queue.
    ///
    /// # Errors
    /// [`PredictError`]; what cannot be taken is answered at once.
    pub async fn predict(&self, request: Request) -> Answer {
        let ended = || PredictError::Model("its threads ended".into());
        let loaded = self.shared.loaded().ok_or_else(ended)?;
        let now = Instant::now();
        let demand = Demand {
            tokens: first_level_tokens(&request),
            is_nested: request.schema.is_nested(),
            left: left(request.deadline, now),
        };
        let max_wait = self.shared.max_wait();
        let estimate = locked(&loaded.books)
            .ask(&demand, max_wait, now)
            .map_err(|refusal| match refusal {
                Refusal::Overloaded { retry_after } => PredictError::Overloaded { retry_after },
                Refusal::TooLate => PredictError::TooLate,
            })?;
        let books = loaded.books.clone();
        let (ticket, answered) = Ticket::new(&request, now, estimate, books);
        let mark = self.shared.mark(now + estimate.work);
        let shared = self.shared.clone();
        // A long text takes milliseconds to tokenize: not on a thread that answers others.
        tokio::task::spawn_blocking(move || shared.begin(&request, mark, ticket))
            .await
            .map_err(|_| PredictError::Model("the tokenizer panicked".into()))??;
        answered.await.unwrap_or_else(|_| Err(ended()))
    }
}

/// Tokens of the passes that a request needs at least, before it is tokenized: a character is about a token.
fn first_level_tokens(request: &Request) -> f64 {
    let (text, types) = (request.text.chars().count() + 2, &request.schema.types);
    let hints: usize = types.iter().map(|(kind, _)| kind.chars().count() + 4).sum();
    let windows = window_count(text);
    (types.len() * text + windows * hints) as f64
}
