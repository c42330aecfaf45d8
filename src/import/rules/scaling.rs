//! How many pods run, and what evictions leave.

use serde_json::Value;

use super::{Rule, Spot};
use crate::gate::Severity;
use crate::import::view::{View, quantity};
use crate::stack::Quantity;

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "replicas-beside-autoscaler",
        severity: Severity::Error,
        why: "both write one field: each deploy throws the number of pods back to this one, in the middle of a load that the autoscaler answered",
        mend: "leave `replicas` out where an autoscaler is on; the stack never sends it then",
        find: replicas_beside_autoscaler,
    },
    Rule {
        id: "autoscaler-range",
        severity: Severity::Error,
        why: "an autoscaler whose maximum is not above its minimum never scales, and the API server refuses one that is below",
        mend: "raise `maxReplicas` (`[autoscaling] replicas.max`), or run a fixed number (`replicas`)",
        find: range,
    },
    Rule {
        id: "cpu-target-without-request",
        severity: Severity::Error,
        why: "the target is a percentage of the request: without one the autoscaler cannot compute it, and does not scale",
        mend: "set a CPU request (`[resources] cpu.request`)",
        find: target_without_request,
    },
    Rule {
        id: "cpu-target-out-of-reach",
        severity: Severity::Error,
        why: "the kernel holds a pod at its limit, so the target is never exceeded and nothing is ever scaled up",
        mend: "lower the target, or raise the limit above target × request",
        find: out_of_reach,
    },
    Rule {
        id: "budget-blocks-drains",
        severity: Severity::Error,
        why: "at the minimum of pods no eviction is allowed: every node drain hangs until somebody deletes the budget",
        mend: "keep `minAvailable` below the minimum, or say `maxUnavailable: 1` (`[disruption] max-unavailable = 1`), which holds for every number of pods",
        find: budget_blocks,
    },
    Rule {
        id: "budget-may-block-drains",
        severity: Severity::Warning,
        why: "as soon as the minimum is set to it (one pod in a test environment), every node drain hangs: a `minAvailable` that equals the minimum allows no eviction",
        mend: "say `maxUnavailable: 1` (`[disruption] max-unavailable = 1`), which holds for every number of pods; the stack refuses a budget that blocks",
        find: budget_is_fixed,
    },
    Rule {
        id: "single-replica",
        severity: Severity::Warning,
        why: "one pod may be all that runs: a node drain or failure ends the service",
        mend: "run two pods or more (`replicas`, `[autoscaling] replicas.min`)",
        find: single_replica,
    },
];

fn replicas_beside_autoscaler(view: &View<'_>) -> Vec<Spot> {
    let (Some(autoscaler), Some(replicas)) =
        (view.autoscaler, view.deployment.int("/spec/replicas"))
    else {
        return Vec::new();
    };
    // A live Deployment always has the field; whose it is stands in `managedFields`.
    let is_controllers = view.source.is_live && !is_set_by_tool(&view.deployment.body);
    if is_controllers {
        return Vec::new();
    }
    let what = format!("`replicas: {replicas}` stands beside {}", autoscaler.id());
    vec![Spot::at(view.deployment, "/spec/replicas", what)]
}

/// Whether a tool sets `replicas` of a live Deployment, and not the autoscaler or the hand-over of `uninlu` itself.
fn is_set_by_tool(live: &Value) -> bool {
    let managers = live["metadata"]["managedFields"]
        .as_array()
        .into_iter()
        .flatten();
    managers.into_iter().any(|entry| {
        let name = entry["manager"].as_str().unwrap_or_default();
        let is_other = entry["subresource"] != "scale"
            && name != "uninlu-replicas"
            && name != "kube-controller-manager";
        is_other && !entry["fieldsV1"]["f:spec"]["f:replicas"].is_null()
    })
}

fn range(view: &View<'_>) -> Vec<Spot> {
    let Some(autoscaler) = view.autoscaler else {
        return Vec::new();
    };
    let min = autoscaler.int("/spec/minReplicas").unwrap_or(1);
    let Some(max) = autoscaler.int("/spec/maxReplicas") else {
        return Vec::new();
    };
    if max > min {
        return Vec::new();
    }
    let what = format!("`maxReplicas: {max}` is not above `minReplicas: {min}`");
    vec![Spot::at(autoscaler, "/spec/maxReplicas", what)]
}

