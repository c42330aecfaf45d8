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

/// Why the API server will refuse the pod, one clause for each bound.
pub(super) fn refusals(range: &LimitRange, pod: &PodSpec) -> Vec<String> {
    let name = range.metadata.name.as_deref().unwrap_or_default();
    let items: Vec<&LimitRangeItem> = range.spec.iter().flat_map(|spec| &spec.limits).collect();
    let filled = |container: &Container| {
        let of_containers = items.iter().filter(|item| item.type_ == "Container");
        of_containers.fold(Asks::of(container), |asks, item| asks.with_defaults(item))
    };
    let whole = Asks {
        requests: of_containers(pod, |container| filled(container).requests),
        limits: of_containers(pod, |container| filled(container).limits),
    };
    let first = pod.init_containers.iter().flatten();
    let each: Vec<Asks> = pod.containers.iter().chain(first).map(filled).collect();
    let mut refused: Vec<String> = each.iter().flat_map(Asks::above_itself).collect();
    for item in &items {
        match item.type_.as_str() {
            "Container" => refused.extend(each.iter().flat_map(|asks| bounds(item, asks))),
            "Pod" => refused.extend(bounds(item, &whole)),
            _ => (),
        }
    }
    refused.dedup();
    let words = |why| {
        format!(
            "the LimitRange `{name}` refuses the pods: {why}; set `[resources]` within its bounds"
        )
    };
    refused.into_iter().map(words).collect()
}

impl Asks {
    fn of(container: &Container) -> Self {
        Self {
            requests: requests_of(container),
            limits: limits_of(container),
        }
    }

    fn with_defaults(mut self, item: &LimitRangeItem) -> Self {
        for (name, value) in amounts(item.default_request.as_ref()) {
            self.requests.entry(name).or_insert(value);
        }
        for (name, value) in amounts(item.default.as_ref()) {
            self.limits.entry(name).or_insert(value);
        }
        self
    }

    /// A default limit may lie below what is asked for.
    fn above_itself(&self) -> Vec<String> {
        let over = |(name, request): (&String, &i128)| {
            let limit = self.limits.get(name).filter(|limit| *limit < request)?;
            Some(format!(
                "its default {name} limit {} is below the request {}",
                amount(name, *limit),
                amount(name, *request)
            ))
        };
        self.requests.iter().filter_map(over).collect()
    }
}

fn bounds(item: &LimitRangeItem, asks: &Asks) -> Vec<String> {
    let kind = &item.type_;
    let least = amounts(item.min.as_ref()).into_iter();
    let least = least.filter_map(|(name, bound)| below(kind, &name, bound, asks));
    let most = amounts(item.max.as_ref()).into_iter();
    let most = most.filter_map(|(name, bound)| above(kind, &name, bound, asks));
    let ratios = amounts(item.max_limit_request_ratio.as_ref()).into_iter();
    let ratios = ratios.filter_map(|(name, bound)| stretched(kind, &name, bound, asks));
    least.chain(most).chain(ratios).collect()
}

fn below(kind: &str, name: &str, bound: i128, asks: &Asks) -> Option<String> {
    let rule = format!("at least {name} {} for each {kind}", amount(name, bound));
    let request = asks.requests.get(name);
    let under = |value: Option<&i128>| value.copied().filter(|value| *value < bound);
    match (request, under(request), under(asks.limits.get(name))) {
        (None, ..) => Some(format!("{rule}, and no request is set")),
        (_, Some(request), _) => Some(format!(
            "{rule}, and the request is {}",
            amount(name, request)
        )),
        (.., Some(limit)) => Some(format!("{rule}, and the limit is {}", amount(name, limit))),
        _ => None,
    }
}

fn above(kind: &str, name: &str, bound: i128, asks: &Asks) -> Option<String> {
    let rule = format!("at most {name} {} for each {kind}", amount(name, bound));
    let limit = asks.limits.get(name);
    let over = |value: Option<&i128>| value.copied().filter(|value| *value > bound);
    match (limit, over(limit), over(asks.requests.get(name))) {
        (None, ..) => Some(format!("{rule}, and no limit is set")),
        (_, Some(limit), _) => Some(format!("{rule}, and the limit is {}", amount(name, limit))),
        (.., Some(request)) => Some(format!(
            "{rule}, and the request is {}",
            amount(name, request)
        )),
        _ => None,
    }
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
        refusals(&range, &serde_json::from_value(pod).expect("a pod"))
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
