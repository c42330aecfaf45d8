//! What the cluster holds now, and what it says our apply would make of it.
//!
//! One LIST per kind and one dry-run PATCH per object, all at once; a second round only where the first one asks for it
//! (kinds that left the stack, conflicts). Reads and dry runs only.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::future::{join_all, join3, try_join_all};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{DynamicObject, ListParams, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind, response::StatusDetails};
use serde_json::Value;

use super::explain::explain;
use super::retry::{reason, retried};
use super::{Connection, Error};
use crate::kinds::{
    Desired, Going, INSTANCE, Kind, MANAGED_BY, MANAGER, ObjectId, instance_selector,
};
use crate::plan::diff::diff;
use crate::plan::outlook::Asked;
use crate::plan::{
    Cause, Conflict, Live, Nearby, Prediction, apply_set, may_be_a_time, needs_second_look,
};

/// Gathers everything that a plan depends on.
///
/// # Errors
/// See [`Error`]; a conflict, an immutable field or a missing namespace is no error but a [`Prediction`].
pub async fn observe(connection: &Connection, desired: &Desired) -> Result<Live, Error> {
    let kinds: BTreeSet<Kind> = desired.keys().map(|id| id.kind).collect();
    // An autoscaler of somebody else is in the way of a stack without one, too.
    let with_rivals = Kind::ALL.into_iter().filter(|kind| kind.has_rivals());
    let listed: BTreeSet<Kind> = kinds.iter().copied().chain(with_rivals).collect();
    let is_ours_to_make = kinds.contains(&Kind::Namespace);
    let (lists, predictions, namespace) = join3(
        try_join_all(listed.iter().map(|kind| all(connection, *kind))),
        predict_all(connection, desired),
        namespace(connection, is_ours_to_make),
    )
    .await;
    let (everything, predictions) = (lists?.into_iter().flatten(), predictions?);
    let parent = apply_set::parent_id(&connection.target);
    let set = apply_set::id(&parent);
    let (mut ours_now, mut nearby) = (BTreeMap::new(), Nearby::default());
    for (id, object) in everything {
        let is_member = object["metadata"]["labels"][apply_set::PART_OF] == set;
        if id.kind.has_rivals() && !is_member {
            nearby.others.push(object.clone());
        }
        if is_labelled(connection, &object) {
            ours_now.insert(id, object);
        }
    }
    let recorded = ours_now
        .get(&parent)
        .map(apply_set::kinds_of)
        .unwrap_or_default();
    let left: BTreeSet<Kind> = recorded.difference(&listed).copied().collect();
    ours_now.extend(ours(connection, &left).await?);
    let namespace = namespace.unwrap_or_else(|reason| {
        let unknown = format!("whether the namespace is being deleted: {reason}");
        nearby.unknown.push(unknown);
        None
    });
    let again = look_again(connection, desired, &ours_now, &predictions).await?;
    Ok(Live {
        ours: ours_now,
        predictions,
        namespace,
        nearby,
        again,
    })
}

/// The namespace that somebody else makes; one that the stack makes is in the lists.
async fn namespace(connection: &Connection, is_listed: bool) -> Asked<Option<Value>> {
    if is_listed {
        return Ok(None);
    }
    let found = retried(|| async {
        let api = connection.api(Kind::Namespace);
        api.get_opt(&connection.target.namespace).await
    })
    .await;
    let found = found.map_err(reason)?;
    Ok(found.map(|object| to_value(Kind::Namespace, object)))
}

/// When the stack's namespace is being deleted; `Err` says why that is not known.
pub async fn namespace_going(connection: &Connection) -> Asked<Option<Going>> {
    let namespace = namespace(connection, false).await?;
    Ok(namespace.as_ref().and_then(Going::of))
}

/// Every object of a kind that has rivals; of the others those with the stack's labels.
async fn all(connection: &Connection, kind: Kind) -> Result<Vec<(ObjectId, Value)>, Error> {
    if kind.has_rivals() {
        list_by(connection, kind, ListParams::default()).await
    } else {
        list(connection, kind).await
    }
}

fn is_labelled(connection: &Connection, object: &Value) -> bool {
    let labels = &object["metadata"]["labels"];
    labels[MANAGED_BY] == MANAGER && labels[INSTANCE] == connection.target.stack.as_str()
}

