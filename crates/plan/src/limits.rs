//! What a LimitRange refuses, as the API server's admission reckons (`plugin/pkg/admission/limitranger`): its defaults fill
//! what a container leaves open, then each bound is held against requests and limits.

use k8s_openapi::api::core::v1::{Container, LimitRange, LimitRangeItem, PodSpec};

use super::room::amount;
use uninlu_objects::amounts::{Amounts, amounts, limits_of, of_containers, requests_of};

/// Requests and limits of a container or of a whole pod.
#[derive(Debug, Clone)]
struct Asks {
    requests: Amounts,
    limits: Amounts,
}

/// Why the API server will refuse the pod, one clause for each bound of each LimitRange.
pub(super) fn refusals(ranges: &[LimitRange], pod: &PodSpec) -> Vec<String> {
    let filled = filled(ranges, pod);
    ranges
        .iter()
        .flat_map(|range| refusals_of(range, &filled))
        .collect()
}

/// The pod as admission leaves it: all LimitRanges fill it before any holds it to its bounds.
pub(super) fn filled(ranges: &[LimitRange], pod: &PodSpec) -> PodSpec {
    let mut filled = pod.clone();
    let first = filled.init_containers.iter_mut().flatten();
    let containers = filled.containers.iter_mut().chain(first);
    containers.for_each(|container| {
        let items = ranges.iter().flat_map(items);
        items
            .filter(|item| item.type_ == "Container")
            .for_each(|item| fill(container, item));
    });
    filled
}

fn items(range: &LimitRange) -> impl Iterator<Item = &LimitRangeItem> {
    range.spec.iter().flat_map(|spec| &spec.limits)
}

/// A limit without a request is a request before any LimitRange is asked.
fn fill(container: &mut Container, item: &LimitRangeItem) {
    let resources = container.resources.get_or_insert_default();
    let requests = resources.requests.get_or_insert_default();
    for (name, limit) in resources.limits.iter().flatten() {
        requests.entry(name.clone()).or_insert(limit.clone());
    }
    for (name, value) in item.default_request.iter().flatten() {
        requests.entry(name.clone()).or_insert(value.clone());
    }
    let limits = resources.limits.get_or_insert_default();
    for (name, value) in item.default.iter().flatten() {
        limits.entry(name.clone()).or_insert(value.clone());
    }
}

fn refusals_of(range: &LimitRange, filled: &PodSpec) -> Vec<String> {
    let name = range.metadata.name.as_deref().unwrap_or_default();
    let whole = Asks {
        requests: of_containers(filled, requests_of),
        limits: of_containers(filled, limits_of),
    };
    let first = filled.init_containers.iter().flatten();
    let containers = filled.containers.iter().chain(first);
    let each: Vec<Asks> = containers.map(Asks::of).collect();
    let mut refused = Vec::new();
    for item in items(range) {
        match item.type_.as_str() {
            "Container" => {
                let above = each.iter().flat_map(|asks| asks.above_itself(item));
                refused.extend(above);
                refused.extend(each.iter().flat_map(|asks| bounds(item, asks)));
            }
            "Pod" => refused.extend(bounds(item, &whole)),
            _ => (),
        }
    }
    refused.dedup();
    let words = |why| format!("the LimitRange `{name}` refuses the pods: {why}");
    refused.into_iter().map(words).collect()
}

impl Asks {
    fn of(container: &Container) -> Self {
        Self {
            requests: requests_of(container),
            limits: limits_of(container),
        }
    }

    /// A default limit may lie below what is asked for.
    fn above_itself(&self, item: &LimitRangeItem) -> Vec<String> {
        let defaults = amounts(item.default.as_ref());
        let over = |(name, limit): (&String, &i128)| {
            let request = self
                .requests
                .get(name)
                .filter(|request| *limit < **request)?;
            let is_its_own = self.limits.get(name) == Some(limit);
            is_its_own.then(|| {
                format!(
                    "its default {name} limit {} is below the request {}",
                    amount(name, *limit),
                    amount(name, *request)
                )
            })
        };
        defaults.iter().filter_map(over).collect()
    }
}

fn bounds(item: &LimitRangeItem, asks: &Asks) -> Vec<String> {
    let kind = &item.type_;
    let (request, limit) = (("request", &asks.requests), ("limit", &asks.limits));
    let least = amounts(item.min.as_ref()).into_iter();
    let least = least.filter_map(|(name, bound)| {
        let rule = format!("at least {name} {} for each {kind}", amount(&name, bound));
        beyond(&rule, &name, [request, limit], |value| value < bound)
    });
    let most = amounts(item.max.as_ref()).into_iter();
    let most = most.filter_map(|(name, bound)| {
        let rule = format!("at most {name} {} for each {kind}", amount(&name, bound));
        beyond(&rule, &name, [limit, request], |value| value > bound)
    });
    let ratios = amounts(item.max_limit_request_ratio.as_ref()).into_iter();
    let ratios = ratios.filter_map(|(name, bound)| stretched(kind, &name, bound, asks));
    least.chain(most).chain(ratios).collect()
}

