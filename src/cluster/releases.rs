//! Releases in the cluster: a ControllerRevision each, as StatefulSets and DaemonSets keep their own history.
//!
//! `data` of a ControllerRevision is immutable; how the release ended stands in an annotation.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::ControllerRevision;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::runtime::RawExtension;
use kube::Api;
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use serde_json::json;

use super::deletion;
use super::explain::explain;
use super::retry::retried;
use super::{Connection, Error};
use crate::kinds::{INSTANCE, MANAGED_BY, MANAGER, instance_selector};
use crate::plan::provenance;
use crate::plan::release::{Outcome, Record, Release, newest};
use crate::stack::Target;

const OUTCOME: &str = "uninlu.dev/outcome";

/// The stack's releases, oldest first, and the records that are not believed.
#[derive(Debug, Clone, Default)]
pub struct Releases {
    believed: Vec<Release>,
    /// Records that this tool did not make for this stack, or cannot read.
    pub skipped: Vec<Skipped>,
}

/// A record that is not believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Name of the ControllerRevision.
    pub name: String,
    /// The number that its name says, if it is a name of ours: no other release can have it.
    pub number: Option<i64>,
    /// Why.
    pub reason: String,
}

impl std::ops::Deref for Releases {
    type Target = [Release];

    fn deref(&self) -> &[Release] {
        &self.believed
    }
}

impl std::ops::DerefMut for Releases {
    fn deref_mut(&mut self) -> &mut [Release] {
        &mut self.believed
    }
}

impl Releases {
    fn next_number(&self) -> i64 {
        let skipped = self.skipped.iter().filter_map(|skipped| skipped.number);
        let newest = newest(self).map(|release| release.number);
        skipped
            .chain(newest)
            .max()
            .map_or(1, |number| number.saturating_add(1))
    }
}

/// The stack's releases.
///
/// # Errors
/// See [`Error`].
pub async fn releases(connection: &Connection) -> Result<Releases, Error> {
    let mut releases = Releases::default();
    for item in list(connection).await? {
        match read(&item, &connection.target) {
            Ok(release) => releases.believed.push(release),
            Err(reason) => releases
                .skipped
                .push(skipped(&item, &connection.target, reason)),
        }
    }
    releases.believed.sort_by_key(|release| release.number);
    Ok(releases)
}

fn skipped(item: &ControllerRevision, target: &Target, reason: String) -> Skipped {
    let name = item.metadata.name.clone().unwrap_or_default();
    Skipped {
        number: provenance::number_of(&target.stack, &name),
        name,
        reason,
    }
}

/// Every record of the stack with its uid, readable or not. Labels alone do not make one: its name does, and that nobody
/// else owns it.
pub(super) async fn records(connection: &Connection) -> Result<Vec<(String, String)>, Error> {
    let items = list(connection).await?.into_iter();
    let is_ours = |item: &ControllerRevision| {
        provenance::misplaced(&item.metadata, item.revision, &connection.target).is_none()
    };
    Ok(items
        .filter(is_ours)
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

/// `Err` says why it is not believed.
fn read(item: &ControllerRevision, target: &Target) -> Result<Release, String> {
    if let Some(reason) = provenance::misplaced(&item.metadata, item.revision, target) {
        return Err(reason);
    }
    let data = item.data.as_ref().map(|data| data.0.clone());
    let record: Record = serde_json::from_value(data.unwrap_or_default())
        .map_err(|error| format!("it cannot be read ({error})"))?;
    if let Some(reason) = provenance::foreign(&record.goal, target) {
        return Err(reason);
    }
    let annotations = item.metadata.annotations.as_ref();
    let outcome = annotations.and_then(|annotations| annotations.get(OUTCOME));
    Ok(Release {
        number: item.revision,
        record,
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
    earlier: &Releases,
    record: Record,
) -> Result<Release, Error> {
    let first = earlier.next_number();
    for number in first..first.saturating_add(TAKEN) {
        if create(connection, number, &record).await? {
            return Ok(Release {
                number,
                record,
                outcome: Outcome::Open,
            });
        }
    }
    Err(Error::NoNumber {
        from: name(connection, first),
        to: name(connection, first.saturating_add(TAKEN - 1)),
    })
}

/// How many names that another object has are passed over.
const TAKEN: i64 = 20;

/// Creates a record; `false` where the name is that of an object which is no record of this stack: it is not in the list
/// of its releases, and stays as it is.
async fn create(connection: &Connection, number: i64, record: &Record) -> Result<bool, Error> {
    let data = serde_json::to_value(record).expect("a record is JSON");
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
    let object = || format!("ControllerRevision {}", name(connection, number));
    match created {
        Ok(_) => Ok(true),
        Err(error) if is_taken(&error) && is_another(connection, number).await => Ok(false),
        Err(error) => Err(explain(error, connection, "create", object())),
    }
}

fn is_taken(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.reason == "AlreadyExists")
}

/// Whether the object of that name does not count among the stack's releases; one that does, another apply has just made.
/// Where that is not known, it is taken for one that does.
async fn is_another(connection: &Connection, number: i64) -> bool {
    let (api, name) = (revisions(connection), name(connection, number));
    let Ok(Some(found)) = retried(|| api.get_metadata_opt(&name)).await else {
        return false;
    };
    let labels = found.metadata.labels.unwrap_or_default();
    let has = |key: &str, value: &str| labels.get(key).is_some_and(|found| found == value);
    !(has(MANAGED_BY, MANAGER) && has(INSTANCE, &connection.target.stack))
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
    let object = format!("ControllerRevision {name}");
    deletion::delete(&revisions(connection), name, uid, None)
        .await
        .map_err(|error| explain(error, connection, "delete", object))
}

fn revisions(connection: &Connection) -> Api<ControllerRevision> {
    Api::namespaced(connection.client.clone(), &connection.target.namespace)
}

fn name(connection: &Connection, number: i64) -> String {
    provenance::record_name(&connection.target.stack, number)
}

fn words(outcome: &Outcome) -> String {
    serde_json::to_string(outcome).expect("an outcome is JSON")
}
