//! Stack → Kubernetes objects: one file per kind, each with its rendering and, where it has one, its progress.

pub mod amounts;
mod autoscaler_metric;
mod causes;
mod config_map;
mod deployment;
mod going;
mod horizontal_pod_autoscaler;
mod labels;
mod namespace;
mod network_policy;
pub mod node;
pub mod pod;
mod pod_disruption_budget;
pub mod prometheus;
pub mod rollout;
mod service;
mod service_account;
pub mod shape;

use std::collections::{BTreeMap, BTreeSet};

use kube_core::{ApiResource, GroupVersionKind};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use uninlu_stack::Stack;

pub use autoscaler_metric::{AutoscalerMetric, MetricState};
pub use causes::causes;
pub use deployment::{CONTAINER, MANAGEMENT_LISTEN, USER, pause, resume, wait_budget};
pub use going::Going;
pub use labels::{INSTANCE, MANAGED_BY, MANAGER, instance_selector};

/// The kinds that a stack is made of.
///
/// The order of the variants *is* the order of apply; its reverse is the order of destroy. What a pod needs to start
/// comes before the Deployment, what looks at the Deployment comes after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// `v1`, only on request.
    Namespace,
    /// `v1`
    ServiceAccount,
    /// `v1`: the hot settings, and the ApplySet parent.
    ConfigMap,
    /// `networking.k8s.io/v1`
    NetworkPolicy,
    /// `v1`
    Service,
    /// `apps/v1`
    Deployment,
    /// `policy/v1`
    PodDisruptionBudget,
    /// `autoscaling/v2`
    HorizontalPodAutoscaler,
}

impl Kind {
    /// Every kind, in the order of apply.
    pub const ALL: [Kind; 8] = [
        Kind::Namespace,
        Kind::ServiceAccount,
        Kind::ConfigMap,
        Kind::NetworkPolicy,
        Kind::Service,
        Kind::Deployment,
        Kind::PodDisruptionBudget,
        Kind::HorizontalPodAutoscaler,
    ];

    /// Every kind of which a stack can have objects: whoever has rights in a namespace alone may not list namespaces,
    /// and needs not where the stack does not make its own.
    pub fn all(with_namespace: bool) -> BTreeSet<Kind> {
        let kinds = Kind::ALL.into_iter();
        kinds
            .filter(|kind| kind.is_namespaced() || with_namespace)
            .collect()
    }

    /// API group (empty for the core group), version, kind and plural.
    const fn coordinates(self) -> (&'static str, &'static str, &'static str, &'static str) {
        match self {
            Kind::Namespace => ("", "v1", "Namespace", "namespaces"),
            Kind::ServiceAccount => ("", "v1", "ServiceAccount", "serviceaccounts"),
            Kind::ConfigMap => ("", "v1", "ConfigMap", "configmaps"),
            Kind::NetworkPolicy => (
                "networking.k8s.io",
                "v1",
                "NetworkPolicy",
                "networkpolicies",
            ),
            Kind::Service => ("", "v1", "Service", "services"),
            Kind::Deployment => ("apps", "v1", "Deployment", "deployments"),
            Kind::PodDisruptionBudget => (
                "policy",
                "v1",
                "PodDisruptionBudget",
                "poddisruptionbudgets",
            ),
            Kind::HorizontalPodAutoscaler => (
                "autoscaling",
                "v2",
                "HorizontalPodAutoscaler",
                "horizontalpodautoscalers",
            ),
        }
    }

    /// The kind's name, `Deployment`.
    pub const fn name(self) -> &'static str {
        self.coordinates().2
    }

    /// The kind by its name.
    pub fn by_name(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Whether objects of the kind live in a namespace.
    pub const fn is_namespaced(self) -> bool {
        !matches!(self, Kind::Namespace)
    }

    /// `Kind.group` as ApplySets write it (`Deployment.apps`, `Service`).
    pub fn group_kind(self) -> String {
        let (group, _, kind, _) = self.coordinates();
        if group.is_empty() {
            kind.to_owned()
        } else {
            format!("{kind}.{group}")
        }
    }

    /// What `kube` needs to address the kind without discovery.
    pub fn api_resource(self) -> ApiResource {
        let (group, version, kind, plural) = self.coordinates();
        ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural)
    }
}

/// Which object: its order is the order of apply.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectId {
    /// Kind, first in the order.
    pub kind: Kind,
    /// Namespace; `None` for cluster-scoped kinds.
    pub namespace: Option<String>,
    /// Name.
    pub name: String,
}

