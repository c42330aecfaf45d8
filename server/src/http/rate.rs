//! Bytes that are read for nothing but that their sender comes to see its answer: so many a second, over all connections.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Bytes of a refused request that are read on, and of all of them after a rest.
pub(super) const LINGER: usize = 16 << 20;
/// Bytes of all of them in a second. A sender beyond it waits, and may in the end see no answer.
const RATE: usize = 4 << 20;

/// Bytes that are read at once.
pub(super) const PIECE: usize = 8 << 10;

/// What may still be read.
#[derive(Debug)]
pub(super) struct Drain(Mutex<State>);

#[derive(Debug)]
struct State {
    left: usize,
    at: Instant,
}

impl Drain {
    pub(super) fn new(now: Instant) -> Self {
        let state = State {
            left: LINGER,
            at: now,
        };
        Self(Mutex::new(state))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether no piece may be read now.
    pub(super) fn is_used_up(&self, now: Instant) -> bool {
        let mut state = self.state();
        let passed = now.saturating_duration_since(state.at).as_secs_f64();
        let more = (passed * RATE as f64) as usize;
        if more > 0 {
            state.left = state.left.saturating_add(more).min(LINGER);
            state.at = now;
        }
        state.left < PIECE
    }

    /// So many bytes were read.
    pub(super) fn take(&self, bytes: usize) {
        let mut state = self.state();
        state.left = state.left.saturating_sub(bytes);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn all_senders_together_have_so_much_a_second() {
        let start = Instant::now();
        let drain = Drain::new(start);
        let at = |seconds: f64| start + Duration::from_secs_f64(seconds);
        drain.take(LINGER - PIECE);
        assert!(!drain.is_used_up(at(0.0)), "one sender has all it needs");
        drain.take(PIECE);
        assert!(drain.is_used_up(at(0.0)));
        assert!(drain.is_used_up(at(0.001)), "a moment gives no piece");
        assert!(!drain.is_used_up(at(0.501)));
        drain.take(RATE / 2);
        assert!(drain.is_used_up(at(0.501)));
        assert!(!drain.is_used_up(at(60.0)));
        drain.take(LINGER);
        assert!(drain.is_used_up(at(60.0)), "a rest gives no more than that");
    }
}
