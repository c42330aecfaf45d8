//! Whether pods get what they need.

use serde_json::Value;
use uninlu_settings::Precision;

use super::NO_PROFILE;
use crate::gate::subject::name;
use crate::gate::{Rule, Severity, Subject, Verdict};
use crate::stack::Quantity;
use crate::ui::human_bytes;

pub(super) const RULES: [Rule; 4] = [
    Rule {
        id: "limit-below-request",
        severity: Severity::Error,
        title: "no limit is below its request",
        why: "the API server refuses such a pod",
        mend: "raise the limit or lower the request",
        keys: &["resources"],
        check: limit_below_request,
    },
    Rule {
        id: "resources-missing",
        severity: Severity::Warning,
        title: "CPU and memory are requested, and memory is limited",
        why: "the scheduler places a pod by its requests; one without a memory limit can take its node's, and others' pods with it",
        mend: "write `[resources]`",
        keys: &["resources"],
        check: resources_missing,
    },
    Rule {
        id: "memory-for-model",
        severity: Severity::Error,
        title: "the memory limit holds the model",
        why: "the kernel ends a process that goes above its limit: the pod never becomes ready, or dies under load",
        mend: "raise `memory.limit`, with room above what is needed",
        keys: &["resources.memory.limit", "resources.memory"],
        check: memory_for_model,
    },
    Rule {
        id: "memory-request",
        severity: Severity::Warning,
        title: "the memory request covers what a ready pod takes",
        why: "the scheduler counts requests: a node with too many such pods runs out of memory and evicts some",
        mend: "raise `memory.request` to what was measured",
        keys: &["resources.memory.request", "resources.memory"],
        check: memory_request,
    },
];

/// A rendered quantity.
pub(super) fn quantity(rendered: &Value) -> Option<Quantity> {
    Quantity::parse(rendered.as_str()?).ok()
}

fn limit_below_request(subject: &Subject) -> Verdict {
    let mut found = Vec::new();
    for container in subject.containers() {
        let resources = &container["resources"];
        for (resource, limit) in resources["limits"].as_object().into_iter().flatten() {
            let bounds = (quantity(limit), quantity(&resources["requests"][resource]));
            if let (Some(limit), Some(request)) = bounds
                && limit < request
            {
                let name = name(container);
                found.push(format!(
                    "container `{name}`: the {resource} limit {limit} is below the request {request}"
                ));
            }
        }
    }
    found.into_iter().collect()
}

fn resources_missing(subject: &Subject) -> Verdict {
    let wanted = [
        ("requests", "cpu"),
        ("requests", "memory"),
        ("limits", "memory"),
    ];
    let mut found = Vec::new();
    for container in subject.containers() {
        let missing: Vec<String> = wanted
            .iter()
            .filter(|(bound, resource)| container["resources"][bound][resource].is_null())
            .map(|(bound, resource)| format!("{bound}.{resource}"))
            .collect();
        if !missing.is_empty() {
            found.push(format!(
                "container `{}` has no {}",
                name(container),
                missing.join(", ")
            ));
        }
    }
    found.into_iter().collect()
}

fn memory_for_model(subject: &Subject) -> Verdict {
    let Some(limit) = memory(subject, "limits") else {
        return Verdict::default();
    };
    match (&subject.facts.profile, least_memory(subject)) {
        (Some(profile), _) => (limit.units() < i128::from(profile.memory_peak))
            .then(|| {
                let peak = human_bytes(profile.memory_peak.unsigned_abs());
                format!("the limit is {limit}, and {peak} were measured")
            })
            .into(),
        (None, Some(weights)) => (limit.units() < i128::from(weights))
            .then(|| {
                let weights = human_bytes(weights);
                format!("the limit is {limit}, and the weights alone take {weights}")
            })
            .into(),
        (None, None) => Verdict::unknown(NO_PROFILE),
    }
}

/// What the weights take at least once they are loaded, in bytes: a file in fp32 shrinks with the precision.
fn least_memory(subject: &Subject) -> Option<u64> {
    let weights = subject
        .facts
        .weights
        .filter(|_| subject.stack.engine.gpus == 0)?;
    let precision = subject.stack.engine.precision;
    Some(weights * precision.bytes() / Precision::Fp32.bytes())
}

fn memory_request(subject: &Subject) -> Verdict {
    let Some(request) = memory(subject, "requests") else {
        return Verdict::default();
    };
    let Some(profile) = &subject.facts.profile else {
        return Verdict::unknown(NO_PROFILE);
    };
    (request.units() < i128::from(profile.memory_ready))
        .then(|| {
            let ready = human_bytes(profile.memory_ready.unsigned_abs());
            format!("the request is {request}, and a ready pod was measured to take {ready}")
        })
        .into()
}

/// Memory that the server requests, or may use.
fn memory(subject: &Subject, bound: &str) -> Option<Quantity> {
    quantity(&subject.server()["resources"][bound]["memory"])
}
