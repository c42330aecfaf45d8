//! Takes a stack away, in reverse order, and proves that nothing is left.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::future::try_join4;
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::ListParams;
use kube::{Api, ResourceExt};
use serde_json::Value;

use super::deletion::{request_deletion, wait_until_gone};
use super::explain::explain;
use super::inhabitants::inhabitants;
use super::retry::retried;
use super::{Connection, Error, lease, lock, ours, pods, releases};
use crate::kinds::{Going, Kind, ObjectId, instance_selector};
use crate::plan::inhabitants::{Own, others};
use crate::plan::{apply_set, owner};
use crate::ui::Step;
use uninlu_text::words::few;

/// What a destroy would delete, in its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destruction {
    /// The objects and their uids, which are the preconditions of their deletion.
    pub objects: Vec<(ObjectId, Option<String>)>,
    /// Those of them that are being deleted already.
    pub going: BTreeMap<ObjectId, Going>,
    /// What carries the stack's ApplySet label and stays all the same, with the reason.
    pub kept: Vec<(ObjectId, String)>,
    /// The records of its releases, by name and uid.
    records: Vec<(String, String)>,
    /// Uids of the Deployment's ReplicaSets.
    replica_sets: BTreeSet<String>,
    /// Whether an apply that was cut off left its lock.
    has_lock: bool,
}

impl Destruction {
    /// Whether there is nothing to delete.
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty() && self.records.is_empty() && !self.has_lock
    }

    fn is_namespace(object: &(ObjectId, Option<String>)) -> bool {
        object.0.kind == Kind::Namespace
    }

    fn uids(&self) -> BTreeSet<String> {
        let objects = self.objects.iter().filter_map(|(_, uid)| uid.clone());
        let records = self.records.iter().map(|(_, uid)| uid.clone());
        objects.chain(records).collect()
    }
}

