//! Whether the autoscaler can do what it is for.

use serde_json::Value;
use uninlu_objects::prometheus;
use uninlu_plan::replicas::HAND_OVER_MANAGER;
use uninlu_stack::Quantity;

use super::fields::{Fields, quantity};
use super::resources::NO_PROFILE;
use super::running::objects as live;
use super::{Check, Listing, Objects, Rule, Spot, Subject, Verdict};

pub(super) const RULES: [Rule; 6] = [
    Rule {
        id: "autoscaling-range",
        aliases: &["autoscaler-range"],
        title: "the autoscaler has room to scale",
        why: "an autoscaler whose minimum is its maximum never changes anything, and still owns the number of pods; the API server refuses a maximum below the minimum",
        fix: "raise `max`, or write a fixed `replicas` instead of `[autoscaling]`",
        keys: &[
            "autoscaling.replicas.max",
            "autoscaling.replicas.min",
            "autoscaling.replicas",
            "autoscaling",
        ],
        checks: &[Check::Objects(range)],
        ..Rule::WARNING
    },
    Rule {
        id: "autoscaling-target",
        aliases: &["cpu-target-out-of-reach"],
        title: "the autoscaler's CPU target can be exceeded",
        why: "the kernel holds a pod at its limit: a target at or above it is never exceeded, and no pod is added",
        fix: "lower the target, or raise the limit",
        keys: &["autoscaling.cpu", "resources.cpu.limit", "autoscaling"],
        checks: &[Check::Objects(target), Check::Planned(no_target)],
        ..Rule::ERROR
    },
    Rule {
        id: "cpu-target-without-request",
        title: "a CPU target has a CPU request to count in",
        why: "the target is a percentage of the request: without one the autoscaler cannot compute it, and does not scale",
        fix: "set a CPU request (`[resources] cpu.request`)",
        keys: &["resources.cpu.request", "resources.cpu", "autoscaling.cpu"],
        checks: &[Check::Objects(target_without_request)],
        ..Rule::ERROR
    },
    Rule {
        id: "autoscaling-capacity",
        title: "pods are added before one is overloaded",
        why: "a pod is overloaded, and refuses requests, before the autoscaler sees a reason to add another",
        fix: "set the target below what a pod carries, with room for the minute until a new one serves",
        keys: &["autoscaling.requests-per-second"],
        checks: &[Check::Planned(capacity)],
        ..Rule::ERROR
    },
    Rule {
        id: "replicas-contended",
        aliases: &["replicas-beside-autoscaler"],
        title: "one owner decides how many pods run",
        why: "each apply would set the number back that the autoscaler chose, and drop pods under load",
        fix: "leave `replicas` out of the Deployment while an autoscaler is declared",
        keys: &["replicas", "autoscaling"],
        checks: &[Check::Objects(contended)],
        ..Rule::ERROR
    },
    Rule {
        id: "metric-missing",
        aliases: &["requests-metric"],
        title: "the metric that the autoscaler reads is served",
        why: "without its metric the autoscaler never adds a pod",
        fix: "install the Prometheus Adapter with the rule that `uninlu render adapter` prints, and let Prometheus scrape the pods (`uninlu render service-monitor`)",
        keys: &["autoscaling.requests-per-second"],
        checks: &[
            Check::Planned(metric),
            Check::Settling(live::requests_metric),
        ],
        ..Rule::ERROR
    },
];

fn range<'a>(objects: &Objects<'a>) -> Vec<Spot<'a>> {
    let field = "/spec/maxReplicas";
    let (min, ..) = objects.minimum();
    let autoscaler = objects.autoscaler.into_iter();
    let spots = autoscaler.filter_map(|autoscaler| {
        let max = autoscaler.int(field).filter(|max| *max <= i64::from(min))?;
        let what = format!("its minimum is {min}, its maximum {max}");
        Some(Spot::at(autoscaler, field, what))
    });
    spots.collect()
}

/// The targets in percent of the CPU request, each with its pointer.
fn cpu_targets(objects: &Objects) -> Vec<(String, i64)> {
    let metrics = objects.metrics().into_iter();
    let targets = metrics.filter_map(|(pointer, metric)| {
        let source = match metric["resource"].is_object() {
            true => "resource",
            false => "containerResource",
        };
        let target = objects.pod.cpu_target(metric)?;
        let field = format!("{pointer}/{source}/target/averageUtilization");
        Some((field, target))
    });
    targets.collect()
}

fn cpu(objects: &Objects, bound: &str) -> Option<Quantity> {
    let pod = &objects.pod;
    quantity(
        pod.object
            .at(&pod.in_container(&format!("/resources/{bound}/cpu")))?,
    )
}

/// Request and limit of the server's CPU, where the target is not below the limit. A limit without a request is the
/// request.
fn out_of_reach(objects: &Objects, target: i64) -> Option<(Quantity, Quantity)> {
    let limit = cpu(objects, "limits")?;
    let request = cpu(objects, "requests").unwrap_or_else(|| limit.clone());
    (i128::from(target) * request.milli >= limit.milli * 100).then_some((request, limit))
}