/// Objects of kinds that no stack is made of, and that can be in the way of its pods all the same.
pub async fn workloads(connection: &Connection) -> Nearby {
    let of = |group: &str, version: &str, kind: &str, plural: &str| {
        ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural)
    };
    let kinds = [
        of("apps", "v1", "StatefulSet", "statefulsets"),
        of("apps", "v1", "DaemonSet", "daemonsets"),
        of("apps", "v1", "ReplicaSet", "replicasets"),
        of("", "v1", "ReplicationController", "replicationcontrollers"),
        // Those of a Job, or of no controller at all.
        of("", "v1", "Pod", "pods"),
        of("keda.sh", "v1alpha1", "ScaledObject", "scaledobjects"),
    ];
    let lists = join_all(kinds.iter().map(|kind| foreign(connection, kind))).await;
    let mut nearby = Nearby::default();
    for (kind, list) in kinds.iter().zip(lists) {
        match list {
            Ok(items) => nearby.others.extend(items),
            Err(reason) => nearby.unknown.push(format!(
                "whether a {} is in the way of the pods: {reason}",
                kind.kind
            )),
        }
    }
    nearby
}

/// A cluster without KEDA answers 404.
async fn foreign(connection: &Connection, kind: &ApiResource) -> Asked<Vec<Value>> {
    let namespace = &connection.target.namespace;
    let api: Api<DynamicObject> = Api::namespaced_with(connection.client.clone(), namespace, kind);
    let every = ListParams::default();
    let items = match retried(|| api.list(&every)).await {
        Ok(list) => list.items,
        Err(kube::Error::Api(status)) if status.code == 404 => Vec::new(),
        Err(error) => return Err(reason(error)),
    };
    let values = items.into_iter().map(|item| {
        let mut value = serde_json::to_value(item).map_err(|error| error.to_string())?;
        value["kind"] = kind.kind.as_str().into();
        Ok(value)
    });
    values.collect()
}

/// A second dry run of what the first one did not explain by our fields: a webhook may write something new each time.
async fn look_again(
    connection: &Connection,
    desired: &Desired,
    ours: &BTreeMap<ObjectId, Value>,
    predictions: &BTreeMap<ObjectId, Prediction>,
) -> Result<BTreeMap<ObjectId, Value>, Error> {
    let looks = desired.iter().filter_map(|(id, body)| {
        let (predicted, force) = match predictions.get(id)? {
            Prediction::Applied(predicted) => (predicted, false),
            Prediction::Conflicting { forced, .. } => (forced, true),
            _ => return None,
        };
        let current = ours.get(id)?;
        needs_second_look(id.kind, body, current, predicted).then_some(async move {
            let again = second_look(connection, (id, body, force), current, predicted).await;
            let again = again.map_err(|error| explain(error, connection, "plan", id))?;
            Ok::<_, Error>((id.clone(), again))
        })
    });
    Ok(try_join_all(looks).await?.into_iter().collect())
}

/// A stamp in whole seconds is another one only in the next second.
async fn second_look(
    connection: &Connection,
    (id, body, force): (&ObjectId, &Value, bool),
    current: &Value,
    predicted: &Value,
) -> Result<Value, kube::Error> {
    const NEXT_SECOND: Duration = Duration::from_millis(1_100);
    let again = dry_run(connection, id, body, force).await?;
    if !may_be_a_time(current, predicted) || !diff(predicted, &again).is_empty() {
        return Ok(again);
    }
    tokio::time::sleep(NEXT_SECOND).await;
    dry_run(connection, id, body, force).await
}

/// The objects of these kinds that carry the stack's labels.
///
/// # Errors
/// See [`Error`].
pub async fn ours(
    connection: &Connection,
    kinds: &BTreeSet<Kind>,
) -> Result<BTreeMap<ObjectId, Value>, Error> {
    let lists = try_join_all(kinds.iter().map(|kind| list(connection, *kind))).await?;
    Ok(lists.into_iter().flatten().collect())
}

/// The stack's pods.
///
/// # Errors
/// See [`Error`].
pub async fn pods(connection: &Connection) -> Result<Vec<Pod>, Error> {
    let api: Api<Pod> = Api::namespaced(connection.client.clone(), &connection.target.namespace);
    let parameters = ListParams::default().labels(&instance_selector(&connection.target.stack));
    let list = retried(|| api.list(&parameters))
        .await
        .map_err(|error| explain(error, connection, "list", "Pods"))?;
    Ok(list.items)
}

async fn list(connection: &Connection, kind: Kind) -> Result<Vec<(ObjectId, Value)>, Error> {
    let mut parameters = ListParams::default().labels(&instance_selector(&connection.target.stack));
    if kind == Kind::Namespace {
        parameters = parameters.fields(&format!("metadata.name={}", connection.target.namespace));
    }
    list_by(connection, kind, parameters).await
}

/// Every object of a kind that the parameters select.
pub(super) async fn list_by(
    connection: &Connection,
    kind: Kind,
    parameters: ListParams,
) -> Result<Vec<(ObjectId, Value)>, Error> {
    let api = connection.api(kind);
    let what = format!(
        "{}s in namespace {}",
        kind.name(),
        connection.target.namespace
    );
    let list = retried(|| api.list(&parameters)).await;
    let list = list.map_err(|error| explain(error, connection, "list", what))?;
    Ok(list
        .items
        .into_iter()
        .map(|item| identified(connection, kind, item))
        .collect())
}

