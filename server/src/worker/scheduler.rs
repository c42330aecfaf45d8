//! All requests at once: takes the passes of the most urgent ones into a batch, and gives its results to whoever waits.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use tch::Tensor;

use super::batch::{Batch, BatchBuilder, BatchOutcome, Pass, PassKey, Row, States, TextId};
use super::claim::Due;
use super::error::PredictError;
use super::pass_queue::PassQueue;
use super::prompt_cache::PromptCache;
use super::session::{Asked, Place, Session};
use super::share::{Lane, Share};
use super::text::Text;
use super::ticket::Ticket;
use crate::decode::Logits;
use crate::tokenizer::Tokenizer;

type SessionId = u64;

#[derive(Debug)]
struct Waiter {
    session: SessionId,
    place: Place,
}

/// A request that is being answered.
struct Active {
    session: Session,
    text: TextId,
    ticket: Ticket,
}

/// A text that is being asked about, by one request or by several.
struct ActiveText {
    text: Arc<Text>,
    /// The tower's states of each window, once they are known.
    states: Vec<Option<Tensor>>,
    sessions: usize,
}

/// Every request, text and pass.
pub(super) struct Scheduler {
    tokenizer: Arc<Tokenizer>,
    sessions: HashMap<SessionId, Active>,
    texts: HashMap<TextId, ActiveText>,
    texts_by_content: HashMap<Vec<char>, TextId>,
    prompts: PromptCache,
    queue: PassQueue<Due, PassKey, Waiter>,
    share: Share,
    began: Instant,
    count: u64,
}

impl Scheduler {
    pub(super) fn new(tokenizer: Arc<Tokenizer>) -> Self {
        Self {
            tokenizer,
            sessions: HashMap::new(),
            texts: HashMap::new(),
            texts_by_content: HashMap::new(),
            prompts: PromptCache::default(),
            queue: PassQueue::new(),
            share: Share::default(),
            began: Instant::now(),
            count: 0,
        }
    }

    /// Takes a request.
    pub(super) fn begin(&mut self, session: Session, asked: &Asked, ticket: Ticket) {
        self.count += 1;
        let id = self.count;
        let text = self.join_text(&session.text, id);
        let active = Active {
            session,
            text,
            ticket,
        };
        self.sessions.insert(id, active);
        self.enqueue(id, asked);
        if let Some(active) = self.sessions.get_mut(&id) {
            active.ticket.first_level_known();
        }
    }

    fn join_text(&mut self, text: &Arc<Text>, id: TextId) -> TextId {
        let known = *self
            .texts_by_content
            .entry(text.characters.clone())
            .or_insert(id);
        let active = self.texts.entry(known).or_insert_with(|| ActiveText {
            text: text.clone(),
            states: (0..text.windows()).map(|_| None).collect(),
            sessions: 0,
        });
        active.sessions += 1;
        known
    }

    fn leave_text(&mut self, id: TextId) {
        let Some(text) = self.texts.get_mut(&id) else {
            return;
        };
        text.sessions -= 1;
        if text.sessions == 0 {
            self.texts_by_content.remove(&text.text.characters);
            self.texts.remove(&id);
        }
    }

    fn enqueue(&mut self, id: SessionId, asked: &Asked) {
        let Some(active) = self.sessions.get_mut(&id) else {
            return;
        };
        let text = &active.session.text;
        for (prompt, ids) in asked.prompts.iter().enumerate() {
            for window in 0..text.windows() {
                let tokens = text.window(window).len() + ids.len();
                let due = active.ticket.expect_more(tokens);
                let key = PassKey {
                    text: active.text,
                    window,
                    prompt: ids.clone(),
                };
                let place = Place {
                    node: asked.node,
                    prompt,
                    window,
                };
                let waiter = Waiter { session: id, place };
                self.queue.add(key, due, waiter);
            }
        }
    }

    /// Takes passes of at most so many tokens, but at least one.
    pub(super) fn batch(&mut self, budget: usize, now: Instant) -> Option<Batch> {
        self.drop_left(now);
        let lanes = if self.large_waits() && self.share.is_turn_of_large() {
            [Lane::Large, Lane::Small]
        } else {
            [Lane::Small, Lane::Large]
        };
        lanes
            .into_iter()
            .find_map(|lane| self.fill(budget, lane, false))
    }

    /// Takes passes of small requests that may run between two layers of a batch of large ones.
    pub(super) fn small_batch(&mut self, budget: usize) -> Option<Batch> {
        self.fill(budget, Lane::Small, true)
    }

