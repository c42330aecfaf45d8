//! All variants of a stack under a load, as one value: text, JSON and page are made of it.

use std::time::Duration;

use serde::Serialize;

use super::load::Load;
use super::pod::Capacity;
use super::run::{Interval, Outcome, Requests, Scene};
use super::variant::{Kind, Size, Variant};
use crate::profile::Profile;

/// What came out, for programs and people.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Report {
    #[serde(skip)]
    pub(super) stack: String,
    #[serde(skip)]
    pub(super) environment: Option<String>,
    pub(super) load: LoadFacts,
    pub(super) seed: u64,
    pub(super) profile: ProfileFacts,
    pub(super) pod: PodFacts,
    /// What 95 of 100 requests are to be answered within, in seconds.
    pub(super) objective: f64,
    /// Length of an interval in seconds.
    pub(super) interval: f64,
    /// What one pod costs for an hour, as it was given.
    pub(super) price: Option<f64>,
    pub(super) variants: Vec<Played>,
    /// What it comes to, in words.
    pub(super) answer: Vec<String>,
    /// Whether the stack holds its objective.
    pub(super) verdict: Option<Verdict>,
    /// What would do better; null where nothing that was tried does.
    pub(super) better: Option<Better>,
}

/// The stack in one sentence.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub(super) struct Verdict {
    /// Whether 95 of 100 requests were answered within the objective in every interval.
    pub(super) holds: bool,
    pub(super) text: String,
}

/// A change of the stack file that would do better.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub(super) struct Better {
    /// The variant that has it.
    pub(super) kind: Kind,
    /// What to write.
    pub(super) settings: Vec<String>,
    pub(super) text: String,
}

/// The load.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub(super) struct LoadFacts {
    /// As it was given.
    pub(super) text: String,
    pub(super) seconds: f64,
    pub(super) lowest: f64,
    pub(super) highest: f64,
    /// Length of the texts in code points.
    pub(super) characters: usize,
    /// When the rate rises for the first time, in seconds.
    pub(super) rises_at: Option<f64>,
}

/// Where the figures of a pod are from.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub(super) struct ProfileFacts {
    pub(super) image: String,
    pub(super) measured_at: String,
    pub(super) processor: String,
}

/// What one pod carries.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub(super) struct PodFacts {
    /// Highest rate at which the objective held when it was measured, for texts of the measured length.
    pub(super) measured_requests_per_second: f64,
    /// P50, P95 and P99 at that rate: as measured, and as the simulated pod has them.
    pub(super) measured_latency: [f64; 3],
    pub(super) simulated_latency: [f64; 3],
    /// The same rate for texts of the simulated length.
    pub(super) requests_per_second: f64,
    /// Requests per second that the simulated pod can do at most, whatever the wait.
    pub(super) most_requests_per_second: f64,
    /// From the decision for a pod until requests come to it, in seconds; chance adds up to two.
    pub(super) until_served: f64,
}

/// One variant with what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub(super) struct Played {
    pub(super) kind: Kind,
    pub(super) name: String,
    /// Targets of its autoscaler.
    pub(super) cpu: Option<u32>,
    pub(super) requests_per_second: Option<u32>,
    /// Fewest and most pods that it may want.
    pub(super) minimum: Option<usize>,
    pub(super) maximum: Option<usize>,
    pub(super) total: Requests,
    /// Share of the requests that were refused, in percent.
    pub(super) refused_percent: f64,
    /// Share of the requests that were answered within the objective, in percent.
    pub(super) in_time_percent: f64,
    /// Intervals in which fewer than 95 of 100 were.
    pub(super) intervals_missed: usize,
    /// Pods × hours, those that start or leave included.
    pub(super) replica_hours: f64,
    /// What they cost, in the currency of the price; null without one.
    pub(super) cost: Option<f64>,
    /// Pods that are wanted: at the beginning, fewest and most.
    pub(super) replicas: [usize; 3],
    /// When more pods were wanted for the first time, in seconds.
    pub(super) first_rise: Option<f64>,
    pub(super) changes: usize,
    /// Highest CPU use that the controller saw, in percent of the request; and requests per second and pod.
    pub(super) highest_cpu: Option<f64>,
    pub(super) highest_requests: Option<f64>,
    pub(super) intervals: Vec<Interval>,
}

