//! `[autoscaling]`: the HorizontalPodAutoscaler's bounds, targets and behaviour.

use super::Duration;

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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyKind {
    /// Pods.
    Pods,
    /// Percent of the current pods.
    Percent,
}

/// Which of several policies decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Select {
    /// The largest step.
    Max,
    /// The smallest step.
    Min,
    /// No scaling in this direction.
    Disabled,
}
