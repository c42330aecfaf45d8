//! Objects → what a stack says of them.

mod keys;
mod pods;
mod rest;
mod scaling;
mod service;

use std::collections::BTreeSet;

pub(super) use keys::Section;
pub use keys::{Draft, Given, Left};

use super::view::{View, deployments};
use super::{Object, Refused, Source};
use crate::kinds::{MANAGED_BY, MANAGER};
use crate::rules::Fields;

/// What a stack says of the objects.
///
/// # Errors
/// Without a Deployment: what could not be read, or what was read instead.
pub fn draft(source: &Source, given: &Given) -> Result<Draft, Refused> {
    let name = given.name.as_deref();
    let view = View::of(source, name).ok_or_else(|| refused(source, name))?;
    let mut draft = Draft::default();
    top(&view, given, &mut draft);
    cluster(&view, given, &mut draft);
    pods::image(&view, given, &mut draft);
    pods::model(&view, given, &mut draft);
    pods::server(&view, &mut draft);
    pods::engine(&view, &mut draft);
    pods::resources(&view, &mut draft);
    service::service(&view, &mut draft);
    pods::probes(&view, &mut draft);
    scaling::autoscaling(&view, &mut draft);
    scaling::disruption(&view, &mut draft);
    scaling::rollout(&view, &mut draft);
    service::network(&view, &mut draft);
    service::access(&view, &mut draft);
    rest::leave_rest(&view, &mut draft);
    service::leave_others(&view, &mut draft);
    Ok(draft)
}

/// Why there is no Deployment.
fn refused(source: &Source, name: Option<&str>) -> Refused {
    let names: Vec<&str> = deployments(source).iter().map(|it| it.name()).collect();
    if let (Some(name), false) = (name, names.is_empty()) {
        let found = format!(" with the name `{name}`: there is {}", names.join(", "));
        return Refused::NoDeployment { found };
    }
    let named = |object: &&Object| name.is_none_or(|name| object.name() == name);
    let others = || {
        let objects = source.objects.iter();
        objects.filter(|object| object.is_other_workload())
    };
    if let Some(other) = others().find(named).or(others().next()) {
        return of_other(other);
    }
    if let Some((place, reason)) = source.gaps.first() {
        return Refused::Unread {
            place: place.clone(),
            reason: reason.clone(),
            more: match source.gaps.len() {
                1 => String::new(),
                count => format!("; {} more places could not be read", count - 1),
            },
        };
    }
    let kinds: BTreeSet<&str> = source.objects.iter().map(|object| object.kind()).collect();
    let kinds: Vec<&str> = kinds.into_iter().collect();
    let found = match kinds.is_empty() {
        true => String::new(),
        false => format!(": it holds {}", kinds.join(", ")),
    };
    Refused::NoDeployment { found }
}

fn of_other(other: &Object) -> Refused {
    let place = other
        .places("/kind")
        .first()
        .map(|place| format!(" ({place})"));
    let kind = match other.kind() {
        "Service" | "Configuration" => format!("Knative {}", other.kind()),
        kind => kind.to_owned(),
    };
    let help = match other.kind() {
        "Job" | "CronJob" => "what runs to its end does not serve: name the Deployment that serves",
        "Pod" | "ReplicaSet" | "ReplicationController" => {
            "name the Deployment that makes it; a Pod that no controller made is not recreated"
        }
        _ => {
            "write a Deployment with the same pods' template, or begin with `uninlu init`; delete the other one when the stack serves"
        }
    };
    Refused::OtherWorkload {
        name: other.name().to_owned(),
        place: place.unwrap_or_default(),
        kind,
        help: help.to_owned(),
    }
}

/// Labels that are a tool's, or that the stack sets itself.
const OTHERS_LABELS: [&str; 7] = [
    "app.kubernetes.io/",
    "applyset.kubernetes.io/",
    "helm.sh/",
    "pod-template-hash",
    "release",
    "chart",
    "heritage",
];

fn top(view: &View<'_>, given: &Given, draft: &mut Draft) {
    let found = match (&view.source.chart, view.source.is_installed) {
        (Some(chart), false) => chart.clone(),
        _ => view.deployment.name().to_owned(),
    };
    let name = given.name.clone().unwrap_or(found);
    let usable = usable_name(&name);
    match usable == name {
        true => draft.set("", "name", name),
        false => draft.fix(
            "",
            "name",
            usable,
            format!("`{name}` cannot be the name of a Service and of its pods"),
        ),
    }
    let of_object = view.deployment.text("/metadata/namespace");
    let namespace = given
        .namespace
        .clone()
        .or_else(|| (!of_object.is_empty()).then(|| of_object.to_owned()));
    match namespace {
        Some(namespace) => draft.set("", "namespace", namespace),
        None => draft.ask(
            "",
            "namespace",
            "nlu",
            "a chart names no namespace; --namespace does",
        ),
    }
    if view.autoscaler.is_none() {
        let replicas = view.deployment.int("/spec/replicas").unwrap_or(1);
        match replicas > 0 {
            true => draft.set("", "replicas", replicas),
            false => draft.fix("", "replicas", 1, "it was 0, which deploys nothing"),
        }
    }
    let labels = view.deployment.entries("/spec/template/metadata/labels");
    for (key, value) in labels {
        if !OTHERS_LABELS.iter().any(|other| key.starts_with(other)) {
            draft.set("labels", &key, value);
        }
    }
}

/// Lower-case, begins with a letter, at most 46 characters, as a stack's name must be.
fn usable_name(name: &str) -> String {
    let letters = name
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect::<String>();
    let trimmed = letters.trim_start_matches(|c: char| !c.is_ascii_lowercase());
    let cut: String = trimmed.chars().take(46).collect();
    match cut.trim_end_matches('-') {
        "" => "siamese-uninlu".to_owned(),
        usable => usable.to_owned(),
    }
}

fn cluster(view: &View<'_>, given: &Given, draft: &mut Draft) {
    match &given.context {
        Some(context) => draft.set("cluster", "context", context.as_str()),
        None => draft.ask(
            "cluster",
            "context",
            "CONTEXT",
            "the one context that may be written to, of `kubectl config get-contexts -o name`; --context names it",
        ),
    }
    let namespaces = view
        .source
        .objects
        .iter()
        .filter(|object| object.kind() == "Namespace");
    let label = format!("/metadata/labels/{}", MANAGED_BY.replace('/', "~1"));
    // A live namespace is the stack's only where its label says so; a chart's is the chart's.
    if namespaces
        .into_iter()
        .any(|object| !view.source.is_live || object.text(&label) == MANAGER)
    {
        draft.set("cluster", "create-namespace", true);
    }
}
