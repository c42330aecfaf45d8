//! Stack → Kubernetes objects: one file per kind, each with its rendering and, where it has one, its progress.

use std::collections::BTreeMap;

use kube::core::{ApiResource, GroupVersionKind};

/// The kinds that a stack is made of.
///
/// The order of the variants *is* the order of apply; its reverse is the order of destroy. What a pod needs to start
/// comes before the Deployment, what looks at the Deployment comes after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
pub type Desired = BTreeMap<ObjectId, serde_json::Value>;

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
