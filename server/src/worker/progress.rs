//! Whether the model's threads make progress.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A thread that is busy for longer than this, and for many times the longest batch so far, is stuck.
const STUCK: Duration = Duration::from_secs(60);
/// See [`STUCK`].
const STUCK_BATCHES: u32 = 20;

/// More would only fight for memory bandwidth.
pub(super) const MOST_WORKERS: usize = 64;

/// Since when each worker is busy.
pub(super) struct Progress {
    started: Instant,
    /// Milliseconds since the start at which each worker's batch began; 0 when idle.
    busy_since: [AtomicU64; MOST_WORKERS],
    /// Milliseconds of the longest batch so far.
    longest: AtomicU64,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self {
            started: Instant::now(),
            busy_since: [const { AtomicU64::new(0) }; MOST_WORKERS],
            longest: AtomicU64::new(0),
        }
    }

    /// Runs a worker's batch, which learns when it began.
    pub(super) fn note(&self, worker: usize, run: impl FnOnce(Instant)) {
        let began = Instant::now();
        let busy = &self.busy_since[worker];
        busy.store(self.now(), Ordering::Release);
        run(began);
        busy.store(0, Ordering::Release);
        let took = began.elapsed().as_millis() as u64;
        self.longest.fetch_max(took, Ordering::AcqRel);
    }

    pub(super) fn is_alive(&self) -> bool {
        let longest = Duration::from_millis(self.longest.load(Ordering::Acquire));
        let bound = STUCK.max(longest * STUCK_BATCHES).as_millis() as u64;
        let now = self.now();
        self.busy_since.iter().all(|since| {
            let since = since.load(Ordering::Acquire);
            since == 0 || now.saturating_sub(since) < bound
        })
    }

    /// Milliseconds since the start; never 0.
    fn now(&self) -> u64 {
        (self.started.elapsed().as_millis() as u64).max(1)
    }
}
