//! `[probes]`: how the kubelet learns that a pod lives and can serve.

use schemars::JsonSchema;
use serde::Deserialize;

use super::Duration;
use super::at::{At, value_or};
use super::fault::Faults;

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

/// How the kubelet learns that a pod lives and can serve
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Probes")]
pub(super) struct RawProbes {
    /// Guards the model's load (default `{ period = "2s", budget = "90s", timeout = "2s" }`)
    startup: At<RawStartupProbe>,
    /// A pod that fails it is restarted (default `{ period = "30s", timeout = "5s", failures = 3 }`)
    liveness: At<RawProbe>,
    /// A pod that fails it gets no requests (default `{ period = "5s", timeout = "3s", failures = 3 }`)
    readiness: At<RawProbe>,
}

/// The startup probe
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "StartupProbe")]
struct RawStartupProbe {
    /// Time between two probes
    period: Option<At<Duration>>,
    /// Time that the load may take before the pod is restarted
    budget: Option<At<Duration>>,
    /// Time that one probe may take
    timeout: Option<At<Duration>>,
}

/// A liveness or readiness probe
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Probe")]
struct RawProbe {
    /// Time between two probes
    period: Option<At<Duration>>,
    /// Time that one probe may take
    timeout: Option<At<Duration>>,
    /// Failures in a row that count
    failures: Option<At<u32>>,
}

impl RawProbes {
    pub(super) fn validate(self, faults: &mut Faults) -> Probes {
        Probes {
            startup: self.startup.value.validate(faults),
            liveness: self.liveness.value.validate(30, 5, faults),
            readiness: self.readiness.value.validate(5, 3, faults),
        }
    }
}

impl RawStartupProbe {
    fn validate(self, faults: &mut Faults) -> StartupProbe {
        let period = positive(&self.period, Duration::seconds(2), faults);
        let budget = positive(&self.budget, Duration::seconds(90), faults);
        if let Some(at) = self.budget.as_ref().or(self.period.as_ref()) {
            faults.check(
                budget >= period,
                &at.span,
                format!("the budget {budget} ends before the first period {period}"),
                "give the load at least one period; the published model needs some seconds",
            );
        }
        StartupProbe {
            period,
            budget,
            timeout: timeout_within(&self.timeout, Duration::seconds(2), period, faults),
        }
    }
}

impl RawProbe {
    fn validate(self, period: u32, timeout: u32, faults: &mut Faults) -> Probe {
        let period = positive(&self.period, Duration::seconds(period), faults);
        if let Some(at) = &self.failures {
            faults.check(
                at.value > 0,
                &at.span,
                "a probe cannot fail after 0 failures",
                "write at least 1",
            );
        }
        Probe {
            period,
            timeout: timeout_within(&self.timeout, Duration::seconds(timeout), period, faults),
            failures: value_or(&self.failures, 3).max(1),
        }
    }
}

/// The duration, or its default; zero is a fault and reads as one second afterwards.
pub(super) fn positive(
    key: &Option<At<Duration>>,
    default: Duration,
    faults: &mut Faults,
) -> Duration {
    if let Some(at) = key {
        faults.check(
            at.value.seconds > 0,
            &at.span,
            "a duration of zero",
            "write at least \"1s\"",
        );
    }
    value_or(key, default).max(Duration::seconds(1))
}

fn timeout_within(
    key: &Option<At<Duration>>,
    default: Duration,
    period: Duration,
    faults: &mut Faults,
) -> Duration {
    if let Some(at) = key {
        faults.check(
            at.value <= period,
            &at.span,
            format!(
                "the timeout {} is longer than the period {period}: probes would pile up",
                at.value
            ),
            "shorten the timeout or lengthen the period",
        );
    }
    positive(key, default.min(period), faults)
}
