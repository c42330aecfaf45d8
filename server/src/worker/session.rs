//! One request on its way: which passes it still needs, and what they have told so far. Knows no tensors.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use super::{Allowance, ENTITY_LIMIT, HINT_LIMIT, PredictError, Request};
use crate::decode::{
    Entity, Label, Logits, STRIDE, WINDOW, classify, decode, merge, window, window_count,
};
use crate::extract::{Extraction, NodeId, Step, TooLarge};
use crate::schema::place;
use crate::tokenizer::{Tokenizer, Tokens};

/// A text, ready for the model.
#[derive(Debug)]
pub(super) struct Text {
    /// Code points.
    pub(super) characters: Vec<char>,
    pub(super) tokens: Tokens,
}

impl Text {
    pub(super) fn new(text: &str, tokenizer: &Tokenizer) -> Result<Self, String> {
        Ok(Self {
            characters: text.chars().collect(),
            tokens: tokenizer.text(text)?,
        })
    }

    /// Number of windows.
    pub(super) fn windows(&self) -> usize {
        window_count(self.tokens.ids.len())
    }

    /// The ids of a window.
    pub(super) fn window(&self, index: usize) -> &[i64] {
        &self.tokens.ids[window(self.tokens.ids.len(), index)]
    }

    /// Positions that a window takes: hints go on behind them, also behind a last window that is shorter.
    pub(super) fn window_positions(&self) -> usize {
        window(self.tokens.ids.len(), 0).len()
    }

    /// Tokens of the passes of a hint of so many tokens.
    fn pass_tokens(&self, hint: usize) -> usize {
        pass_tokens(self.tokens.ids.len(), hint)
    }
}

/// Tokens of the passes of a hint over a text: all windows, which overlap, each with the hint.
pub(super) fn pass_tokens(text: usize, hint: usize) -> usize {
    let windows = window_count(text);
    text + (windows - 1) * (WINDOW - STRIDE) + windows * hint
}

/// A hint's ids.
pub(super) type Hint = Arc<[i64]>;

/// What a node asks of the model: its hints, each over every window.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) node: NodeId,
    pub(super) hints: Vec<Hint>,
}

/// How work is counted, for people.
#[derive(Debug)]
pub(super) struct Counted {
    /// Texts of the question, or one of them.
    pub(super) texts: usize,
    /// Their windows.
    pub(super) windows: usize,
    /// What is asked of each.
    pub(super) hints: usize,
    /// Up to which level.
    pub(super) place: String,
}

impl fmt::Display for Counted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = if self.texts == 1 { "text" } else { "texts" };
        write!(
            formatter,
            "{} {text} of {} windows (at most {WINDOW} tokens each) × {} types up to `{}`",
            self.texts, self.windows, self.hints, self.place
        )
    }
}

/// Where an answer belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) node: NodeId,
    pub(super) hint: usize,
    pub(super) window: usize,
}

/// A node whose hints are not all answered.
#[derive(Debug)]
struct Open {
    /// Per hint the windows that are there.
    logits: Vec<Vec<Option<Logits>>>,
    /// Per hint what they came to.
    entities: Vec<Vec<Entity>>,
    /// Hints that are not answered.
    left: usize,
}

/// A request's state.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) text: Arc<Text>,
    extraction: Extraction,
    open: HashMap<NodeId, Open>,
    hints: usize,
    /// Entities found at each level.
    found: Vec<usize>,
    /// Of a strict classification: what alone may be an answer.
    labels: Vec<Label>,
    allowance: Arc<Allowance>,
}

impl Session {
    /// Begins; gives what is to be asked first.
    pub(super) fn new(
        request: &Request,
        tokenizer: &Tokenizer,
    ) -> Result<(Self, Asked), PredictError> {
        let text = Text::new(&request.text, tokenizer).map_err(PredictError::Model)?;
        let (extraction, root) = Extraction::new(request.schema.clone(), request.output_all_prefix);
        let labels = if request.is_strict {
            Label::all(&request.text, &text.tokens.offsets)
        } else {
            Vec::new()
        };
        let mut session = Self {
            text: Arc::new(text),
            extraction,
            open: HashMap::new(),
            hints: 0,
            found: Vec::new(),
            labels,
            allowance: request.allowance.clone(),
        };
        session.note_hints(&[root])?;
        let asked = session.ask(root, tokenizer)?;
        Ok((session, asked))
    }

