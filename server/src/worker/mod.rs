//! The model's threads: requests are admitted by the work that waits already, cut into passes, and computed together.
//!
//! ```text
//! request ──admission──▶ session ──passes──▶ agenda ──most urgent first──▶ round ──engine──▶ logits ──▶ session ──▶ answer
//! ```

mod admission;
mod agenda;
mod allowance;
mod claim;
mod engine;
mod hints;
mod scheduler;
mod session;
mod share;
mod threads;
mod ticket;
mod warmup;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tch::Device;
use tokio::sync::{oneshot, watch};
use uninlu_settings::{InForce, duration};

use crate::config::ModelError;
use crate::decode::window_count;
use crate::extract::Step;
use crate::metrics::Metrics;
use crate::model::Precision;
use crate::schema::Schema;
use crate::tokenizer::HINT_MAX_LENGTH;
use admission::{Demand, Refusal};
use session::{Counted, pass_tokens};
use threads::Shared;
use ticket::{Ticket, locked};

pub use allowance::{ANSWER_LIMIT, Allowance};
pub use engine::Engine;
pub use threads::{Plan, Threads};

/// Hints that one request may ask, over all levels: nested schemas multiply.
pub const HINT_LIMIT: usize = 2_048;
/// Entities that may be found at one level of a text.
pub const ENTITY_LIMIT: usize = 20_000;

/// When an answer is of no use any more.
#[derive(Debug, Clone, Copy)]
pub struct Deadline {
    /// The moment.
    pub at: Instant,
    /// The setting `max-time`, where that is what ends it; else the caller does.
    pub max_time: Option<Duration>,
}

