//! What a cluster has for a stack that is not written yet.

use futures::future::join4;
use k8s_openapi::api::core::v1::{Namespace, PersistentVolumeClaim};
use kube::Api;
use kube::api::ListParams;

use super::Connection;
use super::capabilities::serves_requests_per_second;
use super::metrics::version;
use super::observe::retried;
use super::surroundings::reason;
use crate::plan::outlook::Asked;

/// What was found; what could not be looked at says why.
#[derive(Debug)]
pub struct Prospect {
    /// Whether the namespace is there.
    pub namespace: Asked<bool>,
    /// Names of the namespace's PersistentVolumeClaims.
    pub claims: Asked<Vec<String>>,
    /// Whether somebody serves CPU and memory of pods (metrics-server).
    pub cpu: Asked<bool>,
    /// Whether somebody serves requests per second of pods (the Prometheus Adapter).
    pub requests_per_second: Asked<bool>,
}

/// Looks, all at once, and only reads.
pub async fn prospect(connection: &Connection) -> Prospect {
    let (namespace, claims, cpu, requests_per_second) = join4(
        namespace(connection),
        claims(connection),
        async {
            Ok(version(connection, "metrics.k8s.io")
                .await
                .map_err(reason)?
                .is_some())
        },
        serves_requests_per_second(connection),
    )
    .await;
    Prospect {
        namespace,
        claims,
        cpu,
        requests_per_second,
    }
}

async fn namespace(connection: &Connection) -> Asked<bool> {
    let namespaces: Api<Namespace> = Api::all(connection.client.clone());
    let found = retried(|| namespaces.get_metadata_opt(&connection.target.namespace)).await;
    Ok(found.map_err(reason)?.is_some())
}

async fn claims(connection: &Connection) -> Asked<Vec<String>> {
    let namespace = &connection.target.namespace;
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(connection.client.clone(), namespace);
    let all = ListParams::default();
    let found = retried(|| claims.list_metadata(&all)).await;
    let found = found.map_err(reason)?.items.into_iter();
    Ok(found.filter_map(|claim| claim.metadata.name).collect())
}
