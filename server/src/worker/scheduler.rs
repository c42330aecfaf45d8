//! All requests at once: takes the passes of the most urgent ones into a round, and gives its results to whoever waits.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use tch::Tensor;

use super::PredictError;
use super::agenda::Agenda;
use super::claim::Mark;
use super::engine::Outcome;
use super::hints::HintStates;
use super::session::{Asked, Hint, Place, Session, Text};
use super::share::{Lane, Share};
use super::ticket::Ticket;
use crate::decode::Logits;
use crate::tokenizer::Tokenizer;

pub(super) type SessionId = u64;

/// One pass through the cross layers: a window of a text with a hint.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct PassKey {
    text: TextId,
    window: usize,
    hint: Hint,
}

type TextId = u64;

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

/// A row that the towers have to compute in a round.
#[derive(Debug, Clone)]
pub(super) enum Row {
    /// A window of a text.
    Window {
        text: TextId,
        ids: Vec<i64>,
        index: usize,
    },
    /// A hint behind a window of so many positions.
    Hint { ids: Hint, behind: usize },
}

impl Row {
    pub(super) fn ids(&self) -> &[i64] {
        match self {
            Self::Window { ids, .. } => ids,
            Self::Hint { ids, .. } => ids,
        }
    }
}

/// States that are known, or that the round computes.
#[derive(Debug)]
pub(super) enum States {
    Known(Tensor),
    Row(usize),
}

/// A pass with what it needs.
#[derive(Debug)]
pub(super) struct Pass {
    pub(super) key: PassKey,
    pub(super) text: States,
    pub(super) hint: States,
    /// Tokens of window and hint.
    pub(super) tokens: usize,
}

/// Passes that run together.
#[derive(Debug, Default)]
pub(super) struct Round {
    pub(super) rows: Vec<Row>,
    pub(super) passes: Vec<Pass>,
    /// Tokens of the passes.
    pub(super) tokens: usize,
    /// They are large requests': small ones may run between two layers.
    pub(super) is_large: bool,
}