/// What belongs to the stack: our ApplySet, our field manager, no other owner. The namespace only when this stack made
/// it and nothing else lives in it.
///
/// # Errors
/// See [`Error`].
pub async fn destruction(
    connection: &Connection,
    with_namespace: bool,
) -> Result<Destruction, Error> {
    let (live, records, has_lock, sets) = try_join4(
        ours(connection, &Kind::all(with_namespace)),
        releases::records(connection),
        lock::exists(connection),
        replica_sets(connection),
    )
    .await?;
    let parent = apply_set::parent_id(&connection.target);
    let members = live
        .iter()
        .filter(|(id, value)| is_member(id, value, &parent));
    let (mine, left): (Vec<_>, Vec<_>) = members.partition(|(_, value)| why_kept(value).is_none());
    let uid = |value: &Value| value["metadata"]["uid"].as_str().map(str::to_owned);
    let mut objects: Vec<(ObjectId, Option<String>)> = mine
        .iter()
        .map(|(id, value)| ((*id).clone(), uid(value)))
        .collect();
    // The parent goes last but for the namespace: a destroy that is cut off still finds what is left.
    objects.sort_by_key(|(id, _)| (id.kind != Kind::Namespace, *id != parent, id.clone()));
    objects.reverse();
    let going = mine
        .iter()
        .filter_map(|(id, value)| Some(((*id).clone(), Going::of(value)?)));
    let kept = left
        .iter()
        .filter_map(|(id, value)| Some(((*id).clone(), why_kept(value)?)));
    let mut destruction = Destruction {
        going: going.collect(),
        kept: kept.collect(),
        replica_sets: owned_by(&sets, &objects),
        objects,
        records,
        has_lock,
    };
    keep_shared_namespace(connection, &mut destruction).await;
    Ok(destruction)
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

fn owned_by(sets: &[ObjectMeta], objects: &[(ObjectId, Option<String>)]) -> BTreeSet<String> {
    let is_ours = |uid: &str| {
        objects
            .iter()
            .any(|(_, known)| known.as_deref() == Some(uid))
    };
    let owned = sets.iter().filter(|set| {
        let owners = set.owner_references.as_deref().unwrap_or_default();
        owners.iter().any(|owner| is_ours(&owner.uid))
    });
    owned.filter_map(|set| set.uid.clone()).collect()
}

/// Takes the namespace out of the objects when anything else lives in it. One that is going takes all with it anyway.
async fn keep_shared_namespace(connection: &Connection, destruction: &mut Destruction) {
    let namespace = destruction
        .objects
        .iter()
        .find(|one| Destruction::is_namespace(one));
    let Some((id, _)) = namespace.cloned() else {
        return;
    };
    if destruction.going.contains_key(&id) {
        return;
    }
    if let Some(holds) = who_else(connection, destruction).await {
        destruction
            .objects
            .retain(|one| !Destruction::is_namespace(one));
        destruction.kept.push((id, holds));
    }
}

/// How many inhabitants are named.
const NAMED: usize = 20;

/// What the namespace holds besides the stack, and what of it may not be looked at, in words; `None` when nothing.
async fn who_else(connection: &Connection, destruction: &Destruction) -> Option<String> {
    let services = destruction
        .objects
        .iter()
        .filter(|(id, _)| id.kind == Kind::Service);
    let own = Own {
        uids: destruction.uids(),
        services: services.map(|(id, _)| id.name.clone()).collect(),
        lock: lease::name(connection),
    };
    let found = inhabitants(connection).await;
    let others = others(&found.all, &own);
    let holds = named("it holds ", &others);
    let may_hold = named("it may hold ", &found.unknown);
    let words: Vec<String> = holds.into_iter().chain(may_hold).collect();
    (!words.is_empty()).then(|| words.join("; "))
}

fn named(words: &str, names: &[String]) -> Option<String> {
    (!names.is_empty()).then(|| format!("{words}{}", few(names, NAMED)))
}

/// Deletes what [`destruction`] listed but for the namespace, waits until it is gone, and looks again. The records of
/// the releases go last: they are what a destroy that is cut off can still be told from.
///
/// # Errors
/// [`Error::NotGone`] names what stays and its finalizers.
pub async fn destroy(
    connection: &Connection,
    destruction: &Destruction,
    patience: Duration,
    step: &Step,
) -> Result<(), Error> {
    let objects = || {
        let objects = destruction.objects.iter();
        objects.filter(|object| !Destruction::is_namespace(object))
    };
    for (id, uid) in objects() {
        step.update(format_args!("deleting {id}"));
        request_deletion(connection, id, uid.as_deref()).await?;
        // Pods must be gone before what they stand on, or their last requests fail for a reason that nobody sees.
        if id.kind == Kind::Deployment {
            step.update(format_args!("waiting for {id} to go"));
            wait_until_gone(connection, &[(id.clone(), uid.clone())], patience).await?;
        }
    }
    let all: Vec<_> = objects().cloned().collect();
    wait_until_gone(connection, &all, patience).await?;
    prove_nothing_left(connection, destruction).await?;
    for (name, uid) in &destruction.records {
        releases::delete(connection, name, Some(uid)).await?;
    }
    Ok(())
}

/// Deletes the namespace, when it is the stack's, and waits until it is gone. Whether somebody else moved in meanwhile is
/// looked at once more: then it stays, and what it holds is returned.
///
/// # Errors
/// [`Error::NotGone`] names its finalizers.
pub async fn destroy_namespace(
    connection: &Connection,
    destruction: &Destruction,
    patience: Duration,
    step: &Step,
) -> Result<Option<String>, Error> {
    let mut objects = destruction.objects.iter();
    let Some((id, uid)) = objects.find(|object| Destruction::is_namespace(object)) else {
        return Ok(None);
    };
    if !destruction.going.contains_key(id)
        && let Some(holds) = who_else(connection, destruction).await
    {
        return Ok(Some(holds));
    }
    step.update(format_args!("deleting {id}"));
    request_deletion(connection, id, uid.as_deref()).await?;
    step.update(format_args!("waiting for {id} to go"));
    wait_until_gone(connection, &[(id.clone(), uid.clone())], patience).await?;
    Ok(None)
}

/// What the controllers made for the objects, which were waited for one by one.
async fn prove_nothing_left(
    connection: &Connection,
    destruction: &Destruction,
) -> Result<(), Error> {
    let sets = replica_sets(connection).await?.into_iter();
    let sets = sets.filter(|set| {
        set.uid
            .as_ref()
            .is_some_and(|uid| destruction.replica_sets.contains(uid))
    });
    let sets = sets.filter_map(|set| set.name);
    let mut left: Vec<String> = sets.map(|name| format!("ReplicaSet {name}")).collect();
    let pods = pods(connection).await?;
    let is_own = |owner: &str| destruction.replica_sets.contains(owner);
    let pods = pods.iter().filter(|pod| {
        pod.owner_references()
            .iter()
            .any(|owner| is_own(&owner.uid))
    });
    left.extend(pods.map(|pod| format!("Pod {}", pod.name_any())));
    if left.is_empty() {
        Ok(())
    } else {
        Err(Error::NotGone {
            seconds: 0,
            objects: left.join(", "),
        })
    }
}

/// The metadata of the ReplicaSets that carry the stack's labels.
async fn replica_sets(connection: &Connection) -> Result<Vec<ObjectMeta>, Error> {
    let api: Api<ReplicaSet> =
        Api::namespaced(connection.client.clone(), &connection.target.namespace);
    let selected = ListParams::default().labels(&instance_selector(&connection.target.stack));
    let list = retried(|| api.list_metadata(&selected)).await;
    let list = list.map_err(|error| explain(error, connection, "list", "ReplicaSets"))?;
    Ok(list.items.into_iter().map(|item| item.metadata).collect())
}
