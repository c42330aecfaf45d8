//! Takes a stack away, in reverse order, and proves that nothing is left.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::{try_join_all, try_join3};
use k8s_openapi::api::apps::v1::{DaemonSet, ReplicaSet, StatefulSet};
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Secret};
use kube::api::{DynamicObject, ListParams};
use kube::core::{ApiResource, NamespaceResourceScope, PartialObjectMeta};
use kube::{Api, Resource};
use serde_json::Value;

use super::apply::request_deletion;
use super::error::explain;
use super::observe::retried;
use super::{Connection, Error, lock, ours, pods, releases};
use crate::kinds::{Kind, MANAGED_BY, MANAGER, ObjectId, instance_selector};
use crate::plan::apply_set;
use crate::plan::owner;
use crate::ui::Step;

/// What a destroy would delete, in its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destruction {
    /// The objects and their uids, which are the preconditions of their deletion.
    pub objects: Vec<(ObjectId, Option<String>)>,
    /// The records of its releases, by name and uid.
    records: Vec<(String, String)>,
    /// Whether an apply that was cut off left its lock.
    has_lock: bool,
}

impl Destruction {
    /// Whether nothing of the stack is there.
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty() && self.records.is_empty() && !self.has_lock
    }

    fn is_namespace(object: &(ObjectId, Option<String>)) -> bool {
        object.0.kind == Kind::Namespace
    }
}

/// How long the deletion of one object that gives way to another is waited for.
pub(super) const PATIENCE: Duration = Duration::from_secs(180);
const POLL: Duration = Duration::from_millis(250);

/// What belongs to the stack: our labels, our ApplySet, our field manager. The namespace only when this stack made it.
///
/// # Errors
/// [`Error::NamespaceInUse`] when the namespace is the stack's and holds somebody else's objects.
pub async fn destruction(
    connection: &Connection,
    with_namespace: bool,
) -> Result<Destruction, Error> {
    let (live, records, has_lock) = try_join3(
        ours(connection, &Kind::all(with_namespace)),
        releases::records(connection),
        lock::exists(connection),
    )
    .await?;
    let parent = apply_set::parent_id(&connection.target);
    let mut objects: Vec<(ObjectId, Option<String>)> = live
        .iter()
        .filter(|(id, value)| belongs(id, value, &parent))
        .map(|(id, value)| {
            (
                id.clone(),
                value["metadata"]["uid"].as_str().map(str::to_owned),
            )
        })
        .collect();
    // The parent goes last but for the namespace: a destroy that is cut off still finds what is left.
    objects.sort_by_key(|(id, _)| (id.kind != Kind::Namespace, *id != parent, id.clone()));
    objects.reverse();
    if objects.iter().any(|(id, _)| id.kind == Kind::Namespace) {
        refuse_shared_namespace(connection).await?;
    }
    Ok(Destruction {
        objects,
        records,
        has_lock,
    })
}

