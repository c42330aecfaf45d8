//! The kinds that a stack is made of.

use std::collections::BTreeSet;

use kube_core::{ApiResource, GroupVersionKind};
use serde::{Deserialize, Serialize};

use super::Kind;
use super::row::Render;

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

    /// Whether an object of somebody else can be in the way of ours.
    pub const fn has_rivals(self) -> bool {
        self.row().has_rivals
    }

    /// Whether every stack has an object of the kind; the others come with a key.
    pub(super) const fn is_always_there(self) -> bool {
        matches!(self.row().render, Render::Always(_))
    }

    /// The name of a stack's object of the kind.
    pub(super) fn name_of_object(self, stack: &str, namespace: &str) -> String {
        (self.row().name)(stack, namespace)
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
