//! Whether the service stays up: pods enough, drains possible, rollouts without an outage.

use serde::Deserialize;
use serde_json::Value;
use uninlu_objects::written;
use uninlu_stack::{Count, Disruption};

use super::fields::Fields;
use super::running::objects as live;
use super::{Check, Files, Objects, Rule, Spot};

pub(super) const RULES: [Rule; 7] = [
    Rule {
        id: "single-replica",
        title: "two pods or more run",
        why: "a node drain or failure ends the service, and no budget can protect it",
        fix: "run two pods or more (`replicas`, `[autoscaling] replicas.min`)",
        keys: &["replicas", "autoscaling.replicas.min"],
        checks: &[Check::Objects(single_replica)],
        ..Rule::WARNING
    },
    Rule {
        id: "disruption-budget",
        aliases: &["budget-blocks-drains", "disruption"],
        title: "the disruption budget lets a node be drained",
        why: "the eviction API refuses for ever, and the node's maintenance hangs",
        fix: "lower `min-available`, set `max-unavailable = 1` (which holds for every number of pods), or run more pods; in a cluster a pod may also not be ready",
        keys: &[
            "disruption.min-available",
            "disruption.max-unavailable",
            "replicas",
            "autoscaling.replicas.min",
        ],
        checks: &[
            Check::Objects(disruption_budget),
            Check::Settling(live::disruption),
        ],
        ..Rule::ERROR
    },
    Rule {
        id: "budget-may-block-drains",
        title: "the disruption budget follows the number of pods",
        why: "as soon as the minimum is set to it (one pod in a test environment), every node drain hangs: a `minAvailable` that equals the minimum allows no eviction",
        fix: "write `maxUnavailable: 1` (`[disruption] max-unavailable = 1`), which holds for every number of pods; the stack refuses a budget that blocks",
        checks: &[Check::Files(budget_is_fixed)],
        ..Rule::WARNING
    },
    Rule {
        id: "no-disruption-budget",
        title: "a disruption budget protects the pods",
        why: "drains of several nodes at once may take every pod",
        fix: "declare `[disruption]`",
        keys: &["disruption"],
        checks: &[Check::Objects(no_disruption_budget)],
        ..Rule::WARNING
    },
    Rule {
        id: "drain-waits-for-rollout",
        title: "a node can be drained during a rollout",
        why: "the rollout already takes what the budget allows: evictions are refused until it ends, for ever if it fails",
        fix: "surge instead (`max-surge = 1`, `max-unavailable = 0`), or run more pods",
        keys: &[
            "rollout.max-unavailable",
            "disruption.min-available",
            "disruption.max-unavailable",
        ],
        checks: &[Check::Objects(drain_waits_for_rollout)],
        ..Rule::WARNING
    },
    Rule {
        id: "rollout-outage",
        title: "pods keep serving during a rollout",
        why: "a rollout takes every pod at once, so that no request is answered until the model is loaded again",
        fix: "lower `max-unavailable`; with `max-surge = 1` it can be 0",
        keys: &["rollout.max-unavailable"],
        checks: &[Check::Objects(rollout_outage)],
        ..Rule::WARNING
    },
    Rule {
        id: "topology-spread",
        title: "the pods are spread over nodes",
        why: "the scheduler may put all of them on one node, whose failure then ends the service",
        fix: "give the pods topologySpreadConstraints or an anti-affinity",
        checks: &[Check::Objects(topology_spread)],
        ..Rule::WARNING
    },
];

fn single_replica<'a>(objects: &Objects<'a>) -> Vec<Spot<'a>> {
    let (minimum, object, field) = objects.minimum();
    Spot::when(minimum == 1, object, field, "one pod may be all that runs")
}

fn disruption_budget<'a>(objects: &Objects<'a>) -> Vec<Spot<'a>> {
    let (minimum, ..) = objects.minimum();
    let blocking = budget(objects).filter(|(_, budget, _)| budget.allowed(minimum) == 0);
    let spots = blocking.map(|(object, _, field)| {
        let what = format!(
            "with {minimum} pod(s) at least, the budget allows no eviction: `{}: {}`",
            &field["/spec/".len()..],
            object.at(field).map(written).unwrap_or_default()
        );
        Spot::at(object, field, what)
    });
    spots.into_iter().collect()
}

