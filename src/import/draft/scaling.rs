//! How many pods run, and how they go.

use serde_json::Value;

use super::keys::{Draft, count, in_pod, seconds, table};
use crate::import::Object;
use crate::import::view::View;
use crate::kinds::prometheus::REQUESTS_PER_SECOND;
use crate::kinds::{items, written};
use crate::rules::{self, Fields, is_cpu_target_in_reach};
use crate::stack::{Disruption, Quantity};

pub(super) fn autoscaling(view: &View<'_>, draft: &mut Draft) {
    let Some(autoscaler) = view.autoscaler else {
        return;
    };
    let min = autoscaler.int("/spec/minReplicas").unwrap_or(1).max(1);
    let max = autoscaler.int("/spec/maxReplicas").unwrap_or(min);
    let range = |max: i64| table([("min", Value::from(min)), ("max", Value::from(max))]);
    match max >= min {
        true => draft.set("autoscaling", "replicas", range(max)),
        false => draft.fix(
            "autoscaling",
            "replicas",
            range(min),
            format!("the maximum was {max}, below the minimum"),
        ),
    }
    let mut has_target = false;
    for (pointer, metric) in autoscaler.items("/spec/metrics") {
        let is_taken = take_metric(view, autoscaler, &pointer, metric, draft);
        has_target |= is_taken;
    }
    if autoscaler.items("/spec/metrics").is_empty() {
        default_target(view, draft);
    } else if !has_target {
        draft.fix(
            "autoscaling",
            "cpu",
            60,
            "no target of a kind that a stack has was set, and without one nothing scales",
        );
    }
    behavior(autoscaler, draft);
}

/// Percent of the request to which Kubernetes scales where an autoscaler names no metric (`autoscaling/v2` defaults).
const DEFAULT_CPU: i64 = 80;

fn default_target(view: &View<'_>, draft: &mut Draft) {
    match is_cpu_target_in_reach(&view.objects(), DEFAULT_CPU) {
        true => draft.fix(
            "autoscaling",
            "cpu",
            DEFAULT_CPU,
            "no target was set: this is Kubernetes' default",
        ),
        false => draft.fix(
            "autoscaling",
            "cpu",
            60,
            format!("no target was set, and Kubernetes' default of {DEFAULT_CPU} % of the request is not below the limit"),
        ),
    }
}

/// Whether the metric became a key.
fn take_metric(
    view: &View<'_>,
    autoscaler: &Object,
    pointer: &str,
    metric: &Value,
    draft: &mut Draft,
) -> bool {
    let has = |draft: &Draft, key: &str| {
        let sections = draft
            .sections
            .iter()
            .filter(|section| section.name == "autoscaling");
        sections
            .flat_map(|section| &section.entries)
            .any(|entry| entry.key == key)
    };
    if let Some(target) = view.pod.cpu_target(metric) {
        if has(draft, "cpu") {
            return false;
        }
        match is_cpu_target_in_reach(&view.objects(), target) {
            true => draft.set("autoscaling", "cpu", target),
            false => draft.fix(
                "autoscaling",
                "cpu",
                60,
                format!(
                    "{target} % of the request is not below the limit, so it would never be reached"
                ),
            ),
        }
        return true;
    }
    let target = ["pods", "object", "external"].into_iter().find_map(|kind| {
        let name = metric[kind]["metric"]["name"].as_str()?;
        let value = &metric[kind]["target"]["averageValue"];
        let per_second = Quantity::parse(&written(value)).ok()?.milli / 1_000;
        Some((kind, name, i64::try_from(per_second).ok()?.max(1)))
    });
    match target {
        Some(("pods", name, value))
            if (name == REQUESTS_PER_SECOND || name.contains("request"))
                && !has(draft, "requests-per-second") =>
        {
            match name == REQUESTS_PER_SECOND {
                true => draft.set("autoscaling", "requests-per-second", value),
                false => draft.fix(
                    "autoscaling",
                    "requests-per-second",
                    value,
                    format!("was `{name}`; now `{REQUESTS_PER_SECOND}` (`uninlu render adapter` prints the adapter's rule)"),
                ),
            }
            true
        }
        _ => {
            draft.leave(autoscaler, pointer, "a stack scales by CPU (percent of the request) and by requests per second of a pod");
            false
        }
    }
}

