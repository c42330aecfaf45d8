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

/// What the scheduler reckons for a pod: the sum of its containers or its largest init container, and the overhead.
pub fn requests(pod: &PodSpec) -> Amounts {
    let mut sum = of_containers(pod, requests_of);
    add(&mut sum, &amounts(pod.overhead.as_ref()), 1);
    sum.insert("pods".into(), 1000);
    sum
}

/// The sum over the containers, or the largest of the init containers where that is more.
pub fn of_containers(pod: &PodSpec, of: impl Fn(&Container) -> Amounts) -> Amounts {
    let mut sum = Amounts::new();
    for container in &pod.containers {
        add(&mut sum, &of(container), 1);
    }
    for container in pod.init_containers.iter().flatten() {
        for (name, amount) in of(container) {
            let known = sum.entry(name).or_default();
            *known = amount.max(*known);
        }
    }
    sum
}
