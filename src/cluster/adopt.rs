//! Taking over objects that another tool made.

use std::collections::BTreeMap;

use futures::future::try_join_all;
use serde_json::Value;

use super::apply::patch_json;
use super::explain::explain;
use super::observe::to_value;
use super::retry::retried;
use super::{Connection, Error};
use crate::kinds::{Desired, ObjectId};
use crate::plan::adoption::Adoption;

/// The live objects of these names, whoever made them.
///
/// # Errors
/// See [`Error`].
pub async fn unowned(
    connection: &Connection,
    desired: &Desired,
) -> Result<BTreeMap<ObjectId, Value>, Error> {
    let objects = desired.keys().map(|id| async move {
        let object = live(connection, id).await?;
        Ok::<_, Error>(object.map(|object| (id.clone(), object)))
    });
    Ok(try_join_all(objects).await?.into_iter().flatten().collect())
}

/// The live object of that name, whoever made it.
///
/// # Errors
/// See [`Error`].
pub async fn live(connection: &Connection, id: &ObjectId) -> Result<Option<Value>, Error> {
    let api = connection.api(id.kind);
    let object = retried(|| api.get_opt(&id.name)).await;
    let object = object.map_err(|error| explain(error, connection, "get", id))?;
    Ok(object.map(|object| to_value(id.kind, object)))
}

/// Takes one over; `false` when the object changed since it was looked at.
///
/// # Errors
/// See [`Error`].
pub async fn adopt(connection: &Connection, adoption: &Adoption) -> Result<bool, Error> {
    patch_json(connection, &adoption.id, adoption.patch.clone()).await
}
