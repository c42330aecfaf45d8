//! One request on its way: which passes it still needs, and what they have told so far. Knows no tensors.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use super::{HINT_LIMIT, PredictError, Request};
use crate::decode::{Entity, Logits, classify, decode, labels, merge, window, window_count};
use crate::extract::{Extraction, NodeId, Step};
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
}

/// A hint's ids.
pub(super) type Hint = Arc<[i64]>;

/// What a node asks of the model: its hints, each over every window.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) node: NodeId,
    pub(super) hints: Vec<Hint>,
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
    entities: Vec<Option<Vec<Entity>>>,
}

/// A request's state.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) text: Arc<Text>,
    extraction: Extraction,
    open: HashMap<NodeId, Open>,
    hints: usize,
    /// Of a strict classification: what alone may be an answer.
    labels: Vec<Range<usize>>,
}

impl Session {
    /// Begins; gives what is to be asked first.
    pub(super) fn new(
        request: &Request,
        tokenizer: &Tokenizer,
    ) -> Result<(Self, Asked), PredictError> {
        let text = Text::new(&request.text, tokenizer).map_err(PredictError::Model)?;
        let (extraction, root) = Extraction::new(request.schema.clone(), request.output_all_prefix);
        let mut session = Self {
            text: Arc::new(text),
            extraction,
            open: HashMap::new(),
            hints: 0,
            labels: if request.is_strict {
                labels(&request.text)
            } else {
                Vec::new()
            },
        };
        let asked = session.ask(root, tokenizer)?;
        Ok((session, asked))
    }

    fn ask(&mut self, node: NodeId, tokenizer: &Tokenizer) -> Result<Asked, PredictError> {
        let hints = self.extraction.hints(node);
        self.hints += hints.len();
        if self.hints > HINT_LIMIT {
            return Err(PredictError::TooManyHints);
        }
        let hints: Vec<Hint> = hints
            .iter()
            .map(|hint| tokenizer.hint(hint).map(Into::into))
            .collect::<Result<_, _>>()
            .map_err(PredictError::Model)?;
        let open = Open {
            logits: vec![vec![None; self.text.windows()]; hints.len()],
            entities: vec![None; hints.len()],
        };
        self.open.insert(node, open);
        Ok(Asked { node, hints })
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
            let merged = merge(&windows, self.text.tokens.ids.len());
            let (offsets, characters) = (&self.text.tokens.offsets, &self.text.characters);
            let found = if self.labels.is_empty() {
                decode(&merged, offsets, characters)
            } else {
                classify(&merged, offsets, characters, &self.labels)
                    .into_iter()
                    .collect()
            };
            open.entities[place.hint] = Some(found);
        }
        if open.entities.iter().any(Option::is_none) {
            return Ok(Vec::new());
        }
        let closed = self.open.remove(&place.node).map(|open| open.entities);
        let entities = closed.into_iter().flatten().flatten().collect();
        self.extraction
            .answer(place.node, entities)
            .into_iter()
            .map(|node| self.ask(node, tokenizer))
            .collect()
    }

    /// The output, once nothing is open.
    pub(super) fn output(&self) -> Option<Vec<Vec<Step>>> {
        self.open.is_empty().then(|| self.extraction.output())
    }
}
