//! `[probes]`: how the kubelet learns that a pod lives and can serve.

use super::Duration;

/// The three probes.
#[derive(Debug, Clone, PartialEq)]
pub struct Probes {
    /// Guards the model's load; the others wait for it.
    pub startup: StartupProbe,
    /// On `/health`: a pod that fails it is restarted.
    pub liveness: Probe,
    /// On `/ready`: a pod that fails it gets no requests.
    pub readiness: Probe,
}

/// The startup probe: a period and a budget instead of a failure threshold.
#[derive(Debug, Clone, PartialEq)]
pub struct StartupProbe {
    /// Time between two probes.
    pub period: Duration,
    /// Time that the load may take before the pod is restarted.
    pub budget: Duration,
    /// Time that one probe may take.
    pub timeout: Duration,
}

impl StartupProbe {
    /// `failureThreshold` that grants at least the budget.
    pub fn failure_threshold(&self) -> u32 {
        self.budget.seconds.div_ceil(self.period.seconds)
    }
}

/// A liveness or readiness probe.
#[derive(Debug, Clone, PartialEq)]
pub struct Probe {
    /// Time between two probes.
    pub period: Duration,
    /// Time that one probe may take.
    pub timeout: Duration,
    /// Failures in a row that count.
    pub failures: u32,
}
