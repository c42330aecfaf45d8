//! PodDisruptionBudget: what a node drain must leave running.

use serde_json::{Value, json};

use super::row::{Causes, Is, Render, Row, Shape};
use super::summary::{join, scalar};
use super::{Progress, is_observed, labels};
use uninlu_stack::{Count, Disruption, Stack};

/// Its row in the table of kinds.
pub(super) const ROW: Row = Row {
    group: "policy",
    version: "v1",
    plural: "poddisruptionbudgets",
    is_namespaced: true,
    has_rivals: true,
    name: |stack, _| stack.to_owned(),
    render: Render::OnRequest(render),
    progress,
    summary: |object| vec![("budget", bounds(object))],
    causes: &[("", CAUSES)],
    shapes: &[(&[], SHAPE)],
};

const CAUSES: Causes = &[
    (
        ".spec.minAvailable",
        "disruption.min-available disruption.max-unavailable",
    ),
    (
        ".spec.maxUnavailable",
        "disruption.max-unavailable disruption.min-available",
    ),
    ("", "disruption replicas autoscaling.replicas.min"),
];

const SHAPE: Shape = &[
    ("spec selector matchLabels", Is::Selector),
    (
        "spec unhealthyPodEvictionPolicy",
        Is::Exactly("AlwaysAllow"),
    ),
    ("spec minAvailable", Is::Amount),
    ("spec maxUnavailable", Is::Amount),
];

/// Broken pods may always be evicted: a budget that protects them would block the drain that could fix them.
fn bounds(object: &Value) -> String {
    let spec = &object["spec"];
    let bounds = [
        ("minAvailable", "at least", "available"),
        ("maxUnavailable", "at most", "unavailable"),
    ];
    let bounds = bounds.into_iter().filter(|(key, ..)| !spec[key].is_null());
    let words = bounds.map(|(key, bound, state)| {
        format!(
            "{bound} {} {state} while nodes are drained",
            scalar(&spec[key])
        )
    });
    join(words)
}

pub(super) fn render(stack: &Stack) -> Option<Value> {
    let mut spec = json!({
        "selector": { "matchLabels": labels::selector(stack) },
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
    });
    let (key, count) = match stack.disruption.as_ref()? {
        Disruption::MinAvailable(count) => ("minAvailable", count),
        Disruption::MaxUnavailable(count) => ("maxUnavailable", count),
    };
    spec[key] = int_or_string(*count);
    Some(json!({ "metadata": {}, "spec": spec }))
}

/// Kubernetes' IntOrString.
pub(super) fn int_or_string(count: Count) -> Value {
    match count {
        Count::Pods(pods) => json!(pods),
        Count::Percent(_) => json!(count.to_string()),
    }
}

pub(super) fn progress(live: &Value) -> Progress {
    if !is_observed(live) {
        return Progress::Waiting("the disruption controller has not seen it yet".into());
    }
    let status = |key: &str| live["status"][key].as_i64().unwrap_or(0);
    if status("disruptionsAllowed") > 0 {
        return Progress::Ready;
    }
    let (healthy, wanted) = (status("currentHealthy"), status("desiredHealthy"));
    Progress::Waiting(format!(
        "allows no eviction yet: {healthy} healthy pods, {wanted} must stay"
    ))
}