/// Whether pods can use more CPU than the target, in percent of the request.
pub fn is_cpu_target_in_reach(objects: &Objects, target: i64) -> bool {
    out_of_reach(objects, target).is_none()
}

fn target<'a>(objects: &Objects<'a>) -> Vec<Spot<'a>> {
    let Some(autoscaler) = objects.autoscaler else {
        return Vec::new();
    };
    let targets = cpu_targets(objects).into_iter();
    targets
        .filter_map(|(pointer, target)| {
            let (request, limit) = out_of_reach(objects, target)?;
            let what = format!(
                "a target of {target} % of the request {request} is not below the limit {limit}"
            );
            Some(Spot::at(autoscaler, &pointer, what))
        })
        .collect()
}

/// Kubernetes takes 80 % of the CPU request then, which no stack means.
fn no_target(subject: &Subject) -> Verdict {
    let objects = subject.objects();
    (objects.autoscaler.is_some() && objects.metrics().is_empty())
        .then(|| "the autoscaler has no target at all".to_owned())
        .into()
}

fn target_without_request<'a>(objects: &Objects<'a>) -> Vec<Spot<'a>> {
    let (Some(autoscaler), None) = (
        objects.autoscaler,
        cpu(objects, "requests").or_else(|| cpu(objects, "limits")),
    ) else {
        return Vec::new();
    };
    let targets = cpu_targets(objects).into_iter();
    targets
        .map(|(pointer, target)| {
            let what = format!(
                "the target is {target} % of a CPU request that the container does not have"
            );
            Spot::at(autoscaler, &pointer, what)
        })
        .collect()
}

/// The metrics of pods that it reads.
fn of_pods<'a>(subject: &Subject<'a>) -> Vec<&'a Value> {
    let metrics = subject.objects().metrics().into_iter();
    metrics
        .map(|(_, metric)| metric)
        .filter(|metric| metric["type"] == "Pods")
        .collect()
}

fn capacity(subject: &Subject) -> Verdict {
    let targets: Vec<f64> = of_pods(subject)
        .into_iter()
        .filter_map(|metric| quantity(&metric["pods"]["target"]["averageValue"]))
        .map(|target| target.milli as f64 / 1000.0)
        .collect();
    let saturation = match &subject.facts.profile {
        _ if targets.is_empty() => return Verdict::default(),
        Some(profile) => &profile.saturation,
        None => return Verdict::unknown(NO_PROFILE),
    };
    targets
        .into_iter()
        .filter(|target| *target >= saturation.requests_per_second)
        .map(|target| {
            format!(
                "its target is {target} requests per second and pod; one was measured to carry {} (texts of {} characters, 95 of 100 below {} s)",
                saturation.requests_per_second, saturation.characters, saturation.objective
            )
        })
        .collect()
}

fn contended<'a>(objects: &Objects<'a>) -> Vec<Spot<'a>> {
    let field = "/spec/replicas";
    let (Some(_), Some(replicas)) = (objects.autoscaler, objects.deployment.at(field)) else {
        return Vec::new();
    };
    // A live Deployment always has the field; whose it is stands in `managedFields`.
    if objects.is_live && !is_set_by_tool(objects.deployment) {
        return Vec::new();
    }
    let what = format!("the Deployment sets {replicas} replicas beside an autoscaler");
    vec![Spot::at(objects.deployment, field, what)]
}

/// Whether a tool sets `replicas` of a live Deployment, and not the autoscaler or the hand-over of `uninlu` itself.
fn is_set_by_tool(live: &Value) -> bool {
    let managers = live["metadata"]["managedFields"].as_array();
    managers.into_iter().flatten().any(|entry| {
        let name = entry["manager"].as_str().unwrap_or_default();
        let is_other = entry["subresource"] != "scale"
            && name != HAND_OVER_MANAGER
            && name != "kube-controller-manager";
        is_other && !entry["fieldsV1"]["f:spec"]["f:replicas"].is_null()
    })
}

fn metric(subject: &Subject) -> Verdict {
    if of_pods(subject).is_empty() {
        return Verdict::default();
    }
    match &subject.facts.cluster.metric {
        Ok(Listing::Listed) => Verdict::default(),
        // Were this found, no stack could ever be deployed for the first time.
        Ok(Listing::Unlisted) if subject.is_first_deployment() => {
            Verdict::unknown("a metric is listed once a pod has a value of it, and none runs yet")
        }
        Ok(Listing::Unlisted) => Some(format!(
            "the cluster's custom metrics API does not serve `pods/{}`",
            prometheus::REQUESTS_PER_SECOND
        ))
        .into(),
        Ok(Listing::NoApi) => Some("the cluster has no custom metrics API".to_owned()).into(),
        Err(reason) => Verdict::unknown(reason),
    }
}
