//! What the towers made of prompts, kept: services ask the same types again and again.

use lru::LruCache;
use tch::Tensor;

use super::text::PromptIds;

/// Tokens of all prompts kept; at a hidden size of 768 in fp32 they take 25 MB.
const KEPT_TOKENS: usize = 8_192;

/// States of a prompt `[h, H]` by its ids and the positions before it, on which they depend.
pub(super) struct PromptCache {
    states: LruCache<(PromptIds, usize), Tensor>,
    tokens: usize,
}

impl Default for PromptCache {
    fn default() -> Self {
        Self {
            states: LruCache::unbounded(),
            tokens: 0,
        }
    }
}

impl PromptCache {
    pub(super) fn get(&mut self, prompt: &PromptIds, behind: usize) -> Option<Tensor> {
        let states = self.states.get(&(prompt.clone(), behind))?;
        Some(states.shallow_clone())
    }

    pub(super) fn put(&mut self, prompt: PromptIds, behind: usize, states: Tensor) {
        self.tokens += prompt.len();
        if let Some((replaced, _)) = self.states.push((prompt, behind), states) {
            self.tokens -= replaced.0.len();
        }
        while self.tokens > KEPT_TOKENS {
            let Some(((oldest, _), _)) = self.states.pop_lru() else {
                break;
            };
            self.tokens -= oldest.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;

    #[test]
    fn the_oldest_prompts_make_room() {
        let mut kept = PromptCache::default();
        let prompt = |number: i64| -> PromptIds { vec![number; 128].into() };
        for number in 0..200 {
            let states = Tensor::zeros([1], (Kind::Float, Device::Cpu));
            kept.put(prompt(number), 40, states.shallow_clone());
            kept.put(prompt(number), 40, states);
        }
        assert!(kept.get(&prompt(199), 40).is_some());
        assert!(
            kept.get(&prompt(199), 41).is_none(),
            "other positions, other states"
        );
        assert!(kept.get(&prompt(0), 40).is_none());
        assert_eq!(kept.tokens, KEPT_TOKENS);
    }
}
