//! Takes a stack away, in reverse order, and proves that nothing is left.

use std::time::Duration;

use futures::future::try_join4;
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::ListParams;
use kube::{Api, ResourceExt};

use super::apply::send;
use super::deletion::wait_until_gone;
use super::explain::explain;
use super::inhabitants::inhabitants;
use super::retry::retried;
use super::{Connection, Error, lease, lock, ours, pods, releases};
use crate::kinds::{Kind, instance_selector};
use crate::plan::Write;
use crate::plan::destruction::{self, Destruction, Remains};
use crate::plan::inhabitants::{Own, others};
use crate::ui::Step;
use uninlu_text::words::few;

/// What a destroy would delete. The namespace only when this stack made it and nothing else lives in it.
///
/// # Errors
/// See [`Error`].
pub async fn destruction(
    connection: &Connection,
    with_namespace: bool,
) -> Result<Destruction, Error> {
    let (objects, records, has_lock, replica_sets) = try_join4(
        ours(connection, &Kind::all(with_namespace)),
        releases::records(connection),
        lock::exists(connection),
        replica_sets(connection),
    )
    .await?;
    let remains = Remains {
        objects,
        records,
        replica_sets,
        has_lock,
    };
    let mut destruction = destruction::destruction(&connection.target, remains);
    if let Some(holds) = who_else(connection, &destruction).await {
        destruction.keep_namespace(holds);
    }
    Ok(destruction)
}

/// How many inhabitants are named.
const NAMED: usize = 20;

/// What the namespace that is to go holds besides the stack, and what of it may not be looked at, in words; `None` when
/// nothing, and where the namespace stays or is going already.
async fn who_else(connection: &Connection, destruction: &Destruction) -> Option<String> {
    if !destruction.asks_for_inhabitants() {
        return None;
    }
    let own = Own {
        uids: destruction.uids(),
        services: destruction.services(),
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
    for write in &destruction.writes {
        delete(connection, write, patience, step).await?;
    }
    let all = destruction.writes.iter().map(Write::object);
    wait_until_gone(connection, &all.collect::<Vec<_>>(), patience).await?;
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
    let Some(write) = &destruction.namespace else {
        return Ok(None);
    };
    let holds = who_else(connection, destruction).await;
    if holds.is_none() {
        delete(connection, write, patience, step).await?;
    }
    Ok(holds)
}

async fn delete(
    connection: &Connection,
    write: &Write,
    patience: Duration,
    step: &Step,
) -> Result<(), Error> {
    match write {
        Write::Delete { id, wait: true, .. } => {
            step.update(format_args!("deleting {id}, and waiting until it is gone"));
        }
        write => step.update(format_args!("deleting {}", write.id())),
    }
    send(connection, write, patience).await
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
