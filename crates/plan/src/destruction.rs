//! What a destroy deletes, and what stays: pure.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;

use super::{Write, apply_set, owner};
use uninlu_objects::{Going, Kind, ObjectId};
use uninlu_stack::Target;

/// What the cluster holds of a stack.
#[derive(Debug, Default)]
pub struct Remains {
    /// Objects that carry the stack's labels.
    pub objects: BTreeMap<ObjectId, Value>,
    /// The records of its releases, by name and uid.
    pub records: Vec<(String, String)>,
    /// The metadata of ReplicaSets that carry the stack's labels.
    pub replica_sets: Vec<ObjectMeta>,
    /// Whether an apply that was cut off left its lock.
    pub has_lock: bool,
}

/// What a destroy would delete, in its order.
#[derive(Debug, Clone, PartialEq)]
pub struct Destruction {
    /// The deletions of the objects: what looks at the Deployment, the Deployment, what its pods stand on, and last the
    /// ApplySet's parent, so that a destroy that is cut off still finds what is left.
    pub writes: Vec<Write>,
    /// The deletion of the namespace, where the stack made it and nothing else lives in it.
    pub namespace: Option<Write>,
    /// Objects that are being deleted already.
    pub going: BTreeMap<ObjectId, Going>,
    /// What carries the stack's ApplySet label and stays all the same, with the reason.
    pub kept: Vec<(ObjectId, String)>,
    /// The records of its releases, by name and uid.
    pub records: Vec<(String, String)>,
    /// Uids of the Deployment's ReplicaSets.
    pub replica_sets: BTreeSet<String>,
    has_lock: bool,
}

impl Destruction {
    /// Whether there is nothing to delete.
    pub fn is_empty(&self) -> bool {
        self.deletions().next().is_none() && self.records.is_empty() && !self.has_lock
    }

    /// The deletions in order, the namespace's last.
    pub fn deletions(&self) -> impl Iterator<Item = &Write> {
        self.writes.iter().chain(&self.namespace)
    }

    /// Uids of everything that goes.
    pub fn uids(&self) -> BTreeSet<String> {
        let objects = self.deletions().filter_map(|write| write.object().1);
        let records = self.records.iter().map(|(_, uid)| uid.clone());
        objects.chain(records).collect()
    }

    /// Names of the Services that go.
    pub fn services(&self) -> BTreeSet<String> {
        let ids = self.deletions().map(Write::id);
        let services = ids.filter(|id| id.kind == Kind::Service);
        services.map(|id| id.name.clone()).collect()
    }

    /// Whether the namespace goes only if nothing else lives in it: one that is going already takes all with it.
    pub fn asks_for_inhabitants(&self) -> bool {
        let mut namespace = self.namespace.iter();
        namespace.any(|write| !self.going.contains_key(write.id()))
    }

    /// Takes the namespace out, since something else lives in it.
    pub fn keep_namespace(&mut self, reason: String) {
        let namespace = self.namespace.take();
        self.kept
            .extend(namespace.map(|write| (write.id().clone(), reason)));
    }
}

/// What belongs to the stack: our ApplySet, our field manager, no other owner.
pub fn destruction(target: &Target, remains: Remains) -> Destruction {
    let parent = apply_set::parent_id(target);
    let members = remains
        .objects
        .iter()
        .filter(|(id, value)| is_member(id, value, &parent));
    let (mut mine, left): (Vec<_>, Vec<_>) =
        members.partition(|(_, value)| why_kept(value).is_none());
    mine.sort_by_key(|(id, _)| (**id != parent, *id));
    mine.reverse();
    let going = mine
        .iter()
        .filter_map(|(id, value)| Some(((*id).clone(), Going::of(value)?)));
    let kept = left
        .iter()
        .filter_map(|(id, value)| Some(((*id).clone(), why_kept(value)?)));
    let (going, kept) = (going.collect(), kept.collect());
    let (namespaces, writes): (Vec<Write>, Vec<Write>) = mine
        .into_iter()
        .map(|(id, value)| deletion(id, value))
        .partition(|write| write.id().kind == Kind::Namespace);
    let uids: BTreeSet<String> = writes.iter().filter_map(|write| write.object().1).collect();
    Destruction {
        replica_sets: owned_by(&remains.replica_sets, &uids),
        namespace: namespaces.into_iter().next(),
        writes,
        going,
        kept,
        records: remains.records,
        has_lock: remains.has_lock,
    }
}

/// Pods must be gone before what they stand on, or their last requests fail for no visible reason.
fn deletion(id: &ObjectId, value: &Value) -> Write {
    Write::Delete {
        id: id.clone(),
        uid: value["metadata"]["uid"].as_str().map(str::to_owned),
        wait: matches!(id.kind, Kind::Deployment | Kind::Namespace),
    }
}

fn is_member(id: &ObjectId, value: &Value, parent: &ObjectId) -> bool {
    let is_parent = id == parent && !apply_set::is_foreign(value, parent);
    is_parent || value["metadata"]["labels"][apply_set::PART_OF] == apply_set::id(parent)
}

/// Why an object with the stack's label is not the stack's to delete.
fn why_kept(value: &Value) -> Option<String> {
    let owners = value["metadata"]["ownerReferences"].as_array();
    let owner = owners.and_then(|owners| owners.first());
    match owner {
        Some(owner) => Some(format!(
            "{} {} owns it",
            owner["kind"].as_str().unwrap_or_default(),
            owner["name"].as_str().unwrap_or_default()
        )),
        None if !owner::is_managed_by_us(value) => Some("uninlu never applied it".to_owned()),
        None => None,
    }
}

fn owned_by(sets: &[ObjectMeta], uids: &BTreeSet<String>) -> BTreeSet<String> {
    let owned = sets.iter().filter(|set| {
        let owners = set.owner_references.as_deref().unwrap_or_default();
        owners.iter().any(|owner| uids.contains(&owner.uid))
    });
    owned.filter_map(|set| set.uid.clone()).collect()
}
