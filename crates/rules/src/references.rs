//! Objects that name each other.

use serde_json::Value;

use super::fields::Fields;
use super::{Check, Objects, Rule, Spot};

pub(super) const RULES: [Rule; 3] = [
    Rule {
        id: "selector-mismatch",
        title: "every selector finds the pods",
        why: "it finds no pods: a Service has no endpoints, a budget protects nothing, a Deployment is refused",
        fix: "select by labels that the pods' template has; a stack's selectors and labels come from one place",
        checks: &[Check::Objects(selectors)],
        ..Rule::ERROR
    },
    Rule {
        id: "autoscaler-target",
        title: "the autoscaler scales the Deployment",
        why: "it scales nothing",
        fix: "name the Deployment",
        checks: &[Check::Objects(target)],
        ..Rule::ERROR
    },
    Rule {
        id: "port-mismatch",
        title: "the Service leads to a port of the container",
        why: "connections to the Service are refused",
        fix: "let `targetPort` name a port of the container",
        checks: &[Check::Objects(port)],
        ..Rule::ERROR
    },
];

fn selectors<'a>(objects: &Objects<'a>) -> Vec<Spot<'a>> {
    let pods = objects.labels();
    let mut spots = Vec::new();
    let mut look = |object: Option<&'a Value>, pointer: &str| {
        let Some(object) = object else { return };
        let selector = object.entries(pointer);
        let missed: Vec<String> = selector
            .iter()
            .filter(|(key, value)| pods.get(*key) != Some(value))
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        if !missed.is_empty() {
            let what = format!("the pods have no label {}", missed.join(", "));
            spots.push(Spot::at(object, pointer, what));
        }
    };
    look(Some(objects.deployment), "/spec/selector/matchLabels");
    look(objects.service, "/spec/selector");
    look(objects.budget, "/spec/selector/matchLabels");
    look(objects.policy, "/spec/podSelector/matchLabels");
    spots
}

fn target<'a>(objects: &Objects<'a>) -> Vec<Spot<'a>> {
    let pointer = "/spec/scaleTargetRef/name";
    let deployment = objects.deployment.name();
    let missed = objects.autoscaler.into_iter();
    missed
        .filter(|autoscaler| autoscaler.text(pointer) != deployment)
        .map(|autoscaler| {
            let name = autoscaler.text(pointer);
            let what = format!("it scales `{name}`, and the Deployment is `{deployment}`");
            Spot::at(autoscaler, pointer, what)
        })
        .collect()
}

fn port<'a>(objects: &Objects<'a>) -> Vec<Spot<'a>> {
    let Some(service) = objects.service else {
        return Vec::new();
    };
    let pod = &objects.pod;
    let known = pod.object.items(&pod.in_container("/ports"));
    let is_known = |target: &Value| {
        let mut ports = known.iter();
        ports.any(|(_, port)| port["name"] == *target || port["containerPort"] == *target)
    };
    let ports = service.items("/spec/ports").into_iter();
    ports
        .filter_map(|(pointer, port)| {
            let target = Some(&port["targetPort"]).filter(|target| !target.is_null());
            let target = target.unwrap_or(&port["port"]);
            let what = format!("it leads to the port {target}, which the container does not have");
            (!is_known(target) && !known.is_empty())
                .then(|| Spot::at(service, &format!("{pointer}/targetPort"), what))
        })
        .collect()
}
