//! `[autoscaling]`: the HorizontalPodAutoscaler's bounds, targets and behaviour.

use std::ops::Range;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::at::{At, value_or};
use super::fault::Faults;
use super::{Bounds, Duration};

/// The autoscaler; at least one of the targets is set.
#[derive(Debug, Clone, PartialEq)]
pub struct Autoscaling {
    /// Fewest pods.
    pub min: u32,
    /// Most pods, at least `min`.
    pub max: u32,
    /// Target CPU use, in percent of the request.
    pub cpu: Option<u32>,
    /// Target requests per second and pod, through the custom metrics API.
    pub requests_per_second: Option<u32>,
    /// How fast it may scale.
    pub behavior: Behavior,
}

/// How fast the autoscaler may scale; an absent direction keeps Kubernetes' default.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Behavior {
    /// Rules for adding pods.
    pub scale_up: Option<ScalingRules>,
    /// Rules for removing pods.
    pub scale_down: Option<ScalingRules>,
}

/// Rules of one direction (autoscaling/v2 `HPAScalingRules`).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ScalingRules {
    /// How long a recommendation must hold (at most one hour).
    pub stabilization: Option<Duration>,
    /// Bounds on one step.
    pub policies: Vec<Policy>,
    /// Which policy decides when several apply.
    pub select: Option<Select>,
}

/// One bound: so many pods, or percent of the pods, per period.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// What `value` counts.
    pub kind: PolicyKind,
    /// Pods or percent.
    pub value: u32,
    /// Window in which the step counts (at most 30 minutes).
    pub period: Duration,
}

/// What a policy counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum PolicyKind {
    /// Pods.
    Pods,
    /// Percent of the current pods.
    Percent,
}

/// Which of several policies decides
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Select {
    /// The largest step
    Max,
    /// The smallest step
    Min,
    /// No scaling in this direction
    Disabled,
}

/// The autoscaler: who owns `replicas` while it is on
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Autoscaling")]
pub(super) struct RawAutoscaling {
    /// Turns the section off where an environment wants a fixed number of replicas (default true)
    enabled: Option<At<bool>>,
    /// Fewest and most pods (default `{ min = 2, max = 8 }`)
    replicas: At<RawRange>,
    /// Target CPU use, in percent of the request
    cpu: Option<At<u32>>,
    /// Target requests per second and pod, through the custom metrics API
    requests_per_second: Option<At<u32>>,
    /// How fast it may scale; an absent direction keeps Kubernetes' default
    behavior: At<RawBehavior>,
}

/// Fewest and most pods
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Range")]
struct RawRange {
    /// Fewest pods
    min: Option<At<u32>>,
    /// Most pods
    max: Option<At<u32>>,
}

/// How fast the autoscaler may scale
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Behavior")]
struct RawBehavior {
    /// Rules for adding pods
    scale_up: Option<At<RawScalingRules>>,
    /// Rules for removing pods
    scale_down: Option<At<RawScalingRules>>,
}

/// Rules of one direction
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "ScalingRules")]
struct RawScalingRules {
    /// How long a recommendation must hold (at most one hour)
    stabilization: Option<At<Duration>>,
    /// Bounds on one step
    policies: Vec<At<RawPolicy>>,
    /// Which policy decides: `max` (Kubernetes' default), `min` or `disabled`
    select: Option<At<Select>>,
}

/// One bound: `{ pods = 2, period = "60s" }` or `{ percent = 50, period = "60s" }`
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Policy")]
struct RawPolicy {
    /// So many pods per period
    pods: Option<At<u32>>,
    /// So many percent of the pods per period
    percent: Option<At<u32>>,
    /// Window in which the step counts (at most 30 minutes; default "60s")
    period: Option<At<Duration>>,
}

