//! How small and large requests share the model: whose turn it is. Pure.

use super::claim::SHARE;

const LONGEST_PASS: f64 = uninlu_settings::LONGEST_PASS as f64;

/// A batch's passes are all of small requests, or all of large ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lane {
    Small,
    Large,
}

/// What large requests are owed.
#[derive(Debug, Default)]
pub(super) struct Share {
    /// Tokens, while small requests run.
    owed: f64,
}

impl Share {
    /// A pass of a large request goes before those of small ones.
    pub(super) fn is_turn_of_large(&self) -> bool {
        self.owed >= LONGEST_PASS
    }

    /// Counts a pass that runs, so that large requests have their share and no more.
    pub(super) fn count(&mut self, lane: Lane, tokens: usize, large_waits: bool) {
        let tokens = tokens as f64;
        self.owed = match lane {
            Lane::Large => (self.owed - tokens).max(0.0),
            Lane::Small if large_waits => self.owed + tokens / (SHARE - 1.0),
            Lane::Small => 0.0,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_requests_get_one_token_of_four_while_small_ones_wait() {
        let mut share = Share::default();
        let mut ran = [0, 0];
        for _ in 0..4000 {
            let is_large = share.is_turn_of_large();
            let lane = if is_large { Lane::Large } else { Lane::Small };
            share.count(lane, 100, true);
            ran[usize::from(is_large)] += 1;
        }
        assert!((990..=1000).contains(&ran[1]), "{ran:?}");
    }

    #[test]
    fn nothing_is_owed_to_large_requests_that_do_not_wait() {
        let mut share = Share::default();
        share.count(Lane::Small, 9000, true);
        assert!(share.is_turn_of_large());
        share.count(Lane::Small, 10, false);
        assert!(!share.is_turn_of_large());
    }
}
