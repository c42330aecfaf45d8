//! Samples → figures. Pure.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::health::Health;
use crate::open_loop::{Outcome, Sample};

/// Of durations, in milliseconds; all 0 when there are none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub(crate) struct Percentiles {
    /// Half of them are not longer.
    pub(crate) p50: f64,
    /// 95 of 100 are not longer.
    pub(crate) p95: f64,
    /// 99 of 100 are not longer.
    pub(crate) p99: f64,
    /// The longest.
    pub(crate) max: f64,
}

impl Percentiles {
    /// Nearest rank: every figure is a duration that occurred.
    pub(crate) fn of(mut durations: Vec<Duration>) -> Self {
        durations.sort_unstable();
        let at = |share: f64| {
            let rank = (share * durations.len() as f64).ceil() as usize;
            let found = durations.get(rank.saturating_sub(1));
            found.map_or(0.0, |duration| rounded(duration.as_secs_f64() * 1e3))
        };
        Self {
            p50: at(0.50),
            p95: at(0.95),
            p99: at(0.99),
            max: at(1.0),
        }
    }
}

/// To three decimals: more would only look exact.
fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

/// How requests ended: by status code, `broken` and `timed-out`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Counts(BTreeMap<String, usize>);

impl Counts {
    /// One more.
    pub(crate) fn note(&mut self, outcome: Outcome) {
        *self.0.entry(name(outcome)).or_default() += 1;
    }

    /// Those of another.
    pub(crate) fn add(&mut self, other: Self) {
        for (name, count) in other.0 {
            *self.0.entry(name).or_default() += count;
        }
    }

    fn of(outcomes: impl Iterator<Item = Outcome>) -> Self {
        let mut counts = Self::default();
        outcomes.for_each(|outcome| counts.note(outcome));
        counts
    }
}

/// What shed requests were told, and whether it held.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct Shed {
    /// Of all requests.
    pub(crate) share: f64,
    /// Those that were not told when to come back.
    pub(crate) untold: usize,
    /// Seconds told, longest.
    pub(crate) longest_retry_after: u64,
    /// Came back while requests still arrived: how these ended.
    pub(crate) returned_during: Counts,
    /// Came back after the last arrival, when nothing but the promise stood against them: how these ended.
    pub(crate) returned_after: Counts,
}

/// Everything about a run.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Report {
    /// Requests a second that were meant to arrive.
    pub(crate) offered_rate: f64,
    /// Requests a second that were answered with 200, up to the last answer.
    pub(crate) accepted_rate: f64,
    /// Requests.
    pub(crate) sent: usize,
    /// How they ended.
    pub(crate) codes: Counts,
    /// Milliseconds of those answered with 200, from the scheduled arrival.
    pub(crate) latency_ms: Percentiles,
    /// Milliseconds by which the generator itself was late. It is part of the latencies: it can only make a server
    /// look worse.
    pub(crate) lag_ms: Percentiles,
    /// Those sent away.
    pub(crate) shed: Shed,
    /// Liveness meanwhile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) health: Option<Health>,
    /// Every request in the order of arrivals, when that is asked for: seconds since the start, milliseconds, and how it
    /// ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) samples: Option<Vec<(f64, f64, String)>>,
    #[serde(skip)]
    all: Percentiles,
}

/// The samples as a report gives them.
pub(crate) fn listed(samples: &[Sample]) -> Vec<(f64, f64, String)> {
    let mut samples: Vec<&Sample> = samples.iter().collect();
    samples.sort_unstable_by_key(|sample| sample.arrival);
    let milliseconds = |duration: Duration| rounded(duration.as_secs_f64() * 1e3);
    let listed = samples.into_iter().map(|sample| {
        let arrival = rounded(sample.arrival.as_secs_f64());
        (arrival, milliseconds(sample.latency), name(sample.outcome))
    });
    listed.collect()
}

/// A status code, `broken` or `timed-out`.
fn name(outcome: Outcome) -> String {
    match outcome {
        Outcome::Answered { code, .. } => code.to_string(),
        Outcome::Broken => "broken".into(),
        Outcome::TimedOut => "timed-out".into(),
    }
}

impl Report {
    /// Figures of a run's samples.
    pub(crate) fn of(samples: &[Sample], offered_rate: f64) -> Self {
        let end = samples
            .iter()
            .map(|sample| sample.arrival + sample.latency)
            .max()
            .unwrap_or_default();
        let accepted: Vec<Duration> = samples
            .iter()
            .filter(|sample| sample.outcome.is_accepted())
            .map(|sample| sample.latency)
            .collect();
        Self {
            offered_rate,
            accepted_rate: rounded(accepted.len() as f64 / end.as_secs_f64().max(1e-9)),
            sent: samples.len(),
            codes: Counts::of(samples.iter().map(|sample| sample.outcome)),
            latency_ms: Percentiles::of(accepted),
            lag_ms: Percentiles::of(samples.iter().map(|sample| sample.lag).collect()),
            shed: shed(samples),
            health: None,
            samples: None,
            all: Percentiles::of(samples.iter().map(latency_or_never).collect()),
        }
    }

