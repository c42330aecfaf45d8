//! One request on its way: which passes it still needs, and what they have told so far. Knows no tensors.

use std::collections::HashMap;
use std::sync::Arc;

use super::allowance::{Allowance, Counted};
use super::error::PredictError;
use super::limits::{ENTITY_LIMIT, PROMPT_LIMIT};
use super::request::Request;
use super::text::{PromptIds, Text};
use crate::decode::{Entity, Label, Logits, classify, decode, merge};
use crate::extract::{Extraction, NodeId, Step, TooLarge};
use crate::schema::place;
use crate::tokenizer::Tokenizer;

/// What a node asks of the model: its prompts, each over every window.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) node: NodeId,
    pub(super) prompts: Vec<PromptIds>,
}

/// Where an answer belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) node: NodeId,
    pub(super) prompt: usize,
    pub(super) window: usize,
}

/// A node whose prompts are not all answered.
#[derive(Debug)]
struct Open {
    /// Per prompt the windows that are there.
    logits: Vec<Vec<Option<Logits>>>,
    /// Per prompt what they came to.
    entities: Vec<Vec<Entity>>,
    /// Prompts that are not answered.
    left: usize,
}

/// A request's state.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) text: Arc<Text>,
    extraction: Extraction,
    open: HashMap<NodeId, Open>,
    prompts: usize,
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
            prompts: 0,
            found: Vec::new(),
            labels,
            allowance: request.allowance.clone(),
        };
        session.note_prompts(&[root])?;
        let asked = session.ask(root, tokenizer)?;
        Ok((session, asked))
    }

    /// Counts the prompts of a level before the first of them is tokenized.
    fn note_prompts(&mut self, nodes: &[NodeId]) -> Result<(), PredictError> {
        let widths = nodes.iter().map(|node| self.extraction.width(*node));
        self.prompts += widths.sum::<usize>();
        if self.prompts <= PROMPT_LIMIT {
            return Ok(());
        }
        let node = nodes.first();
        let names = node.map_or_else(Vec::new, |node| self.extraction.names(*node));
        let place = place(&names);
        Err(PredictError::TooManyPrompts { place })
    }

    fn ask(&mut self, node: NodeId, tokenizer: &Tokenizer) -> Result<Asked, PredictError> {
        let counted = || Counted {
            texts: 1,
            windows: self.text.windows(),
            prompts: self.prompts,
            place: place(&self.extraction.names(node)),
        };
        let prompts: Vec<PromptIds> = self
            .extraction
            .prompts(node, &self.text.characters)
            .map(|prompt| self.prompt(prompt, counted, tokenizer))
            .collect::<Result<_, _>>()?;
        let open = Open {
            logits: vec![vec![None; self.text.windows()]; prompts.len()],
            entities: vec![Vec::new(); prompts.len()],
            left: prompts.len(),
        };
        self.open.insert(node, open);
        Ok(Asked { node, prompts })
    }

    /// Tokenizes a prompt, whose passes are charged before there are any.
    fn prompt(
        &self,
        prompt: impl Iterator<Item = char>,
        counted: impl FnOnce() -> Counted,
        tokenizer: &Tokenizer,
    ) -> Result<PromptIds, PredictError> {
        if self.allowance.is_left() {
            return Err(PredictError::Left);
        }
        let prompt = tokenizer.prompt(prompt).map_err(PredictError::Model)?;
        let tokens = prompt.ids.len();
        let passes = self.text.pass_tokens(tokens);
        self.allowance
            .charge(passes, (tokens, prompt.characters), counted)?;
        Ok(prompt.ids.into())
    }

    /// Takes the logits of one prompt over one window; gives what is to be asked now.
    pub(super) fn answer(
        &mut self,
        place: Place,
        logits: Logits,
        tokenizer: &Tokenizer,
    ) -> Result<Vec<Asked>, PredictError> {
        let Some(open) = self.open.get_mut(&place.node) else {
            return Ok(Vec::new());
        };
        let windows = &mut open.logits[place.prompt];
        windows[place.window] = Some(logits);
        if windows.iter().all(Option::is_some) {
            let windows: Vec<Logits> = std::mem::take(windows).into_iter().flatten().collect();
            let found = self.entities(&windows);
            self.note_found(place.node, found.len())?;
            if let Some(open) = self.open.get_mut(&place.node) {
                open.entities[place.prompt] = found;
                open.left -= 1;
            }
        }
        let nodes = self.close(place.node);
        self.note_prompts(&nodes)?;
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

    /// A node whose prompts are all answered is closed; gives the nodes behind it.
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
