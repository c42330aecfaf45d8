//! The kinds that a stack is made of.

use std::collections::BTreeSet;

use kube_core::{ApiResource, GroupVersionKind};
use serde::{Deserialize, Serialize};

use super::row::Row;

/// The table of kinds: each name with the file that has its row.
macro_rules! kinds {
    ($($(#[$doc:meta])+ $kind:ident: $file:ident,)+) => {
        /// The kinds that a stack is made of.
        ///
        /// The order of the variants *is* the order of apply; its reverse is the order of destroy. What a pod needs to
        /// start comes before the Deployment, what looks at the Deployment comes after it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Kind {
            $($(#[$doc])+ $kind,)+
        }

        impl Kind {
            /// Every kind, in the order of apply.
            pub const ALL: [Kind; [$(stringify!($kind)),+].len()] = [$(Kind::$kind),+];

            /// The kind's name, `Deployment`.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Kind::$kind => stringify!($kind),)+
                }
            }

            pub(super) const fn row(self) -> &'static Row {
                match self {
                    $(Kind::$kind => &super::$file::ROW,)+
                }
            }
        }
    };
}

kinds! {
    /// `v1`, only on request.
    Namespace: namespace,
    /// `v1`
    ServiceAccount: service_account,
    /// `v1`: the hot settings, and the ApplySet parent.
    ConfigMap: config_map,
    /// `networking.k8s.io/v1`
    NetworkPolicy: network_policy,
    /// `v1`
    Service: service,
    /// `apps/v1`
    Deployment: deployment,
    /// `policy/v1`
    PodDisruptionBudget: pod_disruption_budget,
    /// `autoscaling/v2`
    HorizontalPodAutoscaler: horizontal_pod_autoscaler,
}

impl Kind {
    /// Every kind of which a stack can have objects: whoever has rights in a namespace alone may not list namespaces,
    /// and needs not where the stack does not make its own.
    pub fn all(with_namespace: bool) -> BTreeSet<Kind> {
        let kinds = Kind::ALL.into_iter();
        kinds
            .filter(|kind| kind.is_namespaced() || with_namespace)
            .collect()
    }

    /// The kind by its name.
    pub fn by_name(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Whether objects of the kind live in a namespace.
    pub const fn is_namespaced(self) -> bool {
        self.row().is_namespaced
    }

    /// `Kind.group` as ApplySets write it (`Deployment.apps`, `Service`).
    pub fn group_kind(self) -> String {
        match self.row().group {
            "" => self.name().to_owned(),
            group => format!("{}.{group}", self.name()),
        }
    }

    /// What `kube` needs to address the kind without discovery.
    pub fn api_resource(self) -> ApiResource {
        let row = self.row();
        let kind = GroupVersionKind::gvk(row.group, row.version, self.name());
        ApiResource::from_gvk_with_plural(&kind, row.plural)
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
