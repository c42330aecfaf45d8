//! Samples → figures.

use std::time::Duration;

use crate::quantile::quantile;

/// One request of a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// From the scheduled arrival to the end of the answer.
    pub latency: Duration,
    /// How late the generator itself sent it. It is part of the latency, so it can only make a server look worse.
    pub lag: Duration,
    /// Whether the answer was 200: one that was refused (429) or broke was not answered.
    pub answered: bool,
}

impl Sample {
    /// Whether it was not answered in time.
    pub fn misses(&self, objective: Duration) -> bool {
        !self.answered || self.latency > objective
    }
}

/// How many of `total` may miss an objective that 95 of 100 must meet.
pub const fn allowed_misses(total: usize) -> usize {
    total / 20
}

/// The duration that a share of them does not exceed, by nearest rank: one that occurred. Zero when there are none.
pub fn percentile(durations: &[Duration], share: f64) -> Duration {
    let mut sorted = durations.to_vec();
    sorted.sort_unstable();
    quantile(&sorted, share).unwrap_or_default()
}

/// To so many significant digits: more would only look exact.
pub fn rounded(value: f64) -> f64 {
    const DIGITS: i32 = 4;
    if value == 0.0 || !value.is_finite() {
        return 0.0;
    }
    let digits = DIGITS - 1 - value.abs().log10().floor() as i32;
    format!("{value:.*}", usize::try_from(digits).unwrap_or(0))
        .parse()
        .unwrap_or(value)
}
