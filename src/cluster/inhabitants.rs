//! What lives in the stack's namespace, whatever its kind: asked by discovery, by metadata alone.

use std::collections::BTreeSet;

use futures::future::join;
use futures::{StreamExt, stream};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Api;
use kube::api::{DynamicObject, ListParams};
use kube::core::{ApiResource, GroupVersionKind};

use super::Connection;
use super::retry::{reason, retried};
use crate::plan::inhabitants::{Inhabitant, counts};
use crate::plan::outlook::Asked;

/// Lists in flight: some clusters serve hundreds of kinds.
const AT_ONCE: usize = 16;

/// Objects of a namespace, and what of it could not be looked at, with the reasons.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) all: Vec<Inhabitant>,
    pub(super) unknown: Vec<String>,
}

/// Lists every namespaced kind that can be listed. What may not be listed is told, and stops nothing.
pub(super) async fn inhabitants(connection: &Connection) -> Found {
    let (kinds, mut unknown) = kinds(connection).await;
    let lists: Vec<(ApiResource, Asked<Vec<ObjectMeta>>)> = stream::iter(kinds)
        .map(|kind| async move {
            let list = list(connection, &kind).await;
            (kind, list)
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    let mut all = Vec::new();
    for (kind, list) in lists {
        match list {
            Ok(items) => all.extend(items.into_iter().map(|metadata| Inhabitant {
                group: kind.group.clone(),
                kind: kind.kind.clone(),
                metadata,
            })),
            Err(reason) => unknown.push(format!("{} ({reason})", words(&kind))),
        }
    }
    unknown.sort_unstable();
    Found { all, unknown }
}

fn words(kind: &ApiResource) -> String {
    match kind.group.as_str() {
        "" => format!("any {}", kind.kind),
        group => format!("any {}.{group}", kind.kind),
    }
}

/// Every namespaced kind that can be listed, each group's in its preferred version, and the groups that do not answer.
async fn kinds(connection: &Connection) -> (Vec<ApiResource>, Vec<String>) {
    let client = &connection.client;
    let (core, groups) = join(
        retried(|| client.list_core_api_versions_aggregated()),
        retried(|| client.list_api_groups_aggregated()),
    )
    .await;
    let (mut kinds, mut unknown) = (Vec::new(), Vec::new());
    for (what, list) in [("the core API", core), ("the API groups", groups)] {
        let list = match list {
            // A server that does not know the aggregated form answers with another one, which reads as empty.
            Ok(list) if list.items.is_empty() => {
                unknown.push(format!("{what} (discovery names no kinds)"));
                continue;
            }
            Ok(list) => list,
            Err(error) => {
                unknown.push(format!("{what} (discovery fails: {})", reason(error)));
                continue;
            }
        };
        for group in list.items {
            let name = group.metadata.and_then(|metadata| metadata.name);
            let name = name.unwrap_or_default();
            let mut seen = BTreeSet::new();
            for version in group.versions {
                let number = version.version.unwrap_or_default();
                if version.freshness.as_deref() == Some("Stale") {
                    unknown.push(format!("anything of {name}/{number} (its discovery fails)"));
                }
                for resource in version.resources {
                    let kind = resource.response_kind.and_then(|kind| kind.kind);
                    let (Some(kind), Some(plural)) = (kind, resource.resource) else {
                        continue;
                    };
                    let is_listed = resource.scope.as_deref() == Some("Namespaced")
                        && resource.verbs.iter().any(|verb| verb == "list")
                        && counts(&name, &kind);
                    if is_listed && seen.insert(plural.clone()) {
                        let kind = GroupVersionKind::gvk(&name, &number, &kind);
                        kinds.push(ApiResource::from_gvk_with_plural(&kind, &plural));
                    }
                }
            }
        }
    }
    (kinds, unknown)
}

async fn list(connection: &Connection, kind: &ApiResource) -> Asked<Vec<ObjectMeta>> {
    let namespace = &connection.target.namespace;
    let api: Api<DynamicObject> = Api::namespaced_with(connection.client.clone(), namespace, kind);
    let all = ListParams::default();
    match retried(|| api.list_metadata(&all)).await {
        Ok(list) => Ok(list.items.into_iter().map(|item| item.metadata).collect()),
        // A kind that went away since discovery takes its objects along.
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(Vec::new()),
        Err(error) => Err(reason(error)),
    }
}
