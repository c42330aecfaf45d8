//! Whether new pods find room on the nodes, and why they do not.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Node, Pod};

use uninlu_objects::amounts::{Amounts, add, amounts, requests};
use uninlu_objects::node::barriers;
use uninlu_text::words::few;

/// What a number of new pods find.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Room {
    /// How many of them find room.
    pub pods: u32,
    /// Why the others do not; `None` when all find room.
    pub lack: Option<String>,
}

/// Places `most` new pods that need so much on the nodes, beside the pods that run, without those that go.
pub fn room(nodes: &[Node], pods: &[Pod], goes: &[&Pod], need: &Amounts, most: u32) -> Room {
    let mut places = places(nodes, pods, goes);
    let placed = fill(&mut places, need, most);
    Room {
        pods: placed,
        lack: (placed < most).then(|| why(&places, need)),
    }
}

/// A node as the scheduler reckons it.
#[derive(Debug)]
pub(super) struct Place<'a> {
    name: &'a str,
    free: Amounts,
    /// Why it takes no pod, whatever room it has.
    barriers: Vec<String>,
}

/// Every node with what its pods leave, without those that go.
pub(super) fn places<'a>(nodes: &'a [Node], pods: &[Pod], goes: &[&Pod]) -> Vec<Place<'a>> {
    let uid = |pod: &Pod| pod.metadata.uid.clone();
    let stays = |pod: &&Pod| !goes.iter().any(|gone| uid(gone) == uid(pod));
    let mut places: Vec<Place> = nodes.iter().map(place).collect();
    for spec in pods
        .iter()
        .filter(stays)
        .filter_map(|pod| pod.spec.as_ref())
    {
        let mut places = places.iter_mut();
        if let Some(place) = places.find(|place| Some(place.name) == spec.node_name.as_deref()) {
            add(&mut place.free, &requests(spec), -1);
        }
    }
    places
}

fn place(node: &Node) -> Place<'_> {
    let status = node.status.as_ref();
    let allocatable = status.and_then(|status| status.allocatable.as_ref());
    Place {
        name: node.metadata.name.as_deref().unwrap_or_default(),
        free: amounts(allocatable),
        barriers: barriers(node).into_iter().collect(),
    }
}

/// Places the pods one by one on the node with most room left, as the scheduler's default does; how many find room.
pub(super) fn fill(places: &mut [Place], need: &Amounts, count: u32) -> u32 {
    (0..count)
        .take_while(|_| {
            let open = places
                .iter_mut()
                .filter(|place| place.barriers.is_empty() && lacks(place, need).is_empty());
            let roomiest = open.max_by_key(|place| place.free.get("memory").copied());
            roomiest
                .map(|place| add(&mut place.free, need, -1))
                .is_some()
        })
        .map(|_| 1)
        .sum()
}

/// Whether no node has that much processor and memory, even without a pod: one more of them would not help. Other
/// resources come with nodes of another kind.
pub(super) fn is_too_large(nodes: &[Node], need: &Amounts) -> bool {
    let is_small = |node: &Node| {
        let whole = place(node).free;
        let free = |name: &str| whole.get(name).copied().unwrap_or(0);
        let mut asked = need
            .iter()
            .filter(|(name, _)| *name == "cpu" || *name == "memory");
        asked.any(|(name, amount)| free(name) < *amount)
    };
    !nodes.is_empty() && nodes.iter().all(is_small)
}

/// The resources of which the node has too little.
fn lacks<'a>(place: &Place, need: &'a Amounts) -> Vec<&'a str> {
    let free = |name: &str| place.free.get(name).copied().unwrap_or(0);
    let short = need
        .iter()
        .filter(|(name, amount)| **amount > 0 && free(name) < **amount);
    short.map(|(name, _)| name.as_str()).collect()
}

/// `no room on a, b (too little cpu: at most 250m free), c (cordoned), d (taint full=1:NoSchedule)`
pub(super) fn why(places: &[Place], need: &Amounts) -> String {
    let mut groups: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for place in places {
        groups
            .entry(reason(place, places, need))
            .or_default()
            .push(place.name);
    }
    if groups.is_empty() {
        return "the cluster has no node".into();
    }
    let groups = groups
        .iter()
        .map(|(reason, names)| format!("{} ({reason})", few(names, FEW)));
    format!("no room on {}", groups.collect::<Vec<_>>().join(", "))
}