    /// Whether 95 of 100 requests were answered with 200 in time. One that was refused was not answered in time.
    ///
    /// # Errors
    /// When the generator was too late itself to tell.
    pub(crate) fn meets(&self, objective: Duration) -> Result<bool, String> {
        let (limit, lag) = (objective.as_secs_f64() * 1e3, self.lag_ms.p99);
        if self.all.p95 <= limit {
            Ok(true)
        } else if lag > limit / 4.0 {
            Err(format!(
                "the generator was {lag} ms late itself: it needs a core of its own, or a lower rate"
            ))
        } else {
            Ok(false)
        }
    }
}

fn latency_or_never(sample: &Sample) -> Duration {
    if sample.outcome.is_accepted() {
        sample.latency
    } else {
        Duration::from_secs(1 << 20)
    }
}

fn shed(samples: &[Sample]) -> Shed {
    let end = samples
        .iter()
        .map(|sample| sample.arrival)
        .max()
        .unwrap_or_default();
    let told: Vec<Option<Duration>> = samples
        .iter()
        .filter_map(|sample| told(sample.outcome))
        .collect();
    let returned = |after: bool| {
        let returns = samples.iter().filter_map(|sample| sample.returned);
        Counts::of(
            returns
                .filter(move |(at, _)| (*at > end) == after)
                .map(|(_, outcome)| outcome),
        )
    };
    Shed {
        share: rounded(told.len() as f64 / samples.len().max(1) as f64),
        untold: told.iter().filter(|wait| wait.is_none()).count(),
        longest_retry_after: told.iter().flatten().max().map_or(0, Duration::as_secs),
        returned_during: returned(false),
        returned_after: returned(true),
    }
}

fn told(outcome: Outcome) -> Option<Option<Duration>> {
    match outcome {
        Outcome::Answered { retry_after, .. } if outcome.is_shed() => Some(retry_after),
        _ => None,
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Percentiles { p50, p95, p99, max } = self.latency_ms;
        write!(
            out,
            "offered {:.2}/s, accepted {:.2}/s of {} sent {:?}; ms: p50 {p50:.0}, p95 {p95:.0}, p99 {p99:.0}, max {max:.0}; own lag p99 {:.1}",
            self.offered_rate, self.accepted_rate, self.sent, self.codes.0, self.lag_ms.p99
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(milliseconds: u64, code: u16) -> Sample {
        Sample {
            arrival: Duration::from_secs(1),
            lag: Duration::ZERO,
            latency: Duration::from_millis(milliseconds),
            outcome: Outcome::Answered {
                code,
                retry_after: None,
            },
            returned: None,
        }
    }

    #[test]
    fn percentiles_are_latencies_that_occurred() {
        let hundred = (1..=100).map(Duration::from_millis).collect();
        assert_eq!(
            Percentiles::of(hundred),
            Percentiles {
                p50: 50.0,
                p95: 95.0,
                p99: 99.0,
                max: 100.0
            }
        );
        assert_eq!(Percentiles::of(Vec::new()), Percentiles::default());
    }

    #[test]
    fn a_refused_request_was_not_answered_in_time() {
        let objective = Duration::from_millis(10);
        let mut samples = vec![sample(5, 200); 95];
        samples.extend(vec![sample(1, 429); 5]);
        assert_eq!(Report::of(&samples, 1.0).meets(objective), Ok(true));
        samples.push(sample(1, 429));
        assert_eq!(Report::of(&samples, 1.0).meets(objective), Ok(false));
    }

    #[test]
    fn a_late_generator_gives_no_verdict_against_the_server() {
        let late = Sample {
            lag: Duration::from_millis(50),
            ..sample(60, 200)
        };
        let verdict = Report::of(&[late], 1.0).meets(Duration::from_millis(10));
        assert!(verdict.is_err(), "{verdict:?}");
    }

    #[test]
    fn returns_are_told_apart_by_the_end_of_the_arrivals() {
        let wait = Some(Duration::from_secs(2));
        let shed = Outcome::Answered {
            code: 429,
            retry_after: wait,
        };
        let accepted = sample(1, 200).outcome;
        let during = Sample {
            outcome: shed,
            returned: Some((Duration::from_secs(1), shed)),
            ..sample(1, 429)
        };
        let after = Sample {
            outcome: shed,
            returned: Some((Duration::from_secs(3), accepted)),
            ..sample(1, 429)
        };
        let found = Report::of(&[during, after, sample(9, 200)], 1.0).shed;
        assert_eq!((found.untold, found.longest_retry_after), (0, 2));
        assert_eq!(found.returned_during, Counts::of([shed].into_iter()));
        assert_eq!(found.returned_after, Counts::of([accepted].into_iter()));
    }
}