    /// Counts the hints of a level before the first of them is tokenized.
    fn note_hints(&mut self, nodes: &[NodeId]) -> Result<(), PredictError> {
        let widths = nodes.iter().map(|node| self.extraction.width(*node));
        self.hints += widths.sum::<usize>();
        if self.hints <= HINT_LIMIT {
            return Ok(());
        }
        let node = nodes.first();
        let names = node.map_or_else(Vec::new, |node| self.extraction.names(*node));
        let place = place(&names);
        Err(PredictError::TooManyHints { place })
    }

    fn ask(&mut self, node: NodeId, tokenizer: &Tokenizer) -> Result<Asked, PredictError> {
        let counted = || Counted {
            texts: 1,
            windows: self.text.windows(),
            hints: self.hints,
            place: place(&self.extraction.names(node)),
        };
        let hints: Vec<Hint> = self
            .extraction
            .hints(node, &self.text.characters)
            .map(|hint| self.hint(hint, counted, tokenizer))
            .collect::<Result<_, _>>()?;
        let open = Open {
            logits: vec![vec![None; self.text.windows()]; hints.len()],
            entities: vec![Vec::new(); hints.len()],
            left: hints.len(),
        };
        self.open.insert(node, open);
        Ok(Asked { node, hints })
    }

    /// Tokenizes a hint, whose passes are charged before there are any.
    fn hint(
        &self,
        hint: impl Iterator<Item = char>,
        counted: impl FnOnce() -> Counted,
        tokenizer: &Tokenizer,
    ) -> Result<Hint, PredictError> {
        if self.allowance.is_left() {
            return Err(PredictError::Left);
        }
        let hint = tokenizer.hint(hint).map_err(PredictError::Model)?;
        let tokens = hint.ids.len();
        let passes = self.text.pass_tokens(tokens);
        self.allowance
            .charge(passes, (tokens, hint.characters), counted)?;
        Ok(hint.ids.into())
    }

    /// Takes the logits of one hint over one window; gives what is to be asked now.
    pub(super) fn answer(
        &mut self,
        place: Place,
        logits: Logits,
        tokenizer: &Tokenizer,
    ) -> Result<Vec<Asked>, PredictError> {
        let Some(open) = self.open.get_mut(&place.node) else {
            return Ok(Vec::new());
        };
        let windows = &mut open.logits[place.hint];
        windows[place.window] = Some(logits);
        if windows.iter().all(Option::is_some) {
            let windows: Vec<Logits> = std::mem::take(windows).into_iter().flatten().collect();
            let found = self.entities(&windows);
            self.note_found(place.node, found.len())?;
            if let Some(open) = self.open.get_mut(&place.node) {
                open.entities[place.hint] = found;
                open.left -= 1;
            }
        }
        let nodes = self.close(place.node);
        self.note_hints(&nodes)?;
        nodes
            .into_iter()
            .map(|node| self.ask(node, tokenizer))
            .collect()
    }

    fn entities(&self, windows: &[Logits]) -> Vec<Entity> {
        let merged = merge(windows, self.text.tokens.ids.len());
        if self.labels.is_empty() {
            decode(&merged, &self.text.tokens.offsets)
        } else {
            classify(&merged, &self.labels).into_iter().collect()
        }
    }

    /// What is found at one level is bounded, for what is kept of it.
    fn note_found(&mut self, node: NodeId, count: usize) -> Result<(), PredictError> {
        let level = self.extraction.level(node);
        if self.found.len() <= level {
            self.found.resize(level + 1, 0);
        }
        self.found[level] += count;
        if self.found[level] > ENTITY_LIMIT {
            let place = place(&self.extraction.names(node));
            return Err(PredictError::TooManyEntities { place });
        }
        Ok(())
    }

    /// A node whose hints are all answered is closed; gives the nodes behind it.
    fn close(&mut self, node: NodeId) -> Vec<NodeId> {
        if self.open.get(&node).is_none_or(|open| open.left > 0) {
            return Vec::new();
        }
        let closed = self.open.remove(&node);
        closed.map_or_else(Vec::new, |open| self.extraction.answer(node, open.entities))
    }

    /// Whether nothing is open.
    pub(super) fn is_complete(&self) -> bool {
        self.open.is_empty()
    }

    /// The output; `take` grants its bytes.
    pub(super) fn output(
        &self,
        take: impl FnMut(usize) -> Result<(), TooLarge>,
    ) -> Result<Vec<Vec<Step>>, TooLarge> {
        self.extraction.output(&self.text.characters, take)
    }
}