/// The CPU target in percent of the request, with its pointer.
fn cpu_target(view: &View<'_>) -> Option<(String, i64)> {
    let metrics = view.autoscaler?.items("/spec/metrics").into_iter();
    let targets = metrics.filter_map(|(pointer, metric)| {
        let source = match metric["resource"].is_object() {
            true => "resource",
            false => "containerResource",
        };
        let target = view.cpu_target(metric)?;
        Some((
            format!("{pointer}/{source}/target/averageUtilization"),
            target,
        ))
    });
    targets.into_iter().next()
}

fn cpu(view: &View<'_>, bound: &str) -> Option<Quantity> {
    let value = view
        .deployment
        .at(&view.in_container(&format!("/resources/{bound}/cpu")))?;
    quantity(value)
}

fn target_without_request(view: &View<'_>) -> Vec<Spot> {
    let (Some((pointer, target)), Some(autoscaler)) = (cpu_target(view), view.autoscaler) else {
        return Vec::new();
    };
    // A limit without a request is the request.
    if cpu(view, "requests")
        .or_else(|| cpu(view, "limits"))
        .is_some()
    {
        return Vec::new();
    }
    let what = format!("the target is {target} % of a CPU request that the container has not");
    vec![Spot::at(autoscaler, &pointer, what)]
}

fn out_of_reach(view: &View<'_>) -> Vec<Spot> {
    let (Some((pointer, target)), Some(autoscaler)) = (cpu_target(view), view.autoscaler) else {
        return Vec::new();
    };
    let Some(limit) = cpu(view, "limits") else {
        return Vec::new();
    };
    let request = cpu(view, "requests").unwrap_or_else(|| limit.clone());
    if i128::from(target) * request.milli < limit.milli * 100 {
        return Vec::new();
    }
    let what = format!("the target is {target} % of {request}, and the limit is {limit}");
    vec![Spot::at(autoscaler, &pointer, what)]
}

/// How many of `pods` the budget lets go, in `field`.
fn allowed(budget: &super::Object, pods: i64) -> Option<(i64, &'static str, String)> {
    let count = |field: &str| {
        let value = budget.at(field)?;
        let text = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        let number = match text.strip_suffix('%') {
            // Rounded up in both directions, as the disruption controller does.
            Some(percent) => (pods * percent.parse::<i64>().ok()? + 99) / 100,
            None => text.parse().ok()?,
        };
        Some((number, text))
    };
    if let Some((number, text)) = count("/spec/minAvailable") {
        return Some((
            pods - number,
            "/spec/minAvailable",
            format!("`minAvailable: {text}`"),
        ));
    }
    let (number, text) = count("/spec/maxUnavailable")?;
    Some((
        number,
        "/spec/maxUnavailable",
        format!("`maxUnavailable: {text}`"),
    ))
}

fn budget_blocks(view: &View<'_>) -> Vec<Spot> {
    let Some(budget) = view.budget else {
        return Vec::new();
    };
    let (minimum, ..) = view.minimum();
    let Some((left, field, written)) = allowed(budget, minimum) else {
        return Vec::new();
    };
    if left > 0 {
        return Vec::new();
    }
    let what = format!("{written} with {minimum} pod(s) at least lets none go");
    vec![Spot::at(budget, field, what)]
}

/// The minimum is a value, the budget is not: the two come to contradict each other by a value alone.
fn budget_is_fixed(view: &View<'_>) -> Vec<Spot> {
    let Some(budget) = view.budget else {
        return Vec::new();
    };
    let field = "/spec/minAvailable";
    let Some(fixed) = budget.int(field) else {
        return Vec::new();
    };
    let (minimum, owner, owners_field) = view.minimum();
    let is_fixed = budget.places(field).len() == 1;
    let is_value = owner.places(owners_field).len() > 1;
    if fixed >= minimum || !is_fixed || !is_value {
        return Vec::new();
    }
    let what = format!(
        "`minAvailable: {fixed}` is fixed in the template, while the minimum ({minimum}) is a value"
    );
    let mut spot = Spot::at(budget, field, what);
    spot.places
        .extend(owner.places(owners_field).into_iter().skip(1));
    vec![spot]
}

fn single_replica(view: &View<'_>) -> Vec<Spot> {
    let (minimum, object, field) = view.minimum();
    if minimum != 1 {
        return Vec::new();
    }
    vec![Spot::at(object, field, "one pod is enough for it")]
}
