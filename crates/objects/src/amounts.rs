//! What pods ask for, in numbers that can be added and compared.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, PodSpec};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as Written;

use uninlu_stack::Quantity;

/// Milli-units by resource name: `cpu`, `memory`, `nvidia.com/gpu`, `pods`.
pub type Amounts = BTreeMap<String, i128>;

/// Quantities as Kubernetes writes them, none where there is no list; one that cannot be read is left out.
pub fn amounts(written: Option<&BTreeMap<String, Written>>) -> Amounts {
    let read = |(name, amount): (&String, &Written)| {
        Some((name.clone(), Quantity::parse(&amount.0).ok()?.milli))
    };
    written.into_iter().flatten().filter_map(read).collect()
}

/// Adds so many times `what`.
pub fn add(to: &mut Amounts, what: &Amounts, times: i128) {
    for (name, amount) in what {
        *to.entry(name.clone()).or_default() += amount * times;
    }
}

/// The limits of a container.
pub fn limits_of(container: &Container) -> Amounts {
    let resources = container.resources.as_ref();
    amounts(resources.and_then(|it| it.limits.as_ref()))
}

/// The requests of a container; a limit without a request is one.
pub fn requests_of(container: &Container) -> Amounts {
    let mut all = limits_of(container);
    let resources = container.resources.as_ref();
    all.extend(amounts(resources.and_then(|it| it.requests.as_ref())));
    all
}

/// What the scheduler reckons for a pod: its containers, or what the pod as a whole asks for, and the overhead.
pub fn requests(pod: &PodSpec) -> Amounts {
    let mut sum = of_containers(pod, requests_of);
    // Without a request of the whole pod, its limit is one where no container asks for anything.
    let whole = pod.resources.as_ref();
    for (name, limit) in amounts(whole.and_then(|it| it.limits.as_ref())) {
        sum.entry(name).or_insert(limit);
    }
    sum.extend(amounts(whole.and_then(|it| it.requests.as_ref())));
    add(&mut sum, &amounts(pod.overhead.as_ref()), 1);
    sum.insert("pods".into(), 1000);
    sum
}

/// The most that runs at once: all containers beside all sidecars, or an init container beside the sidecars before it. A
/// sidecar is an init container that is always restarted (`k8s.io/component-helpers/resource`).
pub fn of_containers(pod: &PodSpec, of: impl Fn(&Container) -> Amounts) -> Amounts {
    let (mut sidecars, mut most) = (Amounts::new(), Amounts::new());
    for container in pod.init_containers.iter().flatten() {
        let mut beside = sidecars.clone();
        add(&mut beside, &of(container), 1);
        if container.restart_policy.as_deref() == Some("Always") {
            sidecars.clone_from(&beside);
        }
        for (name, amount) in beside {
            let known = most.entry(name).or_default();
            *known = amount.max(*known);
        }
    }
    let mut sum = sidecars;
    for container in &pod.containers {
        add(&mut sum, &of(container), 1);
    }
    for (name, amount) in most {
        let known = sum.entry(name).or_default();
        *known = amount.max(*known);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn cpu(pod: Value) -> i128 {
        let pod: PodSpec = serde_json::from_value(pod).expect("a pod");
        requests(&pod)["cpu"]
    }

    fn container(cpu: &str, restart: Option<&str>) -> Value {
        json!({ "name": "c", "restartPolicy": restart, "resources": { "requests": { "cpu": cpu } } })
    }

    /// As `PodRequests` of `k8s.io/component-helpers/resource` has them.
    #[test]
    fn a_pod_asks_for_the_most_that_runs_at_once() {
        let sidecar = |cpu: &str| container(cpu, Some("Always"));
        let first = |cpu: &str| container(cpu, None);
        for (init, containers, expected) in [
            (vec![], vec![first("1"), first("2")], 3_000),
            (vec![first("4")], vec![first("1")], 4_000),
            (vec![first("1")], vec![first("4")], 4_000),
            (vec![sidecar("1")], vec![first("4")], 5_000),
            (vec![sidecar("1"), sidecar("2")], vec![first("4")], 7_000),
            (vec![sidecar("1"), first("9")], vec![first("4")], 10_000),
            (vec![first("9"), sidecar("1")], vec![first("4")], 9_000),
        ] {
            let pod = json!({ "initContainers": init, "containers": containers });
            assert_eq!(cpu(pod.clone()), expected, "{pod}");
        }
    }

    #[test]
    fn what_the_pod_as_a_whole_asks_for_comes_first() {
        let whole = |resources: Value| json!({ "containers": [container("1", None)], "resources": resources });
        assert_eq!(cpu(whole(json!({ "requests": { "cpu": "3" } }))), 3_000);
        assert_eq!(cpu(whole(json!({ "limits": { "cpu": "3" } }))), 1_000);
        let open = json!({ "containers": [{ "name": "c" }], "resources": { "limits": { "cpu": "3" } }, "overhead": { "cpu": "1" } });
        assert_eq!(cpu(open), 4_000);
    }
}
