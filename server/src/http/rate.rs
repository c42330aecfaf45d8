//! Bytes a second, over all connections.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// So many bytes a second, and a burst after a rest.
#[derive(Debug)]
pub(super) struct Rate {
    per_second: f64,
    burst: f64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Bytes that are free; below 0 where more was taken.
    left: f64,
    at: Instant,
}

impl Rate {
    pub(super) fn new(per_second: usize, burst: usize, now: Instant) -> Self {
        let burst = burst as f64;
        Self {
            per_second: per_second as f64,
            burst,
            state: Mutex::new(State {
                left: burst,
                at: now,
            }),
        }
    }

    /// Takes bytes that were read; gives how long to wait before the next ones.
    pub(super) fn take(&self, bytes: usize, now: Instant) -> Duration {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = now.saturating_duration_since(state.at).as_secs_f64();
        state.at = state.at.max(now);
        state.left = (state.left + passed * self.per_second).min(self.burst) - bytes as f64;
        Duration::try_from_secs_f64(-state.left / self.per_second).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: usize = 1 << 20;
    const BURST: usize = 4 << 20;

    #[test]
    fn all_together_have_so_much_a_second() {
        let start = Instant::now();
        let rate = Rate::new(SECOND, BURST, start);
        let at = |seconds: f64| start + Duration::from_secs_f64(seconds);
        assert_eq!(rate.take(BURST, start), Duration::ZERO, "one has its burst");
        assert_eq!(rate.take(SECOND / 2, start).as_secs_f64(), 0.5);
        assert_eq!(rate.take(SECOND, start).as_secs_f64(), 1.5, "and behind it");
        assert_eq!(rate.take(0, at(1.5)), Duration::ZERO);
        assert_eq!(rate.take(BURST, at(60.0)), Duration::ZERO);
        let wait = rate.take(SECOND, at(60.0)).as_secs_f64();
        assert_eq!(wait, 1.0, "a rest gives no more than the burst");
    }
}
