//! What a cluster has for a stack that is not written yet.

use futures::future::join4;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::Api;
use kube::api::ListParams;

use super::Connection;
use super::capabilities::{self, namespace};
use super::metrics::metric_state;
use super::retry::reason;
use super::retry::retried;
use crate::gate::Listing;
use crate::kinds::{AutoscalerMetric, MetricState};
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
        cpu(connection),
        capabilities::requests_per_second(connection),
    )
    .await;
    Prospect {
        namespace: namespace.map(|namespace| namespace.is_some()),
        claims,
        cpu,
        requests_per_second: requests_per_second.map(|listing| listing == Listing::Listed),
    }
}

async fn cpu(connection: &Connection) -> Asked<bool> {
    let state = metric_state(connection, &AutoscalerMetric::Resource("cpu".into())).await?;
    Ok(!matches!(state, MetricState::NoApi(_)))
}

async fn claims(connection: &Connection) -> Asked<Vec<String>> {
    let namespace = &connection.target.namespace;
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(connection.client.clone(), namespace);
    let all = ListParams::default();
    let found = retried(|| claims.list_metadata(&all)).await;
    let found = found.map_err(reason)?.items.into_iter();
    Ok(found.filter_map(|claim| claim.metadata.name).collect())
}