impl std::fmt::Display for ObjectId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = self.kind.name();
        match &self.namespace {
            Some(namespace) => write!(formatter, "{kind} {namespace}/{}", self.name),
            None => write!(formatter, "{kind} {}", self.name),
        }
    }
}

/// The objects that a stack stands for, each as the body of a server-side apply.
pub type Desired = BTreeMap<ObjectId, Value>;

/// What a stack file cannot say and rendering must know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Image reference for the container: pinned by digest, or with the tag of what is still to be built.
    pub image: String,
}

/// How far an object is, for a wait that can explain itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// As wanted.
    Ready,
    /// Not yet, and why.
    Waiting(String),
    /// It will not come by itself, and why.
    Failed(String),
}

/// Renders every object of the stack. A kind that the stack does not want is absent.
pub fn desired(stack: &Stack, facts: &Facts) -> Desired {
    Kind::ALL
        .into_iter()
        .filter_map(|kind| {
            let body = render(kind, stack, facts)?;
            Some((object_id(kind, &body), body))
        })
        .collect()
}

fn render(kind: Kind, stack: &Stack, facts: &Facts) -> Option<Value> {
    let body = match kind {
        Kind::Namespace => namespace::render(stack)?,
        Kind::ServiceAccount => service_account::render(stack),
        Kind::ConfigMap => config_map::render(stack),
        Kind::NetworkPolicy => network_policy::render(stack)?,
        Kind::Service => service::render(stack),
        Kind::Deployment => deployment::render(stack, facts),
        Kind::PodDisruptionBudget => pod_disruption_budget::render(stack)?,
        Kind::HorizontalPodAutoscaler => horizontal_pod_autoscaler::render(stack)?,
    };
    Some(with_identity(kind, stack, body))
}

/// The ConfigMap of the hot settings: its name and its data.
pub fn settings(stack: &Stack) -> Value {
    config_map::render(stack)
}

/// Adds apiVersion, kind, name (unless the body chose one), namespace and labels.
fn with_identity(kind: Kind, stack: &Stack, mut body: Value) -> Value {
    let resource = kind.api_resource();
    let mut object = json!({ "apiVersion": resource.api_version, "kind": resource.kind });
    let metadata = &mut body["metadata"];
    if metadata["name"].is_null() {
        metadata["name"] = json!(stack.name);
    }
    if kind.is_namespaced() {
        metadata["namespace"] = json!(stack.namespace);
    }
    let mut labels = labels::of_object(stack);
    if let Some(own) = metadata["labels"].as_object() {
        labels.extend(own.clone());
    }
    metadata["labels"] = Value::Object(labels);
    if let (Value::Object(object), Value::Object(body)) = (&mut object, body) {
        object.extend(body);
    }
    object
}

/// Which object a body is; `None` when its kind is not one of ours.
pub fn identify(body: &Value) -> Option<ObjectId> {
    let kind = Kind::by_name(body["kind"].as_str()?)?;
    (body["apiVersion"] == kind.api_resource().api_version).then(|| object_id(kind, body))
}

fn object_id(kind: Kind, body: &Value) -> ObjectId {
    let text = |key: &str| body["metadata"][key].as_str().map(str::to_owned);
    ObjectId {
        kind,
        namespace: text("namespace"),
        name: text("name").unwrap_or_default(),
    }
}

/// How far an object is, from its live state alone; a Deployment's pods are explained by [`pod::explain`].
pub fn progress(kind: Kind, live: &Value) -> Progress {
    if let Some(going) = Going::of(live) {
        return Progress::Failed(going.words());
    }
    match kind {
        Kind::Deployment => deployment::progress(live),
        Kind::HorizontalPodAutoscaler => horizontal_pod_autoscaler::progress(live),
        Kind::PodDisruptionBudget => pod_disruption_budget::progress(live),
        Kind::Namespace
        | Kind::ServiceAccount
        | Kind::ConfigMap
        | Kind::NetworkPolicy
        | Kind::Service => Progress::Ready,
    }
}

/// The condition of that type in `status.conditions`: its status and, in words, why.
fn condition<'a>(live: &'a Value, kind: &str) -> Option<(&'a str, &'a str, &'a str)> {
    let conditions = live["status"]["conditions"].as_array()?;
    let condition = conditions
        .iter()
        .find(|condition| condition["type"] == kind)?;
    let text = |key: &str| condition[key].as_str().unwrap_or_default();
    Some((text("status"), text("reason"), text("message")))
}

/// Whether the controller has seen the latest change; everything else in `status` is about the past until then.
fn is_observed(live: &Value) -> bool {
    live["metadata"]["generation"] == live["status"]["observedGeneration"]
}
