//! Objects that name each other, the image, and what a pod gets.

use super::{Object, Rule, Spot};
use crate::gate::Severity;
use crate::import::view::{View, quantity, selects};

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
    Rule {
        id: "api-version-gone",
        severity: Severity::Error,
        why: "no cluster of today serves this version: it refuses the object, and with it the release",
        mend: "write the version that is served; the stack does",
        find: gone,
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
    let containers = view.containers().into_iter();
    containers
        .filter_map(|container| {
            let pointer = format!("{container}/image");
            let image = view.deployment.text(&pointer);
            let what = format!("`{image}` is named by a tag");
            (!image.contains('@') && !image.is_empty())
                .then(|| Spot::at(view.deployment, &pointer, what))
        })
        .collect()
}

fn limits(view: &View<'_>) -> Vec<Spot> {
    let containers = view.containers().into_iter();
    containers
        .flat_map(|container| limits_of(view, &format!("{container}/resources")))
        .collect()
}

fn limits_of(view: &View<'_>, resources: &str) -> Vec<Spot> {
    let bound = |bound: &str, name: &str| {
        view.deployment
            .at(&format!("{resources}/{bound}/{name}"))
            .and_then(quantity)
    };
    ["cpu", "memory", "ephemeral-storage"]
        .into_iter()
        .filter_map(|name| {
            let (request, limit) = (bound("requests", name)?, bound("limits", name)?);
            let what = format!("{name}: the limit {limit} is below the request {request}");
            let pointer = format!("{resources}/limits/{name}");
            (limit < request).then(|| Spot::at(view.deployment, &pointer, what))
        })
        .collect()
}

/// Of what runs for as long as the pod does: containers, and init containers that stay.
fn missing(view: &View<'_>) -> Vec<Spot> {
    let stays = |container: &String| {
        let always = view.deployment.text(&format!("{container}/restartPolicy")) == "Always";
        container.contains("/containers/") || always
    };
    let containers = view.containers().into_iter().filter(stays);
    containers
        .filter_map(|container| missing_of(view, &format!("{container}/resources")))
        .collect()
}

fn missing_of(view: &View<'_>, resources: &str) -> Option<Spot> {
    let has = |bound: &str| {
        view.deployment
            .at(&format!("{resources}/{bound}/memory"))
            .is_some()
    };
    let missing: Vec<&str> = [("limits", "limit"), ("requests", "request")]
        .into_iter()
        // A limit without a request is the request.
        .filter(|(bound, _)| !(has(bound) || *bound == "requests" && has("limits")))
        .map(|(_, word)| word)
        .collect();
    let what = format!("no memory {}", missing.join(" and no memory "));
    (!missing.is_empty()).then(|| Spot::at(view.deployment, resources, what))
}

/// API versions that are gone: beginning of the version, kinds (none: all), since when, and what is served instead.
const GONE: [(&str, &[&str], &str, &str); 24] = [
    ("autoscaling/v2beta1", &[], "1.25", "autoscaling/v2"),
    ("autoscaling/v2beta2", &[], "1.26", "autoscaling/v2"),
    (
        "policy/v1beta1",
        &["PodSecurityPolicy"],
        "1.25",
        "a PodSecurity label of the namespace",
    ),
    ("policy/v1beta1", &[], "1.25", "policy/v1"),
    (
        "extensions/v1beta1",
        &["Ingress"],
        "1.22",
        "networking.k8s.io/v1",
    ),
    (
        "extensions/v1beta1",
        &["NetworkPolicy"],
        "1.16",
        "networking.k8s.io/v1",
    ),
    (
        "extensions/v1beta1",
        &["HorizontalPodAutoscaler"],
        "1.8",
        "autoscaling/v2",
    ),
    ("extensions/v1beta1", &[], "1.16", "apps/v1"),
    ("apps/v1beta1", &[], "1.16", "apps/v1"),
    ("apps/v1beta2", &[], "1.16", "apps/v1"),
    (
        "networking.k8s.io/v1beta1",
        &["Ingress", "IngressClass"],
        "1.22",
        "networking.k8s.io/v1",
    ),
    ("batch/v1beta1", &[], "1.25", "batch/v1"),
    ("batch/v2alpha1", &[], "1.21", "batch/v1"),
    (
        "rbac.authorization.k8s.io/v1beta1",
        &[],
        "1.22",
        "rbac.authorization.k8s.io/v1",
    ),
    (
        "rbac.authorization.k8s.io/v1alpha1",
        &[],
        "1.22",
        "rbac.authorization.k8s.io/v1",
    ),
    (
        "apiextensions.k8s.io/v1beta1",
        &[],
        "1.22",
        "apiextensions.k8s.io/v1",
    ),
    (
        "scheduling.k8s.io/v1beta1",
        &[],
        "1.22",
        "scheduling.k8s.io/v1",
    ),
    (
        "coordination.k8s.io/v1beta1",
        &["Lease"],
        "1.22",
        "coordination.k8s.io/v1",
    ),
    (
        "discovery.k8s.io/v1beta1",
        &[],
        "1.25",
        "discovery.k8s.io/v1",
    ),
    ("node.k8s.io/v1beta1", &[], "1.25", "node.k8s.io/v1"),
    (
        "storage.k8s.io/v1beta1",
        &["StorageClass", "CSIDriver", "CSINode"],
        "1.22",
        "storage.k8s.io/v1",
    ),
    (
        "storage.k8s.io/v1beta1",
        &["CSIStorageCapacity"],
        "1.27",
        "storage.k8s.io/v1",
    ),
    (
        "apiregistration.k8s.io/v1beta1",
        &[],
        "1.22",
        "apiregistration.k8s.io/v1",
    ),
    (
        "admissionregistration.k8s.io/v1beta1",
        &[
            "MutatingWebhookConfiguration",
            "ValidatingWebhookConfiguration",
        ],
        "1.22",
        "admissionregistration.k8s.io/v1",
    ),
];

/// What no cluster serves any more (kubernetes.io/docs/reference/using-api/deprecation-guide).
fn gone(view: &View<'_>) -> Vec<Spot> {
    let objects = view.source.objects.iter();
    objects
        .filter_map(|object| {
            let version = object.text("/apiVersion");
            let is_it = |(gone, kinds, ..): &&(&str, &[&str], &str, &str)| {
                *gone == version && (kinds.is_empty() || kinds.contains(&object.kind()))
            };
            let (_, _, since, instead) = GONE.iter().find(is_it)?;
            let what = format!("`{version}` is not served since Kubernetes {since}: {instead} is");
            Some(Spot::at(object, "/apiVersion", what))
        })
        .collect()
}
