//! Deletions of single objects.

use std::fmt::Debug;
use std::time::Duration;

use futures::future::try_join_all;
use kube::Api;
use kube::api::{DeleteParams, Preconditions, PropagationPolicy};
use serde::de::DeserializeOwned;

use super::explain::explain;
use super::retry::retried;
use super::{Connection, Error};
use crate::kinds::ObjectId;

/// How long the deletion of one object that gives way to another is waited for.
pub(super) const PATIENCE: Duration = Duration::from_secs(180);
const POLL: Duration = Duration::from_millis(250);

/// Asks for the object's deletion; one that is gone is as good.
pub(super) async fn request_deletion(
    connection: &Connection,
    id: &ObjectId,
    uid: Option<&str>,
) -> Result<(), Error> {
    let foreground = Some(PropagationPolicy::Foreground);
    delete(&connection.api(id.kind), &id.name, uid, foreground)
        .await
        .map_err(|error| explain(error, connection, "delete", id))
}

/// Deletes the object of that uid, if one is named; one that is gone is as good.
pub(super) async fn delete<K: Clone + DeserializeOwned + Debug>(
    api: &Api<K>,
    name: &str,
    uid: Option<&str>,
    propagation_policy: Option<PropagationPolicy>,
) -> Result<(), kube::Error> {
    let parameters = DeleteParams {
        preconditions: uid.map(|uid| Preconditions {
            uid: Some(uid.to_owned()),
            resource_version: None,
        }),
        propagation_policy,
        ..Default::default()
    };
    match retried(|| api.delete(name, &parameters)).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(error) => Err(error),
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
