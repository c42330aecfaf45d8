//! Whether a stopping pod may answer what it took in.

use uninlu_settings::variables::DRAIN;

use crate::gate::{Rule, Severity, Subject, Verdict};
use crate::stack::Duration;

pub(super) const RULES: [Rule; 1] = [Rule {
    id: "grace-period",
    severity: Severity::Error,
    title: "the grace period is longer than the drain",
    why: "the kubelet kills the process while it still answers requests that it took in",
    mend: "shorten `drain`: the grace period is rendered 10 s longer",
    keys: &["rollout.drain"],
    check: grace_period,
}];

/// What Kubernetes gives a pod that says nothing, in seconds.
const DEFAULT_GRACE: u64 = 30;

fn grace_period(subject: &Subject) -> Verdict {
    let environment = subject.server()["env"].as_array();
    let drain = environment
        .into_iter()
        .flatten()
        .find(|variable| variable["name"] == DRAIN)
        .and_then(|variable| Duration::parse(variable["value"].as_str()?).ok())
        .unwrap_or(subject.stack.rollout.drain);
    let grace = subject.pod()["terminationGracePeriodSeconds"]
        .as_u64()
        .unwrap_or(DEFAULT_GRACE);
    (grace <= u64::from(drain.seconds))
        .then(|| format!("the grace period is {grace} s, and the server drains for {drain}"))
        .into()
}