fn behavior(autoscaler: &Object, draft: &mut Draft) {
    let mut directions = Vec::new();
    for (field, key) in [("scaleUp", "scale-up"), ("scaleDown", "scale-down")] {
        if let Some(rules) = autoscaler.at(&format!("/spec/behavior/{field}")) {
            directions.push((key, scaling_rules(rules)));
        }
    }
    if !directions.is_empty() {
        draft.set("autoscaling", "behavior", table(directions));
    }
}

fn scaling_rules(rules: &Value) -> Value {
    let policies: Vec<Value> = items(&rules["policies"]).filter_map(policy).collect();
    let entries = [
        rules["stabilizationWindowSeconds"]
            .as_i64()
            .map(|value| ("stabilization", seconds(value))),
        (!policies.is_empty()).then(|| ("policies", Value::Array(policies))),
        rules["selectPolicy"]
            .as_str()
            .map(|policy| ("select", Value::from(policy.to_lowercase()))),
    ];
    table(entries.into_iter().flatten())
}

fn policy(policy: &Value) -> Option<Value> {
    let key = match policy["type"].as_str()? {
        "Pods" => "pods",
        _ => "percent",
    };
    let period = policy["periodSeconds"].as_i64().unwrap_or(60);
    Some(table([
        (key, Value::from(policy["value"].as_i64()?)),
        ("period", seconds(period)),
    ]))
}

pub(super) fn disruption(view: &View<'_>, draft: &mut Draft) {
    let objects = view.objects();
    let (Some(object), Some((_, budget, field))) = (view.budget, rules::budget(&objects)) else {
        return;
    };
    let Some(value) = object.at(field).and_then(count) else {
        return;
    };
    let key = match budget {
        Disruption::MinAvailable(_) => "min-available",
        Disruption::MaxUnavailable(_) => "max-unavailable",
    };
    let (minimum, ..) = objects.minimum();
    match (budget.allowed(minimum) > 0, minimum >= 2) {
        (true, _) => draft.set("disruption", key, value),
        (false, true) => {
            let comment = format!(
                "`{key} = {value}` with {minimum} pods at least would block every node drain"
            );
            draft.fix("disruption", "max-unavailable", 1, comment);
        }
        // With one pod there is no budget that does not block.
        (false, false) => draft.leave(
            object,
            field,
            "with one pod at least, it blocks every node drain: the stack has no budget then",
        ),
    }
}

/// Seconds that the stack adds to the drain, as `kinds` renders it.
const STOP_MARGIN: i64 = 10;

pub(super) fn rollout(view: &View<'_>, draft: &mut Draft) {
    let deployment = view.deployment;
    if deployment.text("/spec/strategy/type") == "Recreate" {
        draft.leave(deployment, "/spec/strategy", "all pods would stop before the first new one starts; the stack replaces them one by one (`[rollout]`)");
    }
    for (field, key) in [
        ("maxSurge", "max-surge"),
        ("maxUnavailable", "max-unavailable"),
    ] {
        let value = deployment
            .at(&format!("/spec/strategy/rollingUpdate/{field}"))
            .and_then(count);
        if let Some(value) = value {
            draft.set("rollout", key, value);
        }
    }
    let grace = deployment.int(&in_pod("/terminationGracePeriodSeconds"));
    // Kubernetes' default is the stack's.
    if let Some(grace) = grace.filter(|grace| *grace != 30) {
        draft.set("rollout", "drain", seconds((grace - STOP_MARGIN).max(1)));
    }
}