/// Items of a list carry neither apiVersion nor kind; a prediction does.
fn identified(connection: &Connection, kind: Kind, item: DynamicObject) -> (ObjectId, Value) {
    let id = connection.object_id(kind, item.metadata.name.as_deref().unwrap_or_default());
    (id, to_value(kind, item))
}

pub(super) fn to_value(kind: Kind, object: DynamicObject) -> Value {
    let resource = kind.api_resource();
    let mut value = serde_json::to_value(object).expect("an object of the API is JSON");
    value["apiVersion"] = resource.api_version.into();
    value["kind"] = resource.kind.into();
    value
}

async fn predict_all(
    connection: &Connection,
    desired: &Desired,
) -> Result<BTreeMap<ObjectId, Prediction>, Error> {
    let predictions = desired.iter().map(|(id, body)| async {
        let prediction = predict(connection, id, body).await?;
        Ok::<_, Error>((id.clone(), prediction))
    });
    Ok(try_join_all(predictions).await?.into_iter().collect())
}

async fn predict(
    connection: &Connection,
    id: &ObjectId,
    body: &Value,
) -> Result<Prediction, Error> {
    let error = match dry_run(connection, id, body, false).await {
        Ok(predicted) => return Ok(Prediction::Applied(predicted)),
        Err(error) => error,
    };
    if let Some(causes) = immutable(&error) {
        return Ok(Prediction::Immutable {
            causes,
            conflicts: Vec::new(),
        });
    }
    let kube::Error::Api(status) = &error else {
        return Err(explain(error, connection, "plan", id));
    };
    let Some(details) = &status.details else {
        return refused(connection, id, error);
    };
    match status.code {
        404 if details.kind == "namespaces" => Ok(Prediction::NamespaceMissing),
        409 if !details.causes.is_empty() => predict_by_force(connection, id, body, details).await,
        _ => refused(connection, id, error),
    }
}

/// A user who may only look still gets a plan, if not the API server's word on it.
fn refused(
    connection: &Connection,
    id: &ObjectId,
    error: kube::Error,
) -> Result<Prediction, Error> {
    match explain(error, connection, "plan", id) {
        Error::Forbidden { message, .. } => Ok(Prediction::Forbidden(message)),
        Error::Terminating { .. } => Ok(Prediction::NamespaceGoing),
        error => Err(error),
    }
}

/// What the object would be if we took the fields in conflict: the plan must show it, whether or not it is wanted.
async fn predict_by_force(
    connection: &Connection,
    id: &ObjectId,
    body: &Value,
    details: &StatusDetails,
) -> Result<Prediction, Error> {
    let conflicts: Vec<Conflict> = details
        .causes
        .iter()
        .map(|cause| Conflict {
            field: cause.field.clone(),
            manager: cause
                .message
                .strip_prefix("conflict with ")
                .unwrap_or(&cause.message)
                .to_owned(),
        })
        .collect();
    // The API server answers with conflicts first, whatever else it has against the object.
    match dry_run(connection, id, body, true).await {
        Ok(forced) => Ok(Prediction::Conflicting { forced, conflicts }),
        Err(error) => match immutable(&error) {
            Some(causes) => Ok(Prediction::Immutable { causes, conflicts }),
            None => Err(explain(error, connection, "plan", id)),
        },
    }
}

async fn dry_run(
    connection: &Connection,
    id: &ObjectId,
    body: &Value,
    force: bool,
) -> Result<Value, kube::Error> {
    let parameters = PatchParams {
        dry_run: true,
        force,
        field_manager: Some(MANAGER.into()),
        ..Default::default()
    };
    let (api, patch) = (connection.api(id.kind), Patch::Apply(body));
    let object = retried(|| api.patch(&id.name, &parameters, &patch)).await?;
    Ok(to_value(id.kind, object))
}

/// What only a new object can have, where the API server refuses nothing else.
fn immutable(error: &kube::Error) -> Option<Vec<Cause>> {
    let kube::Error::Api(status) = error else {
        return None;
    };
    let details = status.details.as_ref()?;
    (status.code == 422 && is_immutable(details)).then(|| causes(details))
}

/// A wrong uid also answers 422, and is no reason to replace anything: only fields outside of `metadata` are.
fn is_immutable(details: &StatusDetails) -> bool {
    !details.causes.is_empty()
        && details.causes.iter().all(|cause| {
            cause.message.contains("immutable") && !cause.field.starts_with("metadata")
        })
}

fn causes(details: &StatusDetails) -> Vec<Cause> {
    let text = |message: &str| message.rsplit(": ").next().unwrap_or_default().to_owned();
    details
        .causes
        .iter()
        .map(|cause| Cause {
            field: cause.field.clone(),
            message: text(&cause.message),
        })
        .collect()
}
