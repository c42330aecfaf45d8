//! Samples → figures.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::quantile::quantile;

/// One request of a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// From the scheduled arrival to the end of the answer.
    pub latency: Duration,
    /// How late the generator itself sent it. It is part of the latency, so it can only make a server look worse.
    pub lag: Duration,
    /// The answer's status; none when the connection broke.
    pub status: Option<u16>,
}

impl Sample {
    /// Whether it got what it asked for: one that was refused (429) or broke did not.
    pub fn is_answered(&self) -> bool {
        self.status == Some(200)
    }

    /// Whether it was not answered in time.
    pub fn misses(&self, objective: Duration) -> bool {
        !self.is_answered() || self.latency > objective
    }
}

/// Why requests missed the objective, in words: `3 late, 12 answered 429, 1 broke`.
pub fn misses(samples: &[Sample], objective: Duration) -> String {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for sample in samples.iter().filter(|sample| sample.misses(objective)) {
        let why = match sample.status {
            Some(200) => "late".to_owned(),
            Some(status) => format!("answered {status}"),
            None => "broke".to_owned(),
        };
        *counts.entry(why).or_default() += 1;
    }
    let words: Vec<String> = counts
        .into_iter()
        .map(|(why, count)| format!("{count} {why}"))
        .collect();
    words.join(", ")
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

/// P50, P95 and P99 in seconds, as a profile has them.
pub fn latency(durations: &[Duration]) -> [f64; 3] {
    [0.50, 0.95, 0.99].map(|share| rounded(percentile(durations, share).as_secs_f64()))
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
