//! What the model reads: a text cut into windows, and prompts.

use std::sync::Arc;

use crate::decode::{STRIDE, WINDOW, window, window_count};
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

    /// Positions that a window takes: prompts go on behind them, also behind a last window that is shorter.
    pub(super) fn window_positions(&self) -> usize {
        window(self.tokens.ids.len(), 0).len()
    }

    /// Tokens of the passes of a prompt of so many tokens.
    pub(super) fn pass_tokens(&self, prompt: usize) -> usize {
        pass_tokens(self.tokens.ids.len(), prompt)
    }
}

/// Tokens of the passes of a prompt over a text: all windows, which overlap, each with the prompt.
pub(super) fn pass_tokens(text: usize, prompt: usize) -> usize {
    let windows = window_count(text);
    text + (windows - 1) * (WINDOW - STRIDE) + windows * prompt
}

/// A prompt's tokens.
pub(super) type PromptIds = Arc<[i64]>;
