//! What the towers made of hints, kept: services ask the same types again and again.

use lru::LruCache;
use tch::Tensor;

use super::session::Hint;

/// Tokens of all hints kept; at a hidden size of 768 in fp32 they take 25 MB.
const KEPT_TOKENS: usize = 8_192;

/// States of a hint `[h, H]` by its ids and the positions before it, on which they depend.
pub(super) struct HintStates {
    states: LruCache<(Hint, usize), Tensor>,
    tokens: usize,
}

impl Default for HintStates {
    fn default() -> Self {
        Self {
            states: LruCache::unbounded(),
            tokens: 0,
        }
    }
}

impl HintStates {
    pub(super) fn get(&mut self, hint: &Hint, behind: usize) -> Option<Tensor> {
        let states = self.states.get(&(hint.clone(), behind))?;
        Some(states.shallow_clone())
    }

    pub(super) fn put(&mut self, hint: Hint, behind: usize, states: Tensor) {
        self.tokens += hint.len();
        if let Some((replaced, _)) = self.states.push((hint, behind), states) {
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
    fn the_oldest_hints_make_room() {
        let mut kept = HintStates::default();
        let hint = |number: i64| -> Hint { vec![number; 128].into() };
        for number in 0..200 {
            let states = Tensor::zeros([1], (Kind::Float, Device::Cpu));
            kept.put(hint(number), 40, states.shallow_clone());
            kept.put(hint(number), 40, states);
        }
        assert!(kept.get(&hint(199), 40).is_some());
        assert!(
            kept.get(&hint(199), 41).is_none(),
            "other positions, other states"
        );
        assert!(kept.get(&hint(0), 40).is_none());
        assert_eq!(kept.tokens, KEPT_TOKENS);
    }
}
