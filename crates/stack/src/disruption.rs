//! `[disruption]`: what voluntary evictions (a node drain) must leave running.

use schemars::JsonSchema;
use serde::Deserialize;

use super::at::At;
use super::count::Count;
use super::fault::Faults;

/// What voluntary evictions must leave running. Exactly one bound, as in policy/v1.
#[derive(Debug, Clone, PartialEq)]
pub enum Disruption {
    /// At least so many pods stay.
    MinAvailable(Count),
    /// At most so many pods go at a time.
    MaxUnavailable(Count),
}

impl Disruption {
    /// How many of `pods` may be evicted at once.
    pub fn allowed(&self, pods: u32) -> u32 {
        match self {
            Disruption::MinAvailable(count) => pods.saturating_sub(count.of(pods)),
            Disruption::MaxUnavailable(count) => count.of(pods),
        }
    }
}

/// The disruption budget (default `max-unavailable = 1` when two pods or more run)
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Disruption")]
pub(super) struct RawDisruption {
    /// At least so many pods stay: a number or "50%"
    min_available: Option<At<Count>>,
    /// At most so many pods go at a time: a number or "50%"
    max_unavailable: Option<At<Count>>,
}

impl RawDisruption {
    /// `minimum` is the fewest pods that run when nothing is wrong. An inherited budget was written for another number
    /// of pods: where it would block every drain, the default takes its place.
    pub(super) fn validate(
        self,
        minimum: u32,
        is_inherited: bool,
        faults: &mut Faults,
    ) -> Option<Disruption> {
        let (disruption, span) = match (self.min_available, self.max_unavailable) {
            (Some(min), None) => (Disruption::MinAvailable(min.value), min.span),
            (None, Some(max)) => (Disruption::MaxUnavailable(max.value), max.span),
            (None, None) => return default_for(minimum),
            (Some(_), Some(max)) => {
                faults.add(
                    &max.span,
                    "`min-available` and `max-unavailable` are two ways to say one thing; Kubernetes takes one",
                    "keep one of the two",
                );
                return None;
            }
        };
        let is_blocking = disruption.allowed(minimum) == 0;
        if is_blocking && is_inherited {
            return default_for(minimum);
        }
        faults.check(
            !is_blocking,
            &span,
            format!("with {minimum} pod(s) at least, this budget allows no eviction: every node drain would hang"),
            "lower `min-available`, or run more pods (`replicas`, `[autoscaling] replicas.min`)",
        );
        Some(disruption)
    }
}

/// With one pod there is no budget: it would block every drain.
fn default_for(minimum: u32) -> Option<Disruption> {
    (minimum >= 2).then_some(Disruption::MaxUnavailable(Count::Pods(1)))
}
