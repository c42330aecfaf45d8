//! HorizontalPodAutoscaler v2: CPU and requests per second.

use serde_json::{Value, json};

use super::row::{Causes, Is, Render, Row, Shape};
use super::summary::{items, join, scalar};
use super::{Progress, condition, prometheus};
use uninlu_stack::{Autoscaling, Policy, Replicas, ScalingRules, Select, Stack};

/// Its row in the table of kinds.
pub(super) const ROW: Row = Row {
    group: "autoscaling",
    version: "v2",
    plural: "horizontalpodautoscalers",
    is_namespaced: true,
    has_rivals: true,
    name: |stack, _| stack.to_owned(),
    render: Render::OnRequest(render),
    progress,
    summary: |object| vec![("scales", sentence(object))],
    causes: &[("", CAUSES)],
    shapes: &[(&[], SHAPE)],
};

const CAUSES: Causes = &[
    (".spec.minReplicas", "autoscaling.replicas.min"),
    (".spec.maxReplicas", "autoscaling.replicas.max"),
    (".spec.metrics", "autoscaling"),
    (".spec.behavior.scaleUp", "autoscaling.behavior.scale-up"),
    (
        ".spec.behavior.scaleDown",
        "autoscaling.behavior.scale-down",
    ),
    (".spec.behavior", "autoscaling.behavior"),
    ("", "autoscaling.enabled autoscaling"),
];

const SHAPE: Shape = &[
    ("spec scaleTargetRef apiVersion", Is::Exactly("apps/v1")),
    ("spec scaleTargetRef kind", Is::Exactly("Deployment")),
    ("spec scaleTargetRef name", Is::StackName),
    ("spec minReplicas", Is::Number),
    ("spec maxReplicas", Is::Number),
    ("spec metrics * type", Is::OneOf(&["Resource", "Pods"])),
    ("spec metrics * resource name", Is::Text),
    ("spec metrics * pods metric name", Is::Text),
    ("spec metrics * * target *", Is::Amount),
    ("spec behavior * stabilizationWindowSeconds", Is::Number),
    ("spec behavior * selectPolicy", Is::Text),
    ("spec behavior * policies * *", Is::Amount),
];

/// The autoscaler in a sentence.
fn sentence(object: &Value) -> String {
    let spec = &object["spec"];
    let metrics = items(&spec["metrics"]).map(|metric| match metric["type"].as_str() {
        Some("Resource") => format!(
            "{} % {}",
            scalar(&metric["resource"]["target"]["averageUtilization"]),
            scalar(&metric["resource"]["name"])
        ),
        _ => format!(
            "{} {} per pod",
            scalar(&metric["pods"]["target"]["averageValue"]),
            scalar(&metric["pods"]["metric"]["name"])
        ),
    });
    format!(
        "{} to {} pods, so that each metric stays at its target: {}",
        scalar(&spec["minReplicas"]),
        scalar(&spec["maxReplicas"]),
        join(metrics)
    )
}

pub(super) fn render(stack: &Stack) -> Option<Value> {
    let Replicas::Autoscaled(autoscaling) = &stack.replicas else {
        return None;
    };
    let mut spec = json!({
        "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": stack.name },
        "minReplicas": autoscaling.min,
        "maxReplicas": autoscaling.max,
        "metrics": metrics(autoscaling),
    });
    let rules = [
        ("scaleUp", &autoscaling.behavior.scale_up),
        ("scaleDown", &autoscaling.behavior.scale_down),
    ];
    for (key, rules) in rules {
        if let Some(rules) = rules {
            spec["behavior"][key] = scaling_rules(rules);
        }
    }
    Some(json!({ "metadata": {}, "spec": spec }))
}

fn metrics(autoscaling: &Autoscaling) -> Vec<Value> {
    let cpu = autoscaling.cpu.map(|percent| {
        json!({
            "type": "Resource",
            "resource": { "name": "cpu", "target": { "type": "Utilization", "averageUtilization": percent } },
        })
    });
    let requests = autoscaling.requests_per_second.map(|requests| {
        json!({
            "type": "Pods",
            "pods": {
                "metric": { "name": prometheus::REQUESTS_PER_SECOND },
                "target": { "type": "AverageValue", "averageValue": requests.to_string() },
            },
        })
    });
    cpu.into_iter().chain(requests).collect()
}

fn scaling_rules(rules: &ScalingRules) -> Value {
    let mut body = json!({});
    if let Some(stabilization) = rules.stabilization {
        body["stabilizationWindowSeconds"] = json!(stabilization.seconds);
    }
    if !rules.policies.is_empty() {
        body["policies"] = rules.policies.iter().map(policy).collect();
    }
    if let Some(select) = rules.select {
        body["selectPolicy"] = json!(match select {
            Select::Max => "Max",
            Select::Min => "Min",
            Select::Disabled => "Disabled",
        });
    }
    body
}

fn policy(policy: &Policy) -> Value {
    json!({ "type": policy.kind, "value": policy.value, "periodSeconds": policy.period.seconds })
}

pub(super) fn progress(live: &Value) -> Progress {
    for kind in ["AbleToScale", "ScalingActive"] {
        match condition(live, kind) {
            Some(("True", ..)) => (),
            Some((_, "ScalingDisabled", message)) => return Progress::Failed(message.to_owned()),
            Some((_, reason, message)) => return Progress::Waiting(format!("{reason}: {message}")),
            None => {
                return Progress::Waiting("the autoscaler has not read its metrics yet".into());
            }
        }
    }
    Progress::Ready
}