fn belongs(id: &ObjectId, value: &Value, parent: &ObjectId) -> bool {
    let set = apply_set::id(parent);
    let is_parent = id == parent && !apply_set::is_foreign(value, parent);
    let is_member = value["metadata"]["labels"][apply_set::PART_OF] == set;
    (is_parent || is_member) && owner::is_managed_by_us(value)
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

/// Deletes the namespace, when it is the stack's, and waits until it is gone.
///
/// # Errors
/// [`Error::NotGone`] names its finalizers.
pub async fn destroy_namespace(
    connection: &Connection,
    destruction: &Destruction,
    patience: Duration,
    step: &Step,
) -> Result<(), Error> {
    let mut objects = destruction.objects.iter();
    let Some((id, uid)) = objects.find(|object| Destruction::is_namespace(object)) else {
        return Ok(());
    };
    step.update(format_args!("deleting {id}"));
    request_deletion(connection, id, uid.as_deref()).await?;
    step.update(format_args!("waiting for {id} to go"));
    wait_until_gone(connection, &[(id.clone(), uid.clone())], patience).await
}

async fn prove_nothing_left(
    connection: &Connection,
    destruction: &Destruction,
) -> Result<(), Error> {
    let (names, left) = (
        |left: BTreeMap<ObjectId, Value>| left.keys().map(ObjectId::to_string).collect::<Vec<_>>(),
        ours(connection, &Kind::all(false)).await?,
    );
    let is_planned = |id: &ObjectId| {
        let mut objects = destruction.objects.iter();
        id.kind != Kind::Namespace && objects.any(|(planned, _)| planned == id)
    };
    let mut left = names(left.into_iter().filter(|(id, _)| is_planned(id)).collect());
    let pods = pods(connection).await?;
    left.extend(
        pods.iter()
            .filter_map(|pod| pod.metadata.name.clone())
            .map(|name| format!("Pod {name}")),
    );
    let replica_sets: Api<ReplicaSet> =
        Api::namespaced(connection.client.clone(), &connection.target.namespace);
    let selected = ListParams::default().labels(&instance_selector(&connection.target.stack));
    let list = retried(|| replica_sets.list(&selected))
        .await
        .map_err(|error| explain(error, connection, "list", "ReplicaSets"))?;
    left.extend(
        list.items
            .iter()
            .filter_map(|item| item.metadata.name.clone())
            .map(|name| format!("ReplicaSet {name}")),
    );
    if left.is_empty() {
        Ok(())
    } else {
        Err(Error::NotGone {
            seconds: 0,
            objects: left.join(", "),
        })
    }
}

/// Waits until none of the objects (of that uid) is there.
pub(super) async fn wait_until_gone(
    connection: &Connection,
    objects: &[(ObjectId, Option<String>)],
    patience: Duration,
) -> Result<(), Error> {
    let started = tokio::time::Instant::now();
    let mut left: Vec<(ObjectId, Option<String>)> = objects.to_vec();
    loop {
        let states = try_join_all(
            left.iter()
                .map(|(id, uid)| still_there(connection, id, uid.as_deref())),
        )
        .await?;
        let held: Vec<String> = states.iter().flatten().cloned().collect();
        left = left
            .into_iter()
            .zip(states)
            .filter_map(|(object, state)| state.map(|_| object))
            .collect();
        if left.is_empty() {
            return Ok(());
        }
        if started.elapsed() > patience {
            return Err(Error::NotGone {
                seconds: patience.as_secs(),
                objects: held.join(", "),
            });
        }
        tokio::time::sleep(POLL).await;
    }
}

/// The object with its finalizers, or `None` when it (that uid) is gone.
async fn still_there(
    connection: &Connection,
    id: &ObjectId,
    uid: Option<&str>,
) -> Result<Option<String>, Error> {
    let api = connection.api(id.kind);
    let found = retried(|| api.get_metadata_opt(&id.name)).await;
    let found = found.map_err(|error| explain(error, connection, "get", id))?;
    Ok(found
        .filter(|object| uid.is_none() || object.metadata.uid.as_deref() == uid)
        .map(|object| {
            let finalizers = object.metadata.finalizers.unwrap_or_default().join(", ");
            if finalizers.is_empty() {
                id.to_string()
            } else {
                format!("{id} (finalizers: {finalizers})")
            }
        }))
}

/// A namespace that holds somebody else's objects is not ours to delete, even if we made it.
async fn refuse_shared_namespace(connection: &Connection) -> Result<(), Error> {
    let of_kind = |kind: Kind| kind.api_resource();
    let resources = [
        of_kind(Kind::ConfigMap),
        of_kind(Kind::ServiceAccount),
        of_kind(Kind::Service),
        of_kind(Kind::Deployment),
        resource::<StatefulSet>(),
        resource::<DaemonSet>(),
        resource::<Job>(),
        resource::<CronJob>(),
        resource::<PersistentVolumeClaim>(),
        resource::<Secret>(),
    ];
    let lists = try_join_all(
        resources
            .iter()
            .map(|resource| others(connection, resource)),
    )
    .await?;
    let others: Vec<String> = lists.into_iter().flatten().collect();
    if others.is_empty() {
        return Ok(());
    }
    Err(Error::NamespaceInUse {
        namespace: connection.target.namespace.clone(),
        others: others.join(", "),
    })
}

fn resource<K: Resource<DynamicType = (), Scope = NamespaceResourceScope>>() -> ApiResource {
    ApiResource::erase::<K>(&())
}

/// Objects of that kind that are neither ours nor what every namespace has.
async fn others(connection: &Connection, resource: &ApiResource) -> Result<Vec<String>, Error> {
    let api: Api<DynamicObject> = Api::namespaced_with(
        connection.client.clone(),
        &connection.target.namespace,
        resource,
    );
    let not_ours = ListParams::default().labels(&format!("{MANAGED_BY}!={MANAGER}"));
    let list = retried(|| api.list_metadata(&not_ours)).await;
    let list = list.map_err(|error| explain(error, connection, "list", &resource.plural))?;
    let is_default = |item: &PartialObjectMeta<DynamicObject>| {
        matches!(
            (resource.kind.as_str(), item.metadata.name.as_deref()),
            ("ConfigMap", Some("kube-root-ca.crt")) | ("ServiceAccount", Some("default"))
        )
    };
    let name =
        |item: &PartialObjectMeta<DynamicObject>| item.metadata.name.clone().unwrap_or_default();
    Ok(list
        .items
        .iter()
        .filter(|item| !is_default(item))
        .map(|item| format!("{} {}", resource.kind, name(item)))
        .collect())
}