impl RawAutoscaling {
    /// `None` when the section is turned off.
    pub(super) fn validate(
        self,
        section: &Range<usize>,
        cpu: &Bounds,
        faults: &mut Faults,
    ) -> Option<Autoscaling> {
        if !value_or(&self.enabled, true) {
            return None;
        }
        if self.cpu.is_none() && self.requests_per_second.is_none() {
            faults.add_missing(
                "autoscaling.cpu",
                section,
                "the autoscaler has no target, so it would never scale",
                "give `cpu = 60` (percent of the request), `requests-per-second = 20` (per pod), or both",
            );
        }
        check_reachable(&self.cpu, cpu, faults);
        for at in [&self.cpu, &self.requests_per_second].into_iter().flatten() {
            faults.check(
                at.value > 0,
                &at.span,
                "a target of 0 would always scale to the maximum",
                "write at least 1",
            );
        }
        let (min, max) = self.replicas.value.validate(faults);
        Some(Autoscaling {
            min,
            max,
            cpu: self.cpu.map(|at| at.value),
            requests_per_second: self.requests_per_second.map(|at| at.value),
            behavior: self.behavior.value.validate(faults),
        })
    }
}

/// The kernel holds a pod at its limit, so that a target at or above it is never exceeded and nothing is scaled up.
fn check_reachable(target: &Option<At<u32>>, cpu: &Bounds, faults: &mut Faults) {
    let (Some(at), Some(limit)) = (target, &cpu.limit) else {
        return;
    };
    faults.check(
        i128::from(at.value) * cpu.request.milli < limit.milli * 100,
        &at.span,
        format!(
            "a target of {} % of the request {} is never exceeded under the limit {limit}",
            at.value, cpu.request
        ),
        "lower the target, or raise the limit",
    );
}

impl RawRange {
    fn validate(self, faults: &mut Faults) -> (u32, u32) {
        let min = value_or(&self.min, 2);
        let max = value_or(&self.max, 8.max(min));
        if let Some(at) = &self.min {
            faults.check(
                min > 0,
                &at.span,
                "`min` 0 needs a feature gate that clusters rarely have",
                "write at least 1",
            );
        }
        if let Some(at) = self.max.as_ref().or(self.min.as_ref()) {
            faults.check(
                max >= min,
                &at.span,
                format!("the maximum {max} is below the minimum {min}"),
                "raise `max` or lower `min`",
            );
        }
        (min, max)
    }
}

impl RawBehavior {
    fn validate(self, faults: &mut Faults) -> Behavior {
        let mut rules = |direction: &str, raw: Option<At<RawScalingRules>>| {
            raw.map(|at| at.value.validate(direction, faults))
        };
        Behavior {
            scale_up: rules("scale-up", self.scale_up),
            scale_down: rules("scale-down", self.scale_down),
        }
    }
}

impl RawScalingRules {
    fn validate(self, direction: &str, faults: &mut Faults) -> ScalingRules {
        if let Some(at) = &self.stabilization {
            faults.check(
                at.value.seconds <= 3_600,
                &at.span,
                format!(
                    "a stabilization of {} is longer than Kubernetes' one hour",
                    at.value
                ),
                "write at most \"1h\"",
            );
        }
        let policies = self.policies.into_iter().enumerate();
        let policies = policies.filter_map(|(index, at)| {
            let path = format!("autoscaling.behavior.{direction}.policies.{index}");
            at.value.validate(&path, &at.span, faults)
        });
        ScalingRules {
            policies: policies.collect(),
            stabilization: self.stabilization.map(|at| at.value),
            select: self.select.map(|at| at.value),
        }
    }
}

impl RawPolicy {
    fn validate(self, path: &str, span: &Range<usize>, faults: &mut Faults) -> Option<Policy> {
        let (kind, value) = match (self.pods, self.percent) {
            (Some(pods), None) => (PolicyKind::Pods, pods),
            (None, Some(percent)) => (PolicyKind::Percent, percent),
            _ => {
                let message = "a policy counts either pods or percent";
                let help = "write `{ pods = 2, period = \"60s\" }`";
                faults.add_missing(path, span, message, help);
                return None;
            }
        };
        faults.check(
            value.value > 0,
            &value.span,
            "a step of 0 has no effect",
            "write at least 1, or `select = \"disabled\"`",
        );
        let period = value_or(&self.period, Duration::seconds(60));
        if let Some(at) = &self.period {
            faults.check(
                (1..=1_800).contains(&period.seconds),
                &at.span,
                format!("a period of {period} is outside of Kubernetes' 1 s to 30 min"),
                "write a duration such as \"60s\"",
            );
        }
        Some(Policy {
            kind,
            value: value.value,
            period,
        })
    }
}