/// The minimum is a value, the budget is not: the two come to contradict each other by a value alone.
fn budget_is_fixed<'a>(files: &Files<'a>) -> Vec<Spot<'a>> {
    let field = "/spec/minAvailable";
    let Some(budget) = files.objects.budget else {
        return Vec::new();
    };
    let (minimum, owner, owners_field) = files.objects.minimum();
    let fixed = budget
        .int(field)
        .filter(|fixed| *fixed < i64::from(minimum));
    let is_fixed = (files.lines)(budget, field).len() == 1;
    let is_value = (files.lines)(owner, owners_field).len() > 1;
    let Some(fixed) = fixed.filter(|_| is_fixed && is_value) else {
        return Vec::new();
    };
    let what = format!(
        "`minAvailable: {fixed}` is fixed in the template, while the minimum ({minimum}) is a value"
    );
    vec![Spot::at(budget, field, what).and(owner, owners_field)]
}

fn no_disruption_budget<'a>(objects: &Objects<'a>) -> Vec<Spot<'a>> {
    let (minimum, ..) = objects.minimum();
    let what = "the pods have no PodDisruptionBudget";
    let is_missing = minimum >= 2 && objects.budget.is_none();
    Spot::when(is_missing, objects.deployment, "", what)
}

fn drain_waits_for_rollout<'a>(objects: &Objects<'a>) -> Vec<Spot<'a>> {
    let (minimum, ..) = objects.minimum();
    let allowed = budget(objects).map_or(0, |(_, budget, _)| budget.allowed(minimum));
    let missing = missing(objects);
    let what = format!(
        "while {missing} of {minimum} pods are missing in a rollout, the budget, which allows {allowed}, allows no eviction"
    );
    let waits = allowed > 0 && missing >= allowed;
    Spot::when(waits, objects.deployment, MAX_UNAVAILABLE, what)
}

fn rollout_outage<'a>(objects: &Objects<'a>) -> Vec<Spot<'a>> {
    let is_recreated = objects.deployment.text("/spec/strategy/type") == "Recreate";
    let (minimum, ..) = objects.minimum();
    let what = format!("of {minimum} pod(s) none need stay during a rollout");
    let is_outage = minimum > 0 && (is_recreated || missing(objects) >= minimum);
    Spot::when(is_outage, objects.deployment, "/spec/strategy", what)
}

fn topology_spread<'a>(objects: &Objects<'a>) -> Vec<Spot<'a>> {
    let pod = &objects.pod;
    let constraints = pod.spec()["topologySpreadConstraints"].as_array();
    let is_spread = constraints.is_some_and(|constraints| !constraints.is_empty())
        || pod.spec()["affinity"]["podAntiAffinity"].is_object();
    let pointer = pod.field("/topologySpreadConstraints");
    let (minimum, ..) = objects.minimum();
    let is_wrong = !is_spread && minimum >= 2;
    Spot::when(
        is_wrong,
        objects.deployment,
        &pointer,
        "nothing spreads the pods",
    )
}

/// The PodDisruptionBudget, what it allows, and the field that sets it.
pub fn budget<'a>(objects: &Objects<'a>) -> Option<(&'a Value, Disruption, &'static str)> {
    let object = objects.budget?;
    let count = |field: &str| Count::deserialize(object.at(field)?).ok();
    let (minimum, maximum) = ("/spec/minAvailable", "/spec/maxUnavailable");
    let of_minimum = count(minimum).map(|count| (Disruption::MinAvailable(count), minimum));
    let of_maximum = || Some((Disruption::MaxUnavailable(count(maximum)?), maximum));
    let (budget, field) = of_minimum.or_else(of_maximum)?;
    Some((object, budget, field))
}

const MAX_UNAVAILABLE: &str = "/spec/strategy/rollingUpdate/maxUnavailable";

/// Pods that may be missing in a rollout, of the fewest.
fn missing(objects: &Objects) -> u32 {
    let (minimum, ..) = objects.minimum();
    let count = objects.deployment.at(MAX_UNAVAILABLE);
    let count = count.and_then(|count| Count::deserialize(count).ok());
    count.map_or(0, |count| count.of_rounded_down(minimum))
}
