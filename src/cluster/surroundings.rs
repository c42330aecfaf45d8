//! What is around a stack and decides whether its pods come: nodes, other pods, quotas, claims, Secrets.

use std::fmt::Debug;

use futures::future::{join, join_all, join3, join4};
use k8s_openapi::api::core::v1::{
    LimitRange, Node, PersistentVolumeClaim, Pod, ResourceQuota, Secret,
};
use kube::Api;
use kube::api::ListParams;
use serde::de::DeserializeOwned;

use super::Connection;
use super::metrics::metric_state;
use super::retry::{reason, retried};
use crate::plan::outlook::{Asked, References, Surroundings};

/// Looks around, all at once. What may not be looked at, or does not answer, is told and stops nothing.
pub async fn surroundings(connection: &Connection, references: &References) -> Surroundings {
    let namespace = &connection.target.namespace;
    let client = || connection.client.clone();
    let running = ListParams::default().fields("status.phase!=Succeeded,status.phase!=Failed");
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(client(), namespace);
    let secrets: Api<Secret> = Api::namespaced(client(), namespace);
    let lists = join4(
        all(Api::<Node>::all(client()), ListParams::default()),
        all(Api::<Pod>::all(client()), running),
        all(
            Api::<ResourceQuota>::namespaced(client(), namespace),
            ListParams::default(),
        ),
        all(
            Api::<LimitRange>::namespaced(client(), namespace),
            ListParams::default(),
        ),
    );
    let named = join(
        join_all(references.claims.iter().map(|name| async {
            let claim = retried(|| claims.get_opt(name)).await.map_err(reason);
            (name.clone(), claim)
        })),
        // Metadata alone: a Secret's value never comes here.
        join_all(references.secrets.iter().map(|name| async {
            let secret = retried(|| secrets.get_metadata_opt(name)).await;
            (
                name.clone(),
                secret.map(|secret| secret.is_some()).map_err(reason),
            )
        })),
    );
    let metrics = join_all(references.metrics.iter().map(|metric| async {
        let state = metric_state(connection, metric).await;
        (metric.clone(), state)
    }));
    let ((nodes, pods, quotas, limits), (claims, secrets), metrics) =
        join3(lists, named, metrics).await;
    Surroundings {
        nodes,
        pods,
        quotas,
        limits,
        claims: claims.into_iter().collect(),
        secrets: secrets.into_iter().collect(),
        metrics,
    }
}

pub(super) async fn all<K: Clone + Debug + DeserializeOwned>(
    api: Api<K>,
    parameters: ListParams,
) -> Asked<Vec<K>> {
    let list = retried(|| api.list(&parameters)).await.map_err(reason)?;
    Ok(list.items)
}
