//! What a cluster has for a stack that is not written yet. Only reads.

use std::time::Duration;

use futures::future::{join, join3};
use k8s_openapi::api::core::v1::{Node, PersistentVolumeClaim, Pod};
use k8s_openapi::api::storage::v1::StorageClass;
use kube::Api;
use kube::api::ListParams;

use super::Connection;
use super::capabilities::{self, namespace};
use super::metrics::metric_state;
use super::surroundings::all;
use crate::gate::Listing;
use crate::kinds::{AutoscalerMetric, MetricState};
use crate::plan::outlook::Asked;

/// What was found; what could not be read says why.
#[derive(Debug, Clone)]
pub struct Survey {
    /// Whether the namespace exists.
    pub namespace: Asked<bool>,
    /// The namespace's PersistentVolumeClaims.
    pub claims: Asked<Vec<PersistentVolumeClaim>>,
    /// The cluster's storage classes.
    pub classes: Asked<Vec<StorageClass>>,
    /// Every node.
    pub nodes: Asked<Vec<Node>>,
    /// Every pod of the cluster that has not ended.
    pub pods: Asked<Vec<Pod>>,
    /// Whether CPU and memory of pods are served (metrics-server).
    pub cpu: Asked<bool>,
    /// Whether requests per second of pods are served (the Prometheus Adapter).
    pub requests_per_second: Asked<bool>,
}

/// An answer that takes longer does not hold up a file that can be written without it.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks for all of it at once.
pub async fn survey(connection: &Connection) -> Survey {
    let client = || connection.client.clone();
    let target = &connection.target.namespace;
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(client(), target);
    let running = ListParams::default().fields("status.phase!=Succeeded,status.phase!=Failed");
    let (around, (nodes, pods), (cpu, requests_per_second)) = join3(
        join3(
            within(namespace(connection)),
            within(all(claims, ListParams::default())),
            within(all(
                Api::<StorageClass>::all(client()),
                ListParams::default(),
            )),
        ),
        join(
            within(all(Api::<Node>::all(client()), ListParams::default())),
            within(all(Api::<Pod>::all(client()), running)),
        ),
        join(
            within(cpu(connection)),
            within(capabilities::requests_per_second(connection)),
        ),
    )
    .await;
    let (namespace, claims, classes) = around;
    Survey {
        namespace: namespace.map(|namespace| namespace.is_some()),
        claims,
        classes,
        nodes,
        pods,
        cpu,
        requests_per_second: requests_per_second.map(|listing| listing == Listing::Listed),
    }
}

async fn within<T>(answer: impl Future<Output = Asked<T>>) -> Asked<T> {
    let late = || format!("no answer within {} s", PATIENCE.as_secs());
    let answer = tokio::time::timeout(PATIENCE, answer).await;
    answer.unwrap_or_else(|_| Err(late()))
}

async fn cpu(connection: &Connection) -> Asked<bool> {
    let state = metric_state(connection, &AutoscalerMetric::Resource("cpu".into())).await?;
    Ok(!matches!(state, MetricState::NoApi(_)))
}

impl Survey {
    /// Why nothing is known; `None` where at least one object could be read. That metrics are not served says nothing:
    /// every web server answers so.
    pub fn silence(&self) -> Option<&str> {
        let refused = [
            self.namespace.as_ref().err(),
            self.claims.as_ref().err(),
            self.classes.as_ref().err(),
            self.nodes.as_ref().err(),
            self.pods.as_ref().err(),
        ];
        let all: Option<Vec<&String>> = refused.into_iter().collect();
        all?.first().map(|reason| reason.as_str())
    }
}