/// Every request, text and pass.
pub(super) struct Scheduler {
    tokenizer: Arc<Tokenizer>,
    sessions: HashMap<SessionId, Active>,
    texts: HashMap<TextId, ActiveText>,
    texts_by_content: HashMap<Vec<char>, TextId>,
    hints: HintStates,
    agenda: Agenda<Mark, PassKey, Waiter>,
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
            hints: HintStates::default(),
            agenda: Agenda::new(),
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
        for (hint, ids) in asked.hints.iter().enumerate() {
            for window in 0..text.windows() {
                let tokens = text.window(window).len() + ids.len();
                let mark = active.ticket.expect_more(tokens);
                let key = PassKey {
                    text: active.text,
                    window,
                    hint: ids.clone(),
                };
                let place = Place {
                    node: asked.node,
                    hint,
                    window,
                };
                let waiter = Waiter { session: id, place };
                self.agenda.add(key, mark, waiter);
            }
        }
    }

    /// Takes passes of at most so many tokens, but at least one.
    pub(super) fn round(&mut self, budget: usize, now: Instant) -> Option<Round> {
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

    /// Takes passes of small requests that may run between two layers of a round of large ones.
    pub(super) fn small_round(&mut self, budget: usize) -> Option<Round> {
        self.fill(budget, Lane::Small, true)
    }

    /// `large_runs`: a round of large requests waits for the end of this one.
    fn fill(&mut self, budget: usize, lane: Lane, large_runs: bool) -> Option<Round> {
        let mut round = Round {
            is_large: lane == Lane::Large,
            ..Round::default()
        };
        let mut planned = Planned::default();
        while round.tokens < budget {
            let large_waits = large_runs || self.large_waits();
            if lane == Lane::Small && large_waits && self.share.is_turn_of_large() {
                break;
            }
            let Some(key) = self.next(lane) else {
                break;
            };
            let before = round.tokens;
            self.add_pass(&mut round, &mut planned, key);
            self.share.count(lane, round.tokens - before, large_waits);
        }
        (!round.passes.is_empty()).then_some(round)
    }

    fn large_waits(&self) -> bool {
        matches!(self.agenda.last(), Some(Mark::Large(_)))
    }

    /// The most urgent pass of a lane.
    fn next(&mut self, lane: Lane) -> Option<PassKey> {
        let sessions = &self.sessions;
        let waits = |waiter: &Waiter| sessions.contains_key(&waiter.session);
        let first_large = (Mark::Large(self.began), 0);
        match lane {
            Lane::Small => self.agenda.next(..first_large, waits),
            Lane::Large => self.agenda.next(first_large.., waits),
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

    fn add_pass(&mut self, round: &mut Round, planned: &mut Planned, key: PassKey) {
        let Some(active) = self.texts.get(&key.text) else {
            return;
        };
        let (text, behind) = (&active.text, active.text.window_positions());
        let window = text.window(key.window);
        let tokens = window.len() + key.hint.len();
        let text_states = match &active.states[key.window] {
            Some(states) => States::Known(states.shallow_clone()),
            None => round.row(planned.windows.entry((key.text, key.window)), || {
                Row::Window {
                    text: key.text,
                    index: key.window,
                    ids: window.to_vec(),
                }
            }),
        };
        let hint_states = match self.hints.get(&key.hint, behind) {
            Some(states) => States::Known(states),
            None => round.row(planned.hints.entry((key.hint.clone(), behind)), || {
                Row::Hint {
                    ids: key.hint.clone(),
                    behind,
                }
            }),
        };
        round.tokens += tokens;
        round.passes.push(Pass {
            key,
            text: text_states,
            hint: hint_states,
            tokens,
        });
    }

    /// Takes what a round came to.
    pub(super) fn settle(&mut self, round: Round, outcome: Outcome, began: Instant) {
        self.keep(round.rows.into_iter().zip(outcome.rows));
        for (pass, logits) in round.passes.iter().zip(&outcome.logits) {
            // A panic over one answer must not cost the others theirs.
            let delivered = catch_unwind(AssertUnwindSafe(|| self.deliver(pass, logits, began)));
            if delivered.is_err() {
                self.fail(pass, "taking its answer panicked; the log shows where");
            }
        }
    }

    /// Keeps what the towers made of the rows of a round.
    fn keep(&mut self, rows: impl Iterator<Item = (Row, Tensor)>) {
        for (row, states) in rows {
            match row {
                Row::Window { text, index, .. } => {
                    if let Some(active) = self.texts.get_mut(&text) {
                        active.states[index] = Some(states);
                    }
                }
                Row::Hint { ids, behind } => self.hints.put(ids, behind, states),
            }
        }
    }

    /// Gives a pass's logits to whoever waits for them.
    fn deliver(&mut self, pass: &Pass, logits: &Logits, began: Instant) {
        for waiter in self.agenda.finish(&pass.key) {
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
    pub(super) fn fail(&mut self, pass: &Pass, fault: &str) {
        for waiter in self.agenda.finish(&pass.key) {
            self.refuse(waiter.session, PredictError::Model(fault.to_owned()));
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

/// Which rows a round computes already.
#[derive(Debug, Default)]
struct Planned {
    windows: HashMap<(TextId, usize), usize>,
    hints: HashMap<(Hint, usize), usize>,
}

impl Round {
    /// The same passes, each in a round of its own.
    pub(super) fn split(self) -> impl Iterator<Item = Self> {
        let rows = self.rows;
        self.passes.into_iter().map(move |mut pass| {
            let mut own = Vec::new();
            for states in [&mut pass.text, &mut pass.hint] {
                if let States::Row(index) = states {
                    own.push(rows[*index].clone());
                    *index = own.len() - 1;
                }
            }
            Self {
                rows: own,
                tokens: pass.tokens,
                is_large: self.is_large,
                passes: vec![pass],
            }
        })
    }

    fn row<K>(&mut self, entry: Entry<'_, K, usize>, row: impl FnOnce() -> Row) -> States {
        let rows = &mut self.rows;
        States::Row(*entry.or_insert_with(|| {
            rows.push(row());
            rows.len() - 1
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::sync::oneshot::Receiver;

    use super::*;
    use crate::schema::Schema;
    use crate::worker::admission::Admission;
    use crate::worker::claim::Claim;
    use crate::worker::session::Session;
    use crate::worker::ticket::{Books, Outcome};
    use crate::worker::{Allowance, Request};

    const BUDGET: usize = 256;
    /// Seconds of work, of a millisecond for each token.
    const LARGE: f64 = 0.25;

    struct Scene {
        scheduler: Scheduler,
        books: Books,
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
                books: Arc::new(Mutex::new(Admission::new(1, 0.001, 0.001))),
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
            let claim = self.books.lock().expect("the books").enter(claim, now);
            let (ticket, answer) = Ticket::new(&request, now, claim, self.books.clone());
            self.scheduler.begin(session, &asked, ticket);
            self.answers.push(answer);
        }

        fn round(&mut self) -> Option<Round> {
            self.scheduler.round(BUDGET, Instant::now())
        }
    }

    fn long_text() -> String {
        "苏州的公司发布了机器人".repeat(200)
    }

    #[test]
    fn a_small_request_runs_between_the_layers_of_a_round_of_large_ones() {
        let mut scene = Scene::new();
        scene.begin(&long_text());
        assert!(scene.round().expect("the passes of a large one").is_large);
        assert!(scene.scheduler.small_round(BUDGET).is_none());
        scene.begin("陈思远在苏州");
        let small = scene.scheduler.small_round(BUDGET);
        assert!(!small.expect("the small one").is_large);
        assert!(scene.scheduler.small_round(BUDGET).is_none());
    }

    #[test]
    fn a_round_of_small_requests_is_not_filled_up_with_large_ones() {
        let mut scene = Scene::new();
        scene.begin(&long_text());
        scene.begin("陈思远在苏州");
        let small = scene.round().expect("the small one");
        assert_eq!((small.is_large, small.passes.len()), (false, 1));
        assert!(scene.round().expect("the large one").is_large);
    }

    #[test]
    fn small_requests_do_not_interrupt_a_round_when_it_is_the_turn_of_large_ones() {
        let mut scene = Scene::new();
        scene.begin(&long_text());
        let mut ran = 0;
        for text in 0..1000 {
            scene.begin(&format!("陈思远在苏州的第{text}家公司"));
            match scene.scheduler.small_round(BUDGET) {
                Some(round) => ran += round.tokens,
                None => break,
            }
        }
        assert!((1_500..3_000).contains(&ran), "{ran}");
        assert!(scene.round().expect("the turn of the large one").is_large);
    }

    #[test]
    fn passes_that_no_caller_waits_for_hold_up_no_others() {
        let mut scene = Scene::new();
        scene.begin(&long_text());
        for text in 0..100 {
            scene.begin(&format!("陈思远在苏州的第{text}家公司"));
        }
        while !scene.scheduler.share.is_turn_of_large() {
            let _ = scene.round().expect("work");
        }
        scene.answers.remove(0);
        scene.begin("陈思远在苏州");
        let mut left = 0;
        while let Some(round) = scene.round() {
            assert!(!round.is_large);
            left += round.passes.len();
        }
        assert!(left > 0);
    }
}