/// The first of the sides has to be set; both have to keep within the bound.
fn beyond(
    rule: &str,
    name: &str,
    sides: [(&str, &Amounts); 2],
    is_beyond: impl Fn(i128) -> bool,
) -> Option<String> {
    let [(first, set), _] = sides;
    if !set.contains_key(name) {
        return Some(format!("{rule}, and no {first} is set"));
    }
    sides.into_iter().find_map(|(side, amounts)| {
        let value = amounts
            .get(name)
            .copied()
            .filter(|value| is_beyond(*value))?;
        Some(format!("{rule}, and the {side} is {}", amount(name, value)))
    })
}

/// `bound` is a number in thousandths, as every quantity here.
fn stretched(kind: &str, name: &str, bound: i128, asks: &Asks) -> Option<String> {
    let set = |amounts: &Amounts| amounts.get(name).copied().filter(|value| *value > 0);
    let ratio = bound as f64 / 1000.0;
    let rule = format!("a {name} limit of at most {ratio} times the request for each {kind}");
    match (set(&asks.requests), set(&asks.limits)) {
        (None, _) => Some(format!("{rule}, and no request is set")),
        (_, None) => Some(format!("{rule}, and no limit is set")),
        (Some(request), Some(limit)) => (limit * 1000 > request * bound).then(|| {
            format!(
                "{rule}, and it is {:.2} times",
                limit as f64 / request as f64
            )
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn refused(limits: Value, resources: Value) -> Vec<String> {
        let range = json!({ "metadata": { "name": "bounds" }, "spec": { "limits": limits } });
        let pod = json!({ "containers": [{ "name": "server", "resources": resources }] });
        let range = serde_json::from_value(range).expect("a LimitRange");
        refusals(&[range], &serde_json::from_value(pod).expect("a pod"))
    }

    fn range(name: &str, item: Value) -> LimitRange {
        let range = json!({ "metadata": { "name": name }, "spec": { "limits": [item] } });
        serde_json::from_value(range).expect("a LimitRange")
    }

    #[test]
    fn what_one_range_fills_is_held_to_the_bounds_of_another() {
        let most = range(
            "most",
            json!({ "type": "Container", "max": { "cpu": "4" } }),
        );
        let default = |cpu: &str| {
            let item = json!({ "type": "Container", "default": { "cpu": cpu } });
            range("default", item)
        };
        let pod = json!({ "containers": [{ "name": "server", "resources": usual() }] });
        let pod: PodSpec = serde_json::from_value(pod).expect("a pod");
        let refusals = |ranges: &[LimitRange]| refusals(ranges, &pod);
        assert_eq!(
            refusals(&[most.clone(), default("2")]),
            Vec::<String>::new()
        );
        let told = refusals(&[default("8"), most.clone()]);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(
            told[0].starts_with("the LimitRange `most` refuses the pods: at most cpu 4000m"),
            "{told:?}"
        );
        let told = refusals(&[most, default("500m")]);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(
            told[0].starts_with(
                "the LimitRange `default` refuses the pods: its default cpu limit 500m"
            ),
            "{told:?}"
        );
    }

    fn usual() -> Value {
        json!({ "requests": { "cpu": "1", "memory": "2Gi" }, "limits": { "memory": "2Gi" } })
    }

    #[test]
    fn what_each_bound_refuses() {
        let cases = [
            json!([{ "type": "Container", "max": { "memory": "1Gi" } }]),
            json!([{ "type": "Pod", "max": { "memory": "1Gi" } }]),
            json!([{ "type": "Container", "min": { "cpu": "2" } }]),
            json!([{ "type": "Container", "max": { "cpu": "4" } }]),
            json!([{ "type": "Container", "min": { "ephemeral-storage": "1Gi" } }]),
            json!([{ "type": "Container", "default": { "cpu": "8" }, "maxLimitRequestRatio": { "cpu": "4" } }]),
            json!([{ "type": "Container", "default": { "cpu": "500m" } }]),
        ];
        let told = cases.map(|limits| {
            format!(
                "{limits}\n  {}\n",
                refused(limits.clone(), usual()).join("\n  ")
            )
        });
        insta::assert_snapshot!(told.join(""));
    }

    #[test]
    fn what_lies_within_the_bounds_or_is_filled_by_defaults_is_fine() {
        for limits in [
            json!([]),
            json!([{ "type": "Container", "max": { "memory": "2Gi" }, "min": { "cpu": "1000m" } }]),
            json!([{ "type": "Container", "default": { "cpu": "4" }, "max": { "cpu": "4" } }]),
            json!([{ "type": "Container", "default": { "cpu": "4" }, "maxLimitRequestRatio": { "cpu": "4" } }]),
            json!([{ "type": "PersistentVolumeClaim", "max": { "storage": "1" } }]),
        ] {
            assert_eq!(
                refused(limits.clone(), usual()),
                Vec::<String>::new(),
                "{limits}"
            );
        }
    }
}