/// How a load is played.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Length of the texts in code points; absent means that with which the profile's highest rate was searched.
    pub characters: Option<usize>,
    /// Length of the intervals that are told; absent means one that gives at most 120 of them.
    pub interval: Option<Duration>,
    /// Of the arrivals and of all chance.
    pub seed: u64,
    /// What one pod costs for an hour.
    pub price: Option<f64>,
}

impl LoadFacts {
    pub(super) fn of(load: &Load, text: &str, characters: usize) -> Self {
        Self {
            text: text.to_owned(),
            seconds: load.seconds(),
            lowest: load.lowest(),
            highest: load.peak(),
            characters,
            rises_at: load.rises_at(),
        }
    }
}

impl PodFacts {
    /// `rate` is the measured one for texts of the simulated length, `measured` a pod with texts of the measured length.
    pub(super) fn of(profile: &Profile, rate: f64, measured: &Capacity, scene: &Scene) -> Self {
        let saturation = &profile.saturation;
        Self {
            requests_per_second: rate,
            measured_requests_per_second: saturation.requests_per_second,
            measured_latency: saturation.latency,
            simulated_latency: measured.latency_at(saturation.requests_per_second),
            most_requests_per_second: scene.capacity.most(),
            until_served: scene.life.until_served(),
        }
    }
}

impl Played {
    pub(super) fn of(variant: &Variant, outcome: Outcome) -> Self {
        let autoscaled = match &variant.size {
            Size::Autoscaled(autoscaled) => Some(autoscaled),
            Size::Fixed(_) => None,
        };
        let missed = |interval: &&Interval| !interval.requests.holds();
        let total = outcome.total;
        Self {
            kind: variant.kind,
            name: variant.name(),
            cpu: autoscaled.and_then(|autoscaled| autoscaled.targets.cpu),
            requests_per_second: autoscaled.and_then(|autoscaled| autoscaled.targets.requests),
            minimum: autoscaled.and_then(|autoscaled| usize::try_from(autoscaled.spec.min).ok()),
            maximum: autoscaled.and_then(|autoscaled| usize::try_from(autoscaled.spec.max).ok()),
            refused_percent: total.refused_percent(),
            in_time_percent: total.in_time as f64 * 100.0 / total.offered.max(1) as f64,
            total,
            intervals_missed: outcome.series.iter().filter(missed).count(),
            replica_hours: outcome.pod_hours,
            cost: None,
            replicas: outcome.replicas,
            first_rise: outcome.first_rise,
            changes: outcome.changes,
            highest_cpu: outcome.highest_cpu,
            highest_requests: outcome.highest_requests,
            intervals: outcome.series,
        }
    }

    /// With what its pods cost.
    pub(super) fn with_cost(self, price: Option<f64>) -> Self {
        let cost = price.map(|price| price * self.replica_hours);
        Self { cost, ..self }
    }

    /// Whether its number of pods never changes.
    pub(super) fn is_fixed(&self) -> bool {
        self.maximum.is_none()
    }

    /// Whether it is another name for the same autoscaler.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let how = |it: &Self| (it.cpu, it.requests_per_second, it.minimum, it.maximum);
        !self.is_fixed() && how(self) == how(other)
    }

    /// P95 of all that were answered, in seconds.
    pub(super) fn p95(&self) -> Option<f64> {
        self.total.latency.map(|[_, p95, _]| p95)
    }

    /// The worst P95 of an interval.
    pub(super) fn worst_p95(&self) -> Option<f64> {
        self.intervals
            .iter()
            .filter_map(|interval| interval.requests.latency)
            .map(|[_, p95, _]| p95)
            .reduce(f64::max)
    }
}

impl Report {
    /// The first variant of a kind.
    pub(super) fn played(&self, kind: Kind) -> Option<&Played> {
        self.variants.iter().find(|played| played.kind == kind)
    }
}