    /// `large_runs`: a batch of large requests waits for the end of this one.
    fn fill(&mut self, budget: usize, lane: Lane, large_runs: bool) -> Option<Batch> {
        let mut batch = BatchBuilder::new(lane == Lane::Large);
        while batch.tokens() < budget {
            let large_waits = large_runs || self.large_waits();
            if lane == Lane::Small && large_waits && self.share.is_turn_of_large() {
                break;
            }
            let Some(key) = self.next(lane) else {
                break;
            };
            let before = batch.tokens();
            self.add_pass(&mut batch, key);
            self.share.count(lane, batch.tokens() - before, large_waits);
        }
        batch.build()
    }

    fn large_waits(&self) -> bool {
        matches!(self.queue.last(), Some(Due::Large(_)))
    }

    /// The most urgent pass of a lane.
    fn next(&mut self, lane: Lane) -> Option<PassKey> {
        let sessions = &self.sessions;
        let waits = |waiter: &Waiter| sessions.contains_key(&waiter.session);
        let first_large = (Due::Large(self.began), 0);
        match lane {
            Lane::Small => self.queue.next(..first_large, waits),
            Lane::Large => self.queue.next(first_large.., waits),
        }
    }

    /// Ends the requests whose callers left or whose time is over.
    fn drop_left(&mut self, now: Instant) {
        let over: Vec<(SessionId, PredictError)> = self
            .sessions
            .iter()
            .filter_map(|(id, active)| Some((*id, active.ticket.over(now)?)))
            .collect();
        for (id, error) in over {
            self.refuse(id, error);
        }
    }

    fn add_pass(&mut self, batch: &mut BatchBuilder, key: PassKey) {
        let Some(active) = self.texts.get(&key.text) else {
            return;
        };
        let (ids, behind) = (
            active.text.window(key.window),
            active.text.window_positions(),
        );
        let tokens = ids.len() + key.prompt.len();
        let text = match &active.states[key.window] {
            Some(states) => States::Known(states.shallow_clone()),
            None => batch.window(key.text, key.window, ids),
        };
        let prompt = match self.prompts.get(&key.prompt, behind) {
            Some(states) => States::Known(states),
            None => batch.prompt(&key.prompt, behind),
        };
        batch.add(Pass {
            key,
            text,
            prompt,
            tokens,
        });
    }

    /// Takes what a batch came to.
    pub(super) fn settle(&mut self, batch: Batch, outcome: BatchOutcome, began: Instant) {
        self.keep(batch.rows.into_iter().zip(outcome.rows));
        for (pass, logits) in batch.passes.iter().zip(&outcome.logits) {
            // A panic over one answer must not cost the others theirs.
            let delivered = catch_unwind(AssertUnwindSafe(|| self.deliver(pass, logits, began)));
            if delivered.is_err() {
                self.fail(pass, "handling its result panicked; the log shows where");
            }
        }
    }

    /// Keeps what the towers made of the rows of a batch.
    fn keep(&mut self, rows: impl Iterator<Item = (Row, Tensor)>) {
        for (row, states) in rows {
            match row {
                Row::Window { text, index, .. } => {
                    if let Some(active) = self.texts.get_mut(&text) {
                        active.states[index] = Some(states);
                    }
                }
                Row::Prompt { ids, behind } => self.prompts.put(ids, behind, states),
            }
        }
    }

    /// Gives a pass's logits to whoever waits for them.
    fn deliver(&mut self, pass: &Pass, logits: &Logits, began: Instant) {
        for waiter in self.queue.finish(&pass.key) {
            if let Some(active) = self.sessions.get_mut(&waiter.session) {
                active.ticket.pass_done(pass.tokens, began);
            }
            self.answer(&waiter, logits.clone());
        }
    }

    /// Asking on costs time: for a caller that left it is not spent.
    fn answer(&mut self, waiter: &Waiter, logits: Logits) {
        let Some(active) = self.sessions.get_mut(&waiter.session) else {
            return;
        };
        if let Some(error) = active.ticket.over(Instant::now()) {
            return self.refuse(waiter.session, error);
        }
        let place = waiter.place;
        match active.session.answer(place, logits, &self.tokenizer) {
            Ok(asked) => {
                for asked in &asked {
                    self.enqueue(waiter.session, asked);
                }
                self.end_if_complete(waiter.session);
            }
            Err(error) => self.refuse(waiter.session, error),
        }
    }

    fn end_if_complete(&mut self, id: SessionId) {
        let is_complete = |active: &Active| active.session.is_complete();
        if !self.sessions.get(&id).is_some_and(is_complete) {
            return;
        }
        if let Some(active) = self.leave(id) {
            active.ticket.finish(active.session, Instant::now());
        }
    }

    /// Ends whoever waits for a pass that cannot be computed.
    pub(super) fn fail(&mut self, pass: &Pass, reason: &str) {
        for waiter in self.queue.finish(&pass.key) {
            self.refuse(waiter.session, PredictError::Model(reason.to_owned()));
        }
    }

