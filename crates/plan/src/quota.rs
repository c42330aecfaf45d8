//! What a ResourceQuota has left for new pods.

use k8s_openapi::api::core::v1::{Container, Pod, PodSpec, ResourceQuota};

use uninlu_objects::amounts::{
    Amounts, add, amounts, limits_of, of_containers, requests, requests_of,
};

/// Of what a quota has too little for so many new pods, once those old ones are gone.
pub(super) fn over(quota: &ResourceQuota, pod: &PodSpec, count: u32, goes: &[&Pod]) -> Vec<String> {
    let mut need = Amounts::new();
    add(&mut need, &counted(pod), i128::from(count));
    for spec in goes.iter().filter_map(|pod| pod.spec.as_ref()) {
        add(&mut need, &counted(spec), -1);
    }
    let hard = hard(quota);
    let status = quota.status.as_ref();
    let used = amounts(status.and_then(|status| status.used.as_ref()));
    let is_over = |name: &String, hard: i128| {
        let need = need.get(name).copied().unwrap_or_default();
        need > 0 && used.get(name).copied().unwrap_or_default() + need > hard
    };
    let over = hard.iter().filter(|(name, hard)| is_over(name, **hard));
    over.map(|(name, _)| name.clone()).collect()
}

fn hard(quota: &ResourceQuota) -> Amounts {
    let status = quota.status.as_ref();
    amounts(status.and_then(|status| status.hard.as_ref()))
}

/// What a quota counts that each container must say (`plugin/pkg/admission/resourcequota`, of `pkg/quota/v1/evaluator`
/// the pods'), and that one does not.
pub(super) fn missing(quota: &ResourceQuota, pod: &PodSpec) -> Vec<&'static str> {
    let first = pod.init_containers.iter().flatten();
    let containers: Vec<&Container> = pod.containers.iter().chain(first).collect();
    let is_said = |(_, resource, of): &Said| {
        let mut containers = containers.iter();
        containers.all(|container| of(container).contains_key(*resource))
    };
    let hard = hard(quota);
    let counted = SAID.iter().filter(|(name, ..)| hard.contains_key(*name));
    let missing = counted.filter(|row| !is_said(row));
    missing.map(|(name, ..)| *name).collect()
}

/// A name in a quota, and where a container says so much.
type Said = (&'static str, &'static str, fn(&Container) -> Amounts);

const SAID: [Said; 6] = [
    ("cpu", "cpu", requests_of),
    ("memory", "memory", requests_of),
    ("requests.cpu", "cpu", requests_of),
    ("requests.memory", "memory", requests_of),
    ("limits.cpu", "cpu", limits_of),
    ("limits.memory", "memory", limits_of),
];

/// Whether it counts only some pods.
pub(super) fn has_scopes(quota: &ResourceQuota) -> bool {
    quota.spec.as_ref().is_some_and(|spec| {
        spec.scopes
            .as_ref()
            .is_some_and(|scopes| !scopes.is_empty())
            || spec.scope_selector.is_some()
    })
}

/// A pod as quotas count it: `requests.cpu` and `cpu` are the same.
fn counted(pod: &PodSpec) -> Amounts {
    let mut counted = Amounts::new();
    for (name, amount) in requests(pod) {
        if name != "pods" {
            counted.insert(format!("requests.{name}"), amount);
        }
        counted.insert(name, amount);
    }
    for (name, amount) in of_containers(pod, limits_of) {
        counted.insert(format!("limits.{name}"), amount);
    }
    counted
}
