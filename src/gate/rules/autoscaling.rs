//! Whether the autoscaler can do what it is for.

use serde_json::Value;

use super::NO_PROFILE;
use super::resources::quantity;
use crate::gate::{Listing, Rule, Severity, Subject, Verdict};
use crate::kinds::{Kind, prometheus};

pub(super) const RULES: [Rule; 5] = [
    Rule {
        id: "autoscaling-range",
        severity: Severity::Warning,
        title: "the autoscaler has room to scale",
        why: "an autoscaler whose minimum is its maximum never changes anything, and still owns the number of pods",
        mend: "raise `max`, or write a fixed `replicas` instead of `[autoscaling]`",
        keys: &[
            "autoscaling.replicas.max",
            "autoscaling.replicas.min",
            "autoscaling.replicas",
            "autoscaling",
        ],
        check: range,
    },
    Rule {
        id: "autoscaling-target",
        severity: Severity::Error,
        title: "the autoscaler's CPU target can be exceeded",
        why: "the kernel holds a pod at its limit: a target at or above it is never exceeded, and no pod is added",
        mend: "lower the target, or raise the limit",
        keys: &["autoscaling.cpu", "resources.cpu.limit", "autoscaling"],
        check: target,
    },
    Rule {
        id: "autoscaling-capacity",
        severity: Severity::Error,
        title: "pods are added before one is overloaded",
        why: "a pod is overloaded, and refuses requests, before the autoscaler sees a reason to add another",
        mend: "set the target below what a pod carries, with room for the minute until a new one serves",
        keys: &["autoscaling.requests-per-second"],
        check: capacity,
    },
    Rule {
        id: "replicas-contended",
        severity: Severity::Error,
        title: "one owner decides how many pods run",
        why: "each apply would set the number back that the autoscaler chose, and drop pods under load",
        mend: "leave `replicas` out of the Deployment while an autoscaler is declared",
        keys: &["replicas", "autoscaling"],
        check: contended,
    },
    Rule {
        id: "metric-missing",
        severity: Severity::Error,
        title: "the metric that the autoscaler reads is served",
        why: "without its metric the autoscaler never adds a pod",
        mend: "install the Prometheus adapter with the rule that `uninlu render adapter` prints",
        keys: &["autoscaling.requests-per-second"],
        check: metric,
    },
];

fn spec<'a>(subject: &Subject<'a>) -> &'a Value {
    &subject.body(Kind::HorizontalPodAutoscaler)["spec"]
}

/// The metrics of that type.
fn metrics<'a>(subject: &Subject<'a>, kind: &'static str) -> impl Iterator<Item = &'a Value> {
    let all = spec(subject)["metrics"].as_array().into_iter().flatten();
    all.filter(move |metric| metric["type"] == kind)
}

fn range(subject: &Subject) -> Verdict {
    let spec = spec(subject);
    let (min, max) = (subject.minimum(), spec["maxReplicas"].as_u64());
    max.filter(|max| *max <= u64::from(min))
        .map(|max| format!("its minimum is {min}, its maximum {max}"))
        .into()
}

fn target(subject: &Subject) -> Verdict {
    if spec(subject).is_null() {
        return Verdict::default();
    }
    if spec(subject)["metrics"]
        .as_array()
        .is_none_or(Vec::is_empty)
    {
        return Some("the autoscaler has no target at all".to_owned()).into();
    }
    let resources = &subject.server()["resources"];
    let (Some(request), Some(limit)) = (
        quantity(&resources["requests"]["cpu"]),
        quantity(&resources["limits"]["cpu"]),
    ) else {
        return Verdict::default();
    };
    let of_cpu = metrics(subject, "Resource").filter(|metric| metric["resource"]["name"] == "cpu");
    of_cpu
        .filter_map(|metric| metric["resource"]["target"]["averageUtilization"].as_i64())
        .filter(|target| i128::from(*target) * request.milli >= limit.milli * 100)
        .map(|target| {
            format!(
                "a target of {target} % of the request {request} is not below the limit {limit}"
            )
        })
        .collect()
}

fn capacity(subject: &Subject) -> Verdict {
    let targets: Vec<f64> = metrics(subject, "Pods")
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

fn contended(subject: &Subject) -> Verdict {
    let replicas = &subject.body(Kind::Deployment)["spec"]["replicas"];
    (!spec(subject).is_null() && !replicas.is_null())
        .then(|| format!("the Deployment sets {replicas} replicas beside an autoscaler"))
        .into()
}

fn metric(subject: &Subject) -> Verdict {
    if metrics(subject, "Pods").next().is_none() {
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
        Ok(Listing::NoApi) => {
            Some("nobody serves the custom metrics API of the cluster".to_owned()).into()
        }
        Err(reason) => Verdict::unknown(reason),
    }
}
