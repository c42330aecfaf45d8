//! What keeps a node from taking the stack's pods, whatever room it has.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{Node, Taint};

/// Why the node takes none of our pods: `cordoned`, `taint full=1:NoSchedule`. Empty where it takes them.
///
/// Our pods tolerate nothing but what every pod does for a while; a taint `PreferNoSchedule` keeps none away.
pub fn barriers(node: &Node) -> BTreeSet<String> {
    let spec = node.spec.as_ref();
    let taints = spec.iter().flat_map(|spec| spec.taints.iter().flatten());
    let mut barriers: BTreeSet<String> = taints.filter_map(barrier).collect();
    if spec.is_some_and(|spec| spec.unschedulable == Some(true)) {
        barriers.insert(CORDONED.into());
    }
    if !is_ready(node) {
        barriers.insert(NOT_READY.into());
    }
    barriers
}

const CORDONED: &str = "cordoned";
const NOT_READY: &str = "not ready";

/// Kubernetes' own taints say what the node's state says too.
fn barrier(taint: &Taint) -> Option<String> {
    if !matches!(taint.effect.as_str(), "NoSchedule" | "NoExecute") {
        return None;
    }
    Some(match taint.key.as_str() {
        "node.kubernetes.io/unschedulable" => CORDONED.into(),
        "node.kubernetes.io/not-ready" => NOT_READY.into(),
        "node.kubernetes.io/unreachable" => "unreachable".into(),
        key => {
            let value = taint.value.as_deref().filter(|value| !value.is_empty());
            let value = value.map_or(String::new(), |value| format!("={value}"));
            format!("taint {key}{value}:{}", taint.effect)
        }
    })
}

/// A node that says nothing of itself yet is taken for ready: the scheduler goes by taints alone.
fn is_ready(node: &Node) -> bool {
    let status = node.status.as_ref();
    let mut conditions = status.iter().flat_map(|it| it.conditions.iter().flatten());
    conditions.all(|condition| condition.type_ != "Ready" || condition.status == "True")
}

/// Whether the node may take pods that it did not take before: a barrier fell, or what it has to give is another.
pub fn opens(before: &Node, now: &Node) -> bool {
    let allocatable = |node: &Node| node.status.as_ref().and_then(|it| it.allocatable.clone());
    !barriers(before).is_subset(&barriers(now)) || allocatable(before) != allocatable(now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn node(spec: Value, ready: &str, gpus: &str) -> Node {
        let node = json!({ "spec": spec, "status": {
            "conditions": [{ "type": "Ready", "status": ready }], "allocatable": { "nvidia.com/gpu": gpus } } });
        serde_json::from_value(node).expect("a node")
    }

    #[test]
    fn a_node_opens_when_something_that_kept_pods_away_is_gone() {
        let taints = |keys: &[&str]| {
            let taints: Vec<Value> = keys
                .iter()
                .map(|key| json!({ "key": key, "effect": "NoSchedule" }))
                .collect();
            json!({ "taints": taints })
        };
        let open = || node(json!({}), "True", "0");
        for (before, now, opens_now) in [
            (open(), open(), false),
            (node(json!({}), "False", "0"), open(), true),
            (open(), node(json!({}), "Unknown", "0"), false),
            (
                node(json!({ "unschedulable": true }), "True", "0"),
                open(),
                true,
            ),
            (
                node(taints(&["a", "b"]), "True", "0"),
                node(taints(&["b"]), "True", "0"),
                true,
            ),
            (
                node(taints(&["a"]), "True", "0"),
                node(taints(&["a", "b"]), "True", "0"),
                false,
            ),
            (open(), node(json!({}), "True", "1"), true),
        ] {
            assert_eq!(opens(&before, &now), opens_now, "{before:?} → {now:?}");
        }
    }
}