fn reason(place: &Place, places: &[Place], need: &Amounts) -> String {
    if !place.barriers.is_empty() {
        return place.barriers.join(", ");
    }
    let lacks = lacks(place, need)
        .into_iter()
        .map(|name| match most(name, places, need) {
            _ if name == "pods" => "it has as many pods as it takes".into(),
            0 => format!("no {name} left"),
            free => format!("too little {name}: at most {} free", amount(name, free)),
        });
    lacks.collect::<Vec<_>>().join(", ")
}

/// The most that one of the nodes has which have too little of it.
fn most(name: &str, places: &[Place], need: &Amounts) -> i128 {
    let open = places.iter().filter(|place| place.barriers.is_empty());
    let short = open.filter(|place| lacks(place, need).contains(&name));
    let free = short.filter_map(|place| place.free.get(name).copied());
    free.max().unwrap_or(0).max(0)
}

/// Names that a line takes.
const FEW: usize = 5;

/// `cpu 1000m, memory 2048Mi`-like, in units that people read.
pub(super) fn listed(need: &Amounts) -> String {
    need.iter()
        .filter(|(name, milli)| *name != "pods" && **milli > 0)
        .map(|(name, milli)| format!("{name} {}", amount(name, *milli)))
        .collect::<Vec<_>>()
        .join(", ")
}

pub(super) fn amount(name: &str, milli: i128) -> String {
    match name {
        "cpu" => format!("{milli}m"),
        "memory" | "ephemeral-storage" => format!("{}Mi", milli / 1000 / (1 << 20)),
        _ => (milli / 1000).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn node(name: &str, spec: Value, allocatable: Value) -> Node {
        let node = json!({ "metadata": { "name": name }, "spec": spec, "status": { "allocatable": allocatable } });
        serde_json::from_value(node).expect("a node")
    }

    fn taint(effect: &str) -> Value {
        json!({ "taints": [{ "key": "full", "value": "1", "effect": effect }] })
    }

    fn need() -> Amounts {
        let written = json!({ "cpu": "1", "memory": "2Gi", "pods": "1" });
        amounts(Some(&serde_json::from_value(written).expect("quantities")))
    }

    fn roomy() -> Value {
        json!({ "cpu": "8", "memory": "32Gi", "pods": "110" })
    }

    #[test]
    fn why_no_node_takes_the_pods() {
        let nodes = [
            node(
                "a",
                json!({}),
                json!({ "cpu": "250m", "memory": "32Gi", "pods": "110" }),
            ),
            node(
                "b",
                json!({}),
                json!({ "cpu": "250m", "memory": "32Gi", "pods": "110" }),
            ),
            node("c", json!({ "unschedulable": true }), roomy()),
            node("d", taint("NoSchedule"), roomy()),
            node("e", taint("NoExecute"), roomy()),
            node(
                "f",
                json!({ "taints": [{ "key": "node.kubernetes.io/not-ready", "effect": "NoExecute" }] }),
                roomy(),
            ),
            node(
                "g",
                json!({}),
                json!({ "cpu": "8", "memory": "32Gi", "pods": "0" }),
            ),
        ];
        let mut places = places(&nodes, &[], &[]);
        assert_eq!(fill(&mut places, &need(), 1), 0);
        insta::assert_snapshot!(why(&places, &need()));
    }

    #[test]
    fn a_taint_that_only_prefers_keeps_no_pod_away() {
        let nodes = [node("a", taint("PreferNoSchedule"), roomy())];
        assert_eq!(fill(&mut places(&nodes, &[], &[]), &need(), 9), 8);
    }

    #[test]
    fn a_resource_that_no_node_has() {
        let nodes = [node("a", json!({}), roomy())];
        let mut need = need();
        need.insert("nvidia.com/gpu".into(), 1000);
        let mut places = places(&nodes, &[], &[]);
        assert_eq!(fill(&mut places, &need, 1), 0);
        assert_eq!(why(&places, &need), "no room on a (no nvidia.com/gpu left)");
        assert_eq!(why(&[], &need), "the cluster has no node");
    }
}