    fn refuse(&mut self, id: SessionId, error: PredictError) {
        if let Some(active) = self.leave(id) {
            active.ticket.refuse(error);
        }
    }

    fn leave(&mut self, id: SessionId) -> Option<Active> {
        let active = self.sessions.remove(&id)?;
        self.leave_text(active.text);
        Some(active)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::sync::oneshot::Receiver;

    use super::*;
    use crate::schema::Schema;
    use crate::worker::admission::Admission;
    use crate::worker::allowance::Allowance;
    use crate::worker::claim::Claim;
    use crate::worker::request::Request;
    use crate::worker::ticket::{Outcome, SharedAdmission};

    const BUDGET: usize = 256;
    /// Seconds of work, of a millisecond for each token.
    const LARGE: f64 = 0.25;

    struct Scene {
        scheduler: Scheduler,
        admission: SharedAdmission,
        answers: Vec<Receiver<Outcome>>,
    }

    impl Scene {
        fn new() -> Self {
            let vocabulary = concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/../tests/golden/tokenizer_vocab_21128.txt"
            );
            let vocabulary = std::fs::read_to_string(vocabulary).expect("the vocabulary");
            let tokenizer = Tokenizer::from_vocabulary(&vocabulary).expect("the tokenizer");
            Self {
                scheduler: Scheduler::new(Arc::new(tokenizer)),
                admission: Arc::new(Mutex::new(Admission::new(1, 0.001, 0.001))),
                answers: Vec::new(),
            }
        }

        fn begin(&mut self, text: &str) {
            let schema = Schema::read(r#"{"人物": null}"#).expect("a schema");
            let request = Request {
                text: text.to_owned(),
                schema: Arc::new(schema),
                output_all_prefix: false,
                is_strict: false,
                deadline: None,
                allowance: Arc::new(Allowance::default()),
            };
            let (session, asked) =
                Session::new(&request, &self.scheduler.tokenizer).expect("a session");
            let now = Instant::now();
            let tokens = text.chars().count() as f64;
            let claim = Claim::new(now, tokens, 0.001, LARGE);
            let claim = self
                .admission
                .lock()
                .expect("the admission")
                .enter(claim, now);
            let (ticket, answer) = Ticket::new(&request, now, claim, self.admission.clone());
            self.scheduler.begin(session, &asked, ticket);
            self.answers.push(answer);
        }

        fn batch(&mut self) -> Option<Batch> {
            self.scheduler.batch(BUDGET, Instant::now())
        }
    }

    fn long_text() -> String {
        "苏州的公司发布了机器人".repeat(200)
    }

    #[test]
    fn a_small_request_runs_between_the_layers_of_a_batch_of_large_ones() {
        let mut scene = Scene::new();
        scene.begin(&long_text());
        assert!(scene.batch().expect("the passes of a large one").is_large);
        assert!(scene.scheduler.small_batch(BUDGET).is_none());
        scene.begin("陈思远在苏州");
        let small = scene.scheduler.small_batch(BUDGET);
        assert!(!small.expect("the small one").is_large);
        assert!(scene.scheduler.small_batch(BUDGET).is_none());
    }

    #[test]
    fn a_batch_of_small_requests_is_not_filled_up_with_large_ones() {
        let mut scene = Scene::new();
        scene.begin(&long_text());
        scene.begin("陈思远在苏州");
        let small = scene.batch().expect("the small one");
        assert_eq!((small.is_large, small.passes.len()), (false, 1));
        assert!(scene.batch().expect("the large one").is_large);
    }

    #[test]
    fn small_requests_do_not_interrupt_a_batch_when_it_is_the_turn_of_large_ones() {
        let mut scene = Scene::new();
        scene.begin(&long_text());
        let mut ran = 0;
        for text in 0..1000 {
            scene.begin(&format!("陈思远在苏州的第{text}家公司"));
            match scene.scheduler.small_batch(BUDGET) {
                Some(batch) => ran += batch.tokens,
                None => break,
            }
        }
        assert!((1_500..3_000).contains(&ran), "{ran}");
        assert!(scene.batch().expect("the turn of the large one").is_large);
    }

    #[test]
    fn passes_that_no_caller_waits_for_hold_up_no_others() {
        let mut scene = Scene::new();
        scene.begin(&long_text());
        for text in 0..100 {
            scene.begin(&format!("陈思远在苏州的第{text}家公司"));
        }
        while !scene.scheduler.share.is_turn_of_large() {
            let _ = scene.batch().expect("work");
        }
        scene.answers.remove(0);
        scene.begin("陈思远在苏州");
        let mut left = 0;
        while let Some(batch) = scene.batch() {
            assert!(!batch.is_large);
            left += batch.passes.len();
        }
        assert!(left > 0);
    }
}
