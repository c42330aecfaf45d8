//! Objects that name each other, the image, and what a pod gets.

use serde_json::Value;

use super::scaling::quantity;
use super::{Object, Rule, Spot};
use crate::gate::Severity;
use crate::import::view::{View, selects};

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "selector-mismatch",
        severity: Severity::Error,
        why: "it finds no pods: a Service answers nobody, a budget protects nothing, a Deployment is refused",
        mend: "select by labels that the pods' template has; a stack's selectors and labels come from one place",
        find: selectors,
    },
    Rule {
        id: "autoscaler-target",
        severity: Severity::Error,
        why: "it scales nothing",
        mend: "name the Deployment",
        find: target,
    },
    Rule {
        id: "port-mismatch",
        severity: Severity::Error,
        why: "connections to the Service are refused",
        mend: "let `targetPort` name a port of the container",
        find: port,
    },
    Rule {
        id: "image-tag-mutable",
        severity: Severity::Warning,
        why: "a tag may mean another image tomorrow: pods of one Deployment then run different code, and a rollback changes nothing",
        mend: "pin the digest (`[image] reference = \"…@sha256:…\"`), or let the stack build: its tag is the digest of what is built",
        find: mutable_tag,
    },
    Rule {
        id: "limit-below-request",
        severity: Severity::Error,
        why: "the API server refuses such a pod",
        mend: "raise the limit or lower the request",
        find: limits,
    },
    Rule {
        id: "resources-missing",
        severity: Severity::Warning,
        why: "without a memory request the node may have no room for the model, and the pod is the first to be evicted; without a limit a leak takes the node's other pods along",
        mend: "say `[resources] memory = { request = …, limit = … }`; a stack has a default",
        find: missing,
    },
];

fn selectors(view: &View<'_>) -> Vec<Spot> {
    let pods = view.deployment.entries("/spec/template/metadata/labels");
    let mut spots = Vec::new();
    let mut look = |object: Option<&Object>, pointer: &str| {
        let Some(object) = object else { return };
        let selector = object.entries(pointer);
        if selects(&selector, &pods) || selector.is_empty() {
            return;
        }
        let missed: Vec<String> = selector
            .iter()
            .filter(|(key, value)| pods.get(*key) != Some(value))
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        spots.push(Spot::at(
            object,
            pointer,
            format!("the pods have no label {}", missed.join(", ")),
        ));
    };
    look(Some(view.deployment), "/spec/selector/matchLabels");
    look(view.service, "/spec/selector");
    look(view.budget, "/spec/selector/matchLabels");
    look(view.policy, "/spec/podSelector/matchLabels");
    spots
}

fn target(view: &View<'_>) -> Vec<Spot> {
    let Some(autoscaler) = view.autoscaler else {
        return Vec::new();
    };
    let pointer = "/spec/scaleTargetRef/name";
    let name = autoscaler.text(pointer);
    if name == view.deployment.name() {
        return Vec::new();
    }
    let what = format!(
        "it scales `{name}`, and the Deployment is `{}`",
        view.deployment.name()
    );
    vec![Spot::at(autoscaler, pointer, what)]
}

fn port(view: &View<'_>) -> Vec<Spot> {
    let Some(service) = view.service else {
        return Vec::new();
    };
    let known = view.deployment.items(&view.in_container("/ports"));
    service
        .items("/spec/ports")
        .into_iter()
        .filter_map(|(pointer, port)| {
            let target = Some(&port["targetPort"])
                .filter(|target| !target.is_null())
                .unwrap_or(&port["port"]);
            let is_known = known
                .iter()
                .any(|(_, port)| port["name"] == *target || port["containerPort"] == *target);
            let what =
                format!("the Service leads to the port {target}, which the container has not");
            (!is_known && !known.is_empty())
                .then(|| Spot::at(service, &format!("{pointer}/targetPort"), what))
        })
        .collect()
}

fn mutable_tag(view: &View<'_>) -> Vec<Spot> {
    let pointer = view.in_container("/image");
    let image = view.deployment.text(&pointer);
    if image.contains('@') || image.is_empty() {
        return Vec::new();
    }
    vec![Spot::at(
        view.deployment,
        &pointer,
        format!("`{image}` is named by a tag"),
    )]
}

fn limits(view: &View<'_>) -> Vec<Spot> {
    let resources = view.in_container("/resources");
    let bound = |bound: &str, name: &str| {
        view.deployment
            .at(&format!("{resources}/{bound}/{name}"))
            .and_then(quantity)
    };
    ["cpu", "memory"]
        .into_iter()
        .filter_map(|name| {
            let (request, limit) = (bound("requests", name)?, bound("limits", name)?);
            let what = format!("{name}: the limit {limit} is below the request {request}");
            let pointer = format!("{resources}/limits/{name}");
            (limit < request).then(|| Spot::at(view.deployment, &pointer, what))
        })
        .collect()
}

fn missing(view: &View<'_>) -> Vec<Spot> {
    let resources = view.in_container("/resources");
    let has = |bound: &str| {
        view.deployment
            .at(&format!("{resources}/{bound}/memory"))
            .is_some_and(|it| *it != Value::Null)
    };
    let missing: Vec<&str> = [("limits", "limit"), ("requests", "request")]
        .into_iter()
        // A limit without a request is the request.
        .filter(|(bound, _)| !(has(bound) || *bound == "requests" && has("limits")))
        .map(|(_, word)| word)
        .collect();
    if missing.is_empty() {
        return Vec::new();
    }
    let what = format!("no memory {}", missing.join(" and no memory "));
    vec![Spot::at(view.deployment, &resources, what)]
}
