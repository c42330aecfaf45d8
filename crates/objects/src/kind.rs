//! The kinds that a stack is made of.

use std::collections::BTreeSet;

use kube_core::{ApiResource, GroupVersionKind};
use serde::{Deserialize, Serialize};

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
