//! All requests at once: takes the passes of the most urgent ones into a round, and gives its results to whoever waits.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use tch::Tensor;

use super::PredictError;
use super::agenda::Agenda;
use super::claim::{Mark, SHARE};
use super::engine::Outcome;
use super::hints::HintStates;
use super::session::{Asked, Hint, Place, Session, Text};
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
}

/// Every request, text and pass.
pub(super) struct Scheduler {
    tokenizer: Arc<Tokenizer>,
    sessions: HashMap<SessionId, Active>,
    texts: HashMap<TextId, ActiveText>,
    texts_by_content: HashMap<Vec<char>, TextId>,
    hints: HintStates,
    agenda: Agenda<Mark, PassKey, Waiter>,
    /// Tokens that large requests are owed, while small ones run.
    owed: f64,
    began: Instant,
    count: u64,
}

/// Tokens of the longest pass: a window of 384 with a hint of 128.
const LONGEST_PASS: f64 = 512.0;

impl Scheduler {
    pub(super) fn new(tokenizer: Arc<Tokenizer>) -> Self {
        Self {
            tokenizer,
            sessions: HashMap::new(),
            texts: HashMap::new(),
            texts_by_content: HashMap::new(),
            hints: HintStates::default(),
            agenda: Agenda::new(),
            owed: 0.0,
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
        let mut round = Round::default();
        let mut planned = Planned::default();
        while round.tokens < budget {
            let Some((mark, key)) = self.next() else {
                break;
            };
            let before = round.tokens;
            self.add_pass(&mut round, &mut planned, key);
            self.note_share(mark, (round.tokens - before) as f64);
        }
        (!round.passes.is_empty()).then_some(round)
    }

    /// The most urgent pass, or that of the first large request when it is its turn.
    fn next(&mut self) -> Option<(Mark, PassKey)> {
        let sessions = &self.sessions;
        let waits = |waiter: &Waiter| sessions.contains_key(&waiter.session);
        if self.owed >= LONGEST_PASS {
            let first = Some(Mark::Large(self.began));
            if let Some(large) = self.agenda.next(first, waits) {
                return Some(large);
            }
        }
        self.agenda.next(None, waits)
    }

    /// Counts what runs, so that large requests have their share and no more.
    fn note_share(&mut self, mark: Mark, tokens: f64) {
        let has_large = matches!(self.agenda.last(), Some(Mark::Large(_)));
        self.owed = match mark {
            Mark::Large(_) => (self.owed - tokens).max(0.0),
            Mark::Small(_) if has_large => self.owed + tokens / (SHARE - 1.0),
            Mark::Small(_) => 0.0,
        };
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
                self.fail(pass, "taking its answer panicked; the log tells where");
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