impl Deadline {
    /// What a request ends with behind it.
    pub fn error(&self) -> PredictError {
        match self.max_time {
            Some(max_time) => PredictError::MaxTime { max_time },
            None => PredictError::TooLate,
        }
    }
}

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
    pub deadline: Option<Deadline>,
    /// What the question that it belongs to may cost.
    pub allowance: Arc<Allowance>,
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
    /// The setting `max-time`.
    #[error("the answer takes longer than max-time, {}; ask less at once, or raise max-time", duration::text(*.max_time))]
    MaxTime {
        /// The setting.
        max_time: Duration,
    },
    /// The caller is gone, so that nobody reads this.
    #[error("the caller left")]
    Left,
    /// More work than one request may be.
    #[error(
        "the request is predicted to take {seconds:.1} s of this pod, and max-work is {}: {tokens} tokens at \
         {microseconds_per_token:.1} µs each; {counted}; ask fewer types or levels, send fewer or shorter texts, or \
         raise max-work",
        duration::text(*.max_work)
    )]
    TooMuchWork {
        /// Predicted.
        seconds: f64,
        /// The setting.
        max_work: Duration,
        /// Tokens of all passes.
        tokens: u64,
        /// Predicted, of the whole pod.
        microseconds_per_token: f64,
        /// How.
        counted: String,
        /// Where in the schema.
        place: String,
    },
    /// The schema multiplies beyond the bound.
    #[error(
        "the schema asks more than {HINT_LIMIT} questions of this text; ask fewer types, or fewer levels"
    )]
    TooManyHints {
        /// Where in the schema.
        place: String,
    },
    /// More is found than is kept.
    #[error(
        "the text has more than {ENTITY_LIMIT} entities at one level of the schema; send a shorter text, or ask fewer types"
    )]
    TooManyEntities {
        /// Where in the schema.
        place: String,
    },
    /// More is found than is sent.
    #[error(
        "the answer has more than {ANSWER_LIMIT} bytes; send fewer or shorter texts, or ask fewer types or levels"
    )]
    AnswerTooLarge,
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
        self.shared.is_alive()
    }

    /// What a question may cost, by the settings of this moment. A nested schema is counted by its first level, since
    /// what follows depends on what is found; each further level is charged before it runs.
    ///
    /// # Errors
    /// When that is too much: how it was counted.
    pub fn allow(&self, texts: &[String], schema: &Schema) -> Result<Allowance, PredictError> {
        let max_work = self.shared.settings().max_work;
        let loaded = self.shared.loaded().ok_or_else(ended)?;
        let seconds_per_token = locked(&loaded.books).pod_seconds_per_token();
        let place = crate::schema::place(&[]);
        if schema.types.len() > HINT_LIMIT {
            return Err(PredictError::TooManyHints { place });
        }
        let (types, hints) = (schema.types.len(), hint_tokens(schema));
        let lengths = texts.iter().map(|text| length(text));
        let (windows, tokens) = lengths.fold((0, 0), |(windows, tokens), length| {
            let own = window_count(length);
            (
                windows + own,
                tokens + first_level_tokens(length, types, hints),
            )
        });
        let allowance = Allowance::new(max_work, seconds_per_token).of(tokens, hints);
        allowance.check(tokens as u64, || Counted {
            texts: texts.len(),
            windows,
            hints: types,
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
        let now = Instant::now();
        let left = |deadline: Deadline| deadline.at.saturating_duration_since(now);
        let (types, hints) = (request.schema.types.len(), request.allowance.hints());
        let tokens = first_level_tokens(length(&request.text), types, hints);
        let demand = Demand {
            tokens: tokens as f64,
            together: request.allowance.taken() as f64,
            question: request.allowance.first_level() as f64,
            is_nested: request.schema.is_nested(),
            left: request.deadline.map(left),
        };
        let max_wait = self.shared.settings().max_wait;
        let claim = locked(&loaded.books)
            .ask(&demand, max_wait, now)
            .map_err(|refusal| match refusal {
                Refusal::Overloaded { retry_after } => PredictError::Overloaded { retry_after },
                Refusal::TooLate => request
                    .deadline
                    .map_or(PredictError::TooLate, |deadline| deadline.error()),
            })?;
        request.allowance.take_text(tokens);
        let (ticket, answered) = Ticket::new(&request, now, claim, loaded.books.clone());
        let shared = self.shared.clone();
        let allowance = request.allowance.clone();
        // A long text takes milliseconds to tokenize: not on a thread that answers others.
        tokio::task::spawn_blocking(move || shared.begin(&request, ticket))
            .await
            .map_err(|_| PredictError::Model("the tokenizer panicked".into()))?;
        let finished = answered.await.unwrap_or_else(|_| Err(ended()))?;
        tokio::task::spawn_blocking(move || finished.prediction(&allowance))
            .await
            .map_err(|_| PredictError::Model("putting the answer together panicked".into()))?
    }
}

fn ended() -> PredictError {
    PredictError::Model("its threads ended".into())
}

/// About the tokens of a text, before it is tokenized: each character one, but for the letters of a word, of which a
/// token has some.
fn length(text: &str) -> usize {
    const LETTERS: usize = 4;
    let (mut tokens, mut letters) = (2, 0);
    for character in text.chars() {
        if character.is_ascii_alphanumeric() {
            tokens += usize::from(letters % LETTERS == 0);
            letters += 1;
        } else {
            tokens += usize::from(!character.is_whitespace());
            letters = 0;
        }
    }
    tokens
}

/// About the tokens of the hints of the schema's first level.
fn hint_tokens(schema: &Schema) -> usize {
    let hint = |kind: &str| (kind.chars().count() + 4).min(HINT_MAX_LENGTH);
    schema.types.iter().map(|(kind, _)| hint(kind)).sum()
}

/// About the tokens of the passes that a text of so many needs at least, for so many types, whose hints have so many.
fn first_level_tokens(text: usize, types: usize, hints: usize) -> usize {
    types * pass_tokens(text, 0) + window_count(text) * hints
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_a_text_is_about_its_tokens() {
        let folder = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../tests/golden/tokenizer_vocab_21128.txt"
        );
        let vocabulary = std::fs::read_to_string(folder).expect("the vocabulary");
        let tokenizer =
            crate::tokenizer::Tokenizer::from_vocabulary(&vocabulary).expect("the tokenizer");
        for text in [
            "在北京冬奥会自由式滑雪女子大跳台决赛中，中国选手谷爱凌以188.25分夺得金牌。",
            "The quick brown fox jumps over the lazy dog, and the dog does not mind at all.",
            "小米 MIX 4 于 2021 年 8 月发布，售价 4999 元。",
            "",
        ] {
            let exact = tokenizer.text(text).expect("tokens").ids.len() as f64;
            let about = length(text) as f64;
            assert!(
                (0.7..1.5).contains(&(about / exact)),
                "{text}: {about}, {exact}"
            );
        }
    }
}
