//! Whether pods get what they need.

use uninlu_helm_template::yaml::step;
use uninlu_settings::Precision;
use uninlu_stack::Quantity;
use uninlu_text::words::human_bytes;

use super::fields::{Fields, quantity};
use super::{Check, Pod, Rule, Spot, Subject, Verdict};

pub(super) const RULES: [Rule; 4] = [
    Rule {
        id: "limit-below-request",
        title: "no limit is below its request",
        why: "the API server refuses such a pod",
        fix: "raise the limit or lower the request",
        keys: &["resources"],
        checks: &[Check::Pod(limit_below_request)],
        ..Rule::ERROR
    },
    Rule {
        id: "resources-missing",
        title: "CPU and memory are requested, and memory is limited",
        why: "the scheduler places a pod by its requests; one without a memory limit can take its node's, and others' pods with it",
        fix: "write `[resources]`",
        keys: &["resources"],
        checks: &[Check::Pod(resources_missing)],
        ..Rule::WARNING
    },
    Rule {
        id: "memory-for-model",
        title: "the memory limit holds the model",
        why: "the kernel ends a process that goes above its limit: the pod never becomes ready, or dies under load",
        fix: "raise `memory.limit`, with room above what is needed",
        keys: &["resources.memory.limit", "resources.memory"],
        checks: &[Check::Planned(memory_for_model)],
        ..Rule::ERROR
    },
    Rule {
        id: "memory-request",
        title: "the memory request covers what a ready pod takes",
        why: "the scheduler counts requests: a node with too many such pods runs out of memory and evicts some",
        fix: "raise `memory.request` to what was measured",
        keys: &["resources.memory.request", "resources.memory"],
        checks: &[Check::Planned(memory_request)],
        ..Rule::WARNING
    },
];

/// Why a rule that needs a profile finds nothing.
pub(super) const NO_PROFILE: &str = "there is no profile; `uninlu rehearse` measures one";

fn limit_below_request<'a>(pod: &Pod<'a>) -> Vec<Spot<'a>> {
    Spot::in_containers(pod, |at, container| {
        let resources = &container["resources"];
        let pointer = format!("{at}/resources/limits");
        let limits = resources["limits"].as_object().into_iter().flatten();
        limits.filter_map(move |(resource, limit)| {
            let (limit, request) = (
                quantity(limit)?,
                quantity(&resources["requests"][resource])?,
            );
            let what = format!("has the {resource} limit {limit} below the request {request}");
            (limit < request).then(|| (step(&pointer, resource), what))
        })
    })
}

fn resources_missing<'a>(pod: &Pod<'a>) -> Vec<Spot<'a>> {
    let wanted = [
        ("requests", "cpu"),
        ("requests", "memory"),
        ("limits", "memory"),
    ];
    Spot::in_containers(pod, |at, container| {
        let resources = &container["resources"];
        // A limit without a request is the request.
        let is_missing = |(bound, resource): &&(&str, &str)| {
            let is_limited = *bound == "requests" && !resources["limits"][resource].is_null();
            resources[bound][resource].is_null() && !is_limited
        };
        let missing = wanted.iter().filter(is_missing);
        let missing: Vec<String> = missing
            .map(|(bound, resource)| format!("{bound}.{resource}"))
            .collect();
        let what = format!("has no {}", missing.join(", "));
        (!missing.is_empty()).then(|| (format!("{at}/resources"), what))
    })
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
    let pod = subject.pod();
    let pointer = pod.in_container(&format!("/resources/{bound}/memory"));
    quantity(pod.object.at(&pointer)?)
}
