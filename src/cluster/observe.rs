//! What the cluster holds now, and what it says our apply would make of it.
//!
//! One LIST per kind and one dry-run PATCH per object, all at once; a second round only where the first one asks for it
//! (kinds that left the stack, conflicts). Reads and dry runs only.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::future::{join, try_join_all};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{DynamicObject, ListParams, Patch, PatchParams};
use kube::core::{Status, response::StatusDetails};
use serde_json::Value;

use super::error::explain;
use super::guard::Over;
use super::{Connection, Error};
use crate::kinds::{Desired, Kind, MANAGER, ObjectId, instance_selector};
use crate::plan::{Cause, Conflict, Live, Prediction, apply_set};

/// Gathers everything that a plan depends on.
///
/// # Errors
/// See [`Error`]; a conflict, an immutable field or a missing namespace is no error but a [`Prediction`].
pub async fn observe(connection: &Connection, desired: &Desired) -> Result<Live, Error> {
    let kinds: BTreeSet<Kind> = desired.keys().map(|id| id.kind).collect();
    let (lists, predictions) =
        join(ours(connection, &kinds), predict_all(connection, desired)).await;
    let (mut ours_now, predictions) = (lists?, predictions?);
    let parent = apply_set::parent_id(&connection.target);
    let recorded = ours_now
        .get(&parent)
        .map(apply_set::kinds_of)
        .unwrap_or_default();
    let left: BTreeSet<Kind> = recorded.difference(&kinds).copied().collect();
    ours_now.extend(ours(connection, &left).await?);
    Ok(Live {
        ours: ours_now,
        predictions,
    })
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
        Ok((id.clone(), prediction))
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
    let kube::Error::Api(status) = &error else {
        return Err(explain(error, connection, "plan", id));
    };
    let Some(details) = &status.details else {
        return refused(connection, id, error);
    };
    match status.code {
        404 if details.kind == "namespaces" => Ok(Prediction::NamespaceMissing),
        409 if !details.causes.is_empty() => predict_by_force(connection, id, body, details).await,
        422 if is_immutable(details) => Ok(Prediction::Immutable(causes(details))),
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
    let forced = dry_run(connection, id, body, true)
        .await
        .map_err(|error| explain(error, connection, "plan", id))?;
    let conflicts = details
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
    Ok(Prediction::Conflicting { forced, conflicts })
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

/// Attempts of a request, with waits of 0.2, 0.4, … 3.2 s between them unless the server names longer ones.
const ATTEMPTS: u32 = 6;

/// Tries a request again when the answer may be better next time. Only for what may be sent twice: reads, applies of
/// the same body, deletions of one uid.
pub(super) async fn retried<T, F: Future<Output = Result<T, kube::Error>>>(
    request: impl Fn() -> F,
) -> Result<T, kube::Error> {
    let mut attempt = 1;
    loop {
        match request().await {
            Err(error) if attempt < ATTEMPTS && is_transient(&error) => {
                tokio::time::sleep(pause(&error, attempt)).await;
                attempt += 1;
            }
            result => return result,
        }
    }
}

fn is_transient(error: &kube::Error) -> bool {
    match error {
        kube::Error::Api(status) => is_transient_status(status),
        kube::Error::HyperError(_) => true,
        // A refused connection is an answer; one that broke is not.
        kube::Error::Service(error) => {
            !error.is::<Over>() && !format!("{error:?}").contains("ConnectionRefused")
        }
        _ => false,
    }
}

fn is_transient_status(status: &Status) -> bool {
    matches!(status.code, 429 | 502 | 503 | 504)
}

fn pause(error: &kube::Error, attempt: u32) -> Duration {
    let named = match error {
        kube::Error::Api(status) => status
            .details
            .as_ref()
            .map_or(0, |details| details.retry_after_seconds),
        _ => 0,
    };
    Duration::from_millis(200 << (attempt - 1)).max(Duration::from_secs(named.min(10).into()))
}
