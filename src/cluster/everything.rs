//! All objects of a namespace of the kinds that a stack is made of, whoever made them.

use futures::future::try_join_all;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::ListParams;
use serde_json::Value;

use super::adopt::live;
use super::explain::explain;
use super::observe::list_by;
use super::retry::retried;
use super::{Connection, Error};
use crate::kinds::Kind;

/// Reads every object of the target's namespace, and the namespace where the user may.
///
/// # Errors
/// See [`Error`].
pub async fn everything(connection: &Connection) -> Result<Vec<Value>, Error> {
    let kinds = Kind::ALL.into_iter().filter(|kind| kind.is_namespaced());
    let lists = kinds.map(|kind| list_by(connection, kind, ListParams::default()));
    let lists = try_join_all(lists).await?;
    let id = connection.object_id(Kind::Namespace, &connection.target.namespace);
    let namespace = match live(connection, &id).await {
        Ok(namespace) => namespace,
        // Who has rights in the namespace alone does not see it.
        Err(Error::Forbidden { .. }) => None,
        Err(error) => return Err(error),
    };
    Ok(namespace
        .into_iter()
        .chain(lists.into_iter().flatten().map(|(_, object)| object))
        .collect())
}

/// `repository@sha256:…` of the image that the container runs in pods of that selector; `None` when there is none, or
/// pods run different ones.
///
/// # Errors
/// See [`Error`].
pub async fn running_image(
    connection: &Connection,
    selector: &str,
    container: &str,
) -> Result<Option<String>, Error> {
    let api: Api<Pod> = Api::namespaced(connection.client.clone(), &connection.target.namespace);
    let parameters = ListParams::default().labels(selector);
    let pods = retried(|| api.list(&parameters)).await;
    let pods = pods.map_err(|error| explain(error, connection, "list", "Pods"))?;
    let statuses = pods
        .items
        .iter()
        .filter_map(|pod| pod.status.as_ref()?.container_statuses.as_ref());
    let mut images: Vec<&str> = statuses
        .flatten()
        .filter(|status| status.name == container && status.image_id.contains("@sha256:"))
        .map(|status| status.image_id.trim_start_matches("docker-pullable://"))
        .collect();
    images.sort_unstable();
    images.dedup();
    Ok(match images.as_slice() {
        [only] => Some((*only).to_owned()),
        _ => None,
    })
}
