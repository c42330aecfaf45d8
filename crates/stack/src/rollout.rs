//! `[rollout]`: how a change replaces running pods.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uninlu_settings::variables;

use super::Duration;
use super::at::{At, value_or};
use super::count::Count;
use super::fault::Faults;
use super::probes::{StartupProbe, positive};

/// How a change replaces running pods.
#[derive(Debug, Clone, PartialEq)]
pub struct Rollout {
    /// Pods above the wanted number during a rollout.
    pub max_surge: Count,
    /// Pods below the wanted number during a rollout. Not zero when `max_surge` is.
    pub max_unavailable: Count,
    /// How long apply waits for the rollout.
    pub timeout: Timeout,
    /// How long a pod that no node takes is waited for, where nothing says whether a node will come.
    pub wait_for_nodes: Duration,
    /// What becomes of a rollout that failed.
    pub on_failure: OnFailure,
    /// Time that a stopping pod gets to answer what it took in; bounds the server's drain and sets
    /// `terminationGracePeriodSeconds`.
    pub drain: Duration,
}

/// How long apply waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timeout {
    /// Derived from the startup probe's budget and the number of steps.
    Auto,
    /// As given.
    After(Duration),
}

/// What becomes of a rollout that failed
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnFailure {
    /// Back to what ran before
    Rollback,
    /// Left as it is, for a person to look at
    Keep,
}

/// How a change replaces running pods
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Rollout")]
pub(super) struct RawRollout {
    /// Pods above the wanted number during a rollout: a number or "25%" (default 1)
    max_surge: Option<At<Count>>,
    /// Pods below the wanted number during a rollout: a number or "25%" (default 0)
    max_unavailable: Option<At<Count>>,
    /// How long apply waits: a duration, or "auto" from the probes (default "auto")
    timeout: Option<At<String>>,
    /// How long a pod that no node takes is waited for, where no autoscaler says whether a node comes (default "5m"). Where
    /// it is written, nodes are expected, and `apply` asks no question when no node has room
    wait_for_nodes: Option<At<Duration>>,
    /// What becomes of a rollout that failed: "keep" (default) or "rollback"
    on_failure: Option<At<OnFailure>>,
    /// Time that a stopping pod gets to answer what it took in (default "20s")
    drain: Option<At<Duration>>,
}

/// Seconds that clouds take at most to bring a usual node; a GPU's takes about as long.
pub const WAIT_FOR_NODES: u32 = 300;

/// What the server does without the key too.
const DEFAULT_DRAIN: Duration = Duration::seconds(variables::DEFAULT_DRAIN.as_secs() as u32);

impl RawRollout {
    pub(super) fn validate(self, startup: &StartupProbe, faults: &mut Faults) -> Rollout {
        let max_surge = value_or(&self.max_surge, Count::Pods(1));
        let max_unavailable = value_or(&self.max_unavailable, Count::Pods(0));
        if let Some(at) = self.max_surge.as_ref().or(self.max_unavailable.as_ref()) {
            faults.check(
                !(max_surge.is_zero() && max_unavailable.is_zero()),
                &at.span,
                "with `max-surge` and `max-unavailable` both 0 no pod could ever be replaced",
                "allow one of the two, such as `max-surge = 1`",
            );
        }
        Rollout {
            max_surge,
            max_unavailable,
            timeout: validate_timeout(&self.timeout, startup, faults),
            wait_for_nodes: value_or(&self.wait_for_nodes, Duration::seconds(WAIT_FOR_NODES)),
            on_failure: value_or(&self.on_failure, OnFailure::Keep),
            drain: positive(&self.drain, DEFAULT_DRAIN, faults),
        }
    }
}

fn validate_timeout(
    key: &Option<At<String>>,
    startup: &StartupProbe,
    faults: &mut Faults,
) -> Timeout {
    let Some(at) = key.as_ref().filter(|at| at.value != "auto") else {
        return Timeout::Auto;
    };
    match Duration::parse(&at.value) {
        Ok(duration) => {
            faults.check(
                duration >= startup.budget,
                &at.span,
                format!(
                    "a wait of {duration} ends before a pod must have started: the startup probe's budget is {}",
                    startup.budget
                ),
                "write more, or \"auto\": derived from the probes",
            );
            Timeout::After(duration)
        }
        Err(refused) => {
            faults.add(
                &at.span,
                refused.message,
                format!("{}, or \"auto\": derived from the probes", refused.help),
            );
            Timeout::Auto
        }
    }
}
