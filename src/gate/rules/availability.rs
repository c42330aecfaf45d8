//! Whether the service stays up: pods enough, drains possible, rollouts without an outage.

use serde::Deserialize;
use serde_json::Value;

use crate::gate::{Rule, Severity, Subject, Verdict};
use crate::kinds::Kind;
use crate::stack::{Count, Disruption};

pub(super) const RULES: [Rule; 6] = [
    Rule {
        id: "single-replica",
        severity: Severity::Warning,
        title: "two pods or more run",
        why: "a node drain or failure ends the service, and no budget can protect it",
        mend: "run two pods or more",
        keys: &["replicas", "autoscaling.replicas.min"],
        check: single_replica,
    },
    Rule {
        id: "disruption-budget",
        severity: Severity::Error,
        title: "the disruption budget lets a node be drained",
        why: "the eviction API refuses for ever, and the node's maintenance hangs",
        mend: "lower `min-available`, or run more pods",
        keys: &[
            "disruption.min-available",
            "disruption.max-unavailable",
            "replicas",
            "autoscaling.replicas.min",
        ],
        check: disruption_budget,
    },
    Rule {
        id: "no-disruption-budget",
        severity: Severity::Warning,
        title: "a disruption budget protects the pods",
        why: "drains of several nodes at once may take every pod",
        mend: "declare `[disruption]`",
        keys: &["disruption"],
        check: no_disruption_budget,
    },
    Rule {
        id: "drain-waits-for-rollout",
        severity: Severity::Warning,
        title: "a node can be drained during a rollout",
        why: "the rollout already takes what the budget allows: evictions are refused until it ends, for ever if it fails",
        mend: "surge instead (`max-surge = 1`, `max-unavailable = 0`), or run more pods",
        keys: &[
            "rollout.max-unavailable",
            "disruption.min-available",
            "disruption.max-unavailable",
        ],
        check: drain_waits_for_rollout,
    },
    Rule {
        id: "rollout-outage",
        severity: Severity::Warning,
        title: "pods keep serving during a rollout",
        why: "a rollout takes every pod at once, so that no request is answered until the model is loaded again",
        mend: "lower `max-unavailable`; with `max-surge = 1` it can be 0",
        keys: &["rollout.max-unavailable"],
        check: rollout_outage,
    },
    Rule {
        id: "topology-spread",
        severity: Severity::Warning,
        title: "the pods are spread over nodes",
        why: "the scheduler may put all of them on one node, whose failure then ends the service",
        mend: "give the pods topologySpreadConstraints or an anti-affinity",
        keys: &[],
        check: topology_spread,
    },
];

fn single_replica(subject: &Subject) -> Verdict {
    (subject.minimum() < 2)
        .then(|| "one pod may be all that runs".into())
        .into()
}

fn disruption_budget(subject: &Subject) -> Verdict {
    let minimum = subject.minimum();
    let is_blocking = budget(subject).is_some_and(|budget| budget.allowed(minimum) == 0);
    is_blocking
        .then(|| format!("with {minimum} pod(s) at least, the budget allows no eviction"))
        .into()
}

fn no_disruption_budget(subject: &Subject) -> Verdict {
    (subject.minimum() >= 2 && budget(subject).is_none())
        .then(|| "the pods have no PodDisruptionBudget".into())
        .into()
}

fn drain_waits_for_rollout(subject: &Subject) -> Verdict {
    let minimum = subject.minimum();
    let allowed = budget(subject).map_or(0, |budget| budget.allowed(minimum));
    let missing = missing(subject);
    (allowed > 0 && missing >= allowed)
        .then(|| {
            format!(
                "while {missing} of {minimum} pods are missing in a rollout, the budget, which allows {allowed}, allows no eviction"
            )
        })
        .into()
}

fn rollout_outage(subject: &Subject) -> Verdict {
    let is_recreated = subject.body(Kind::Deployment)["spec"]["strategy"]["type"] == "Recreate";
    let minimum = subject.minimum();
    (is_recreated || missing(subject) >= minimum)
        .then(|| format!("of {minimum} pod(s) none need stay during a rollout"))
        .into()
}

fn topology_spread(subject: &Subject) -> Verdict {
    let pod = subject.pod();
    let is_spread = pod["topologySpreadConstraints"]
        .as_array()
        .is_some_and(|constraints| !constraints.is_empty())
        || pod["affinity"]["podAntiAffinity"].is_object();
    (!is_spread && subject.minimum() >= 2)
        .then(|| "nothing spreads the pods".into())
        .into()
}

/// What the rendered budget allows.
fn budget(subject: &Subject) -> Option<Disruption> {
    let spec = &subject.body(Kind::PodDisruptionBudget)["spec"];
    let count = |value: &Value| Count::deserialize(value).ok();
    let minimum = count(&spec["minAvailable"]).map(Disruption::MinAvailable);
    minimum.or_else(|| count(&spec["maxUnavailable"]).map(Disruption::MaxUnavailable))
}

/// Pods that may be missing in a rollout, of the fewest.
fn missing(subject: &Subject) -> u32 {
    let rolling = &subject.body(Kind::Deployment)["spec"]["strategy"]["rollingUpdate"];
    Count::deserialize(&rolling["maxUnavailable"])
        .map_or(0, |count| count.of_rounded_down(subject.minimum()))
}
