//! `[rollout]`: how a change replaces running pods.

use super::Duration;

/// How a change replaces running pods.
#[derive(Debug, Clone, PartialEq)]
pub struct Rollout {
    /// Pods above the wanted number during a rollout.
    pub max_surge: Count,
    /// Pods below the wanted number during a rollout. Not zero when `max_surge` is.
    pub max_unavailable: Count,
    /// How long apply waits for the rollout.
    pub timeout: Timeout,
    /// What becomes of a rollout that failed.
    pub on_failure: OnFailure,
    /// Time that a stopping pod gets to answer what it took in; bounds the server's drain and sets
    /// `terminationGracePeriodSeconds`.
    pub drain: Duration,
}

/// A number of pods, or a percentage of them (Kubernetes' IntOrString).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    /// So many pods.
    Pods(u32),
    /// Percent of the wanted pods.
    Percent(u32),
}

/// How long apply waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timeout {
    /// Derived from the startup probe's budget and the number of steps.
    Auto,
    /// As given.
    After(Duration),
}

/// What becomes of a rollout that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// Back to what ran before.
    Rollback,
    /// Left as it is, for somebody to look at.
    Keep,
}
