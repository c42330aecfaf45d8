//! Passes that run together, with the rows of the towers that they need.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use tch::Tensor;

use super::text::PromptIds;
use crate::decode::Logits;
use crate::metrics::Work;

/// Names a text that is being asked about.
pub(super) type TextId = u64;

/// One pass through the cross layers: a window of a text with a prompt.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct PassKey {
    pub(super) text: TextId,
    pub(super) window: usize,
    pub(super) prompt: PromptIds,
}

/// A pass with what it needs.
#[derive(Debug)]
pub(super) struct Pass {
    pub(super) key: PassKey,
    pub(super) text: States,
    pub(super) prompt: States,
    /// Tokens of window and prompt.
    pub(super) tokens: usize,
}

/// States that are known, or that the batch computes.
#[derive(Debug)]
pub(super) enum States {
    Known(Tensor),
    Row(usize),
}

/// A row that the towers have to compute in a batch.
#[derive(Debug, Clone)]
pub(super) enum Row {
    /// A window of a text.
    Window {
        text: TextId,
        ids: Vec<i64>,
        index: usize,
    },
    /// A prompt behind a window of so many positions.
    Prompt { ids: PromptIds, behind: usize },
}

impl Row {
    pub(super) fn ids(&self) -> &[i64] {
        match self {
            Self::Window { ids, .. } => ids,
            Self::Prompt { ids, .. } => ids,
        }
    }
}

/// Passes that run together.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) rows: Vec<Row>,
    pub(super) passes: Vec<Pass>,
    /// Tokens of the passes.
    pub(super) tokens: usize,
    /// They are large requests': small ones may run between two layers.
    pub(super) is_large: bool,
}

impl Batch {
    /// The same passes, each in a batch of its own.
    pub(super) fn split(self) -> impl Iterator<Item = Self> {
        let rows = self.rows;
        self.passes.into_iter().map(move |mut pass| {
            let mut own = Vec::new();
            for states in [&mut pass.text, &mut pass.prompt] {
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
}

/// What a batch came to.
pub(super) struct BatchOutcome {
    /// States of each row.
    pub(super) rows: Vec<Tensor>,
    /// Logits of each pass.
    pub(super) logits: Vec<Logits>,
    pub(super) work: Work,
}

/// Puts a batch together; what several passes need is one row.
#[derive(Debug)]
pub(super) struct BatchBuilder {
    batch: Batch,
    windows: HashMap<(TextId, usize), usize>,
    prompts: HashMap<(PromptIds, usize), usize>,
}

impl BatchBuilder {
    pub(super) fn new(is_large: bool) -> Self {
        Self {
            batch: Batch {
                is_large,
                ..Batch::default()
            },
            windows: HashMap::new(),
            prompts: HashMap::new(),
        }
    }

    /// Tokens of the passes so far.
    pub(super) fn tokens(&self) -> usize {
        self.batch.tokens
    }

    /// The row of a text's window.
    pub(super) fn window(&mut self, text: TextId, index: usize, ids: &[i64]) -> States {
        let row = || Row::Window {
            text,
            index,
            ids: ids.to_vec(),
        };
        row_of(self.windows.entry((text, index)), &mut self.batch.rows, row)
    }

    /// The row of a prompt behind a window of so many positions.
    pub(super) fn prompt(&mut self, ids: &PromptIds, behind: usize) -> States {
        let row = || Row::Prompt {
            ids: ids.clone(),
            behind,
        };
        let entry = self.prompts.entry((ids.clone(), behind));
        row_of(entry, &mut self.batch.rows, row)
    }

    pub(super) fn add(&mut self, pass: Pass) {
        self.batch.tokens += pass.tokens;
        self.batch.passes.push(pass);
    }

    /// The batch, unless nothing runs in it.
    pub(super) fn build(self) -> Option<Batch> {
        (!self.batch.passes.is_empty()).then_some(self.batch)
    }
}

fn row_of<K>(entry: Entry<'_, K, usize>, rows: &mut Vec<Row>, row: impl FnOnce() -> Row) -> States {
    States::Row(*entry.or_insert_with(|| {
        rows.push(row());
        rows.len() - 1
    }))
}
