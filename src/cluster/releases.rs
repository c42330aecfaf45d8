//! Releases in the cluster: a ControllerRevision each, as StatefulSets and DaemonSets keep their own history.
//!
//! `data` of a ControllerRevision is immutable; how the release ended stands in an annotation.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::ControllerRevision;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::runtime::RawExtension;
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions};
use serde_json::json;

use super::error::explain;
use super::observe::retried;
use super::{Connection, Error};
use crate::kinds::{INSTANCE, MANAGED_BY, MANAGER, instance_selector};
use crate::plan::release::{Outcome, Record, Release, newest};

const OUTCOME: &str = "uninlu.dev/outcome";

/// The stack's releases, oldest first. A record that cannot be read (of another version of the tool) is left out.
///
/// # Errors
/// See [`Error`].
pub async fn releases(connection: &Connection) -> Result<Vec<Release>, Error> {
    let mut releases: Vec<Release> = list(connection).await?.iter().filter_map(read).collect();
    releases.sort_by_key(|release| release.number);
    Ok(releases)
}

/// Every record of the stack with its uid, readable or not.
pub(super) async fn records(connection: &Connection) -> Result<Vec<(String, String)>, Error> {
    let items = list(connection).await?;
    Ok(items
        .into_iter()
        .filter_map(|item| Some((item.metadata.name?, item.metadata.uid?)))
        .collect())
}

async fn list(connection: &Connection) -> Result<Vec<ControllerRevision>, Error> {
    let api = revisions(connection);
    let selected = ListParams::default().labels(&instance_selector(&connection.target.stack));
    let list = retried(|| api.list(&selected)).await;
    let list = list.map_err(|error| explain(error, connection, "list", "ControllerRevisions"))?;
    Ok(list.items)
}

fn read(item: &ControllerRevision) -> Option<Release> {
    let data = item.data.as_ref()?.0.clone();
    let annotations = item.metadata.annotations.as_ref();
    let outcome = annotations.and_then(|annotations| annotations.get(OUTCOME));
    Some(Release {
        number: item.revision,
        record: serde_json::from_value(data).ok()?,
        outcome: outcome
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or(Outcome::Open),
    })
}

/// Records a release that begins; its number is the next one.
///
/// # Errors
/// See [`Error`].
pub async fn begin(
    connection: &Connection,
    earlier: &[Release],
    record: Record,
) -> Result<Release, Error> {
    let number = newest(earlier).map_or(1, |release| release.number + 1);
    let data = serde_json::to_value(&record).expect("a record is JSON");
    let labels = [
        (MANAGED_BY, MANAGER),
        (INSTANCE, connection.target.stack.as_str()),
    ];
    let body = ControllerRevision {
        metadata: ObjectMeta {
            name: Some(name(connection, number)),
            namespace: Some(connection.target.namespace.clone()),
            labels: Some(
                labels
                    .map(|(key, value)| (key.to_owned(), value.to_owned()))
                    .into(),
            ),
            annotations: Some(BTreeMap::from([(
                OUTCOME.to_owned(),
                words(&Outcome::Open),
            )])),
            ..Default::default()
        },
        data: Some(RawExtension(data)),
        revision: number,
    };
    let parameters = PostParams {
        field_manager: Some(MANAGER.into()),
        ..Default::default()
    };
    let created = revisions(connection).create(&parameters, &body).await;
    created.map_err(|error| {
        explain(
            error,
            connection,
            "create",
            format!("ControllerRevision {}", name(connection, number)),
        )
    })?;
    Ok(Release {
        number,
        record,
        outcome: Outcome::Open,
    })
}

/// Records how the release ended.
///
/// # Errors
/// See [`Error`].
pub async fn end(connection: &Connection, number: i64, outcome: &Outcome) -> Result<(), Error> {
    let patch = json!({ "metadata": { "annotations": { OUTCOME: words(outcome) } } });
    let parameters = PatchParams {
        field_manager: Some(MANAGER.into()),
        ..Default::default()
    };
    let name = name(connection, number);
    let (api, patch) = (revisions(connection), Patch::Merge(&patch));
    let patched = retried(|| api.patch_metadata(&name, &parameters, &patch)).await;
    patched.map_err(|error| {
        explain(
            error,
            connection,
            "patch",
            format!("ControllerRevision {name}"),
        )
    })?;
    Ok(())
}

/// Removes records.
///
/// # Errors
/// See [`Error`]; one that is gone already is fine.
pub async fn forget(connection: &Connection, numbers: &[i64]) -> Result<(), Error> {
    for number in numbers {
        delete(connection, &name(connection, *number), None).await?;
    }
    Ok(())
}

pub(super) async fn delete(
    connection: &Connection,
    name: &str,
    uid: Option<&str>,
) -> Result<(), Error> {
    let parameters = DeleteParams {
        preconditions: uid.map(|uid| Preconditions {
            uid: Some(uid.to_owned()),
            resource_version: None,
        }),
        ..Default::default()
    };
    let api = revisions(connection);
    match retried(|| api.delete(name, &parameters)).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(error) => Err(explain(
            error,
            connection,
            "delete",
            format!("ControllerRevision {name}"),
        )),
    }
}

fn revisions(connection: &Connection) -> Api<ControllerRevision> {
    Api::namespaced(connection.client.clone(), &connection.target.namespace)
}

fn name(connection: &Connection, number: i64) -> String {
    format!("{}-release-{number}", connection.target.stack)
}

fn words(outcome: &Outcome) -> String {
    serde_json::to_string(outcome).expect("an outcome is JSON")
}
