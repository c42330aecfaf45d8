//! Whether the metrics that the autoscaler reads are served: asked for as the autoscaler itself asks.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::APIGroup;
use kube::Error as KubeError;
use kube::api::ListParams;
use kube::core::Request;
use serde_json::Value;

use super::Connection;
use super::retry::reason;
use crate::kinds::{AutoscalerMetric, MetricState, instance_selector};
use crate::plan::outlook::Asked;

/// Looks once whether the stack's pods have the metric now.
pub async fn metric_state(
    connection: &Connection,
    metric: &AutoscalerMetric,
) -> Asked<MetricState> {
    let version = match version(connection, metric.group()).await {
        Ok(Some(version)) => version,
        Ok(None) => return Ok(MetricState::NoApi("it has no version".into())),
        Err(error) => return without_api(error),
    };
    match values(connection, metric, &version).await {
        Ok(list) if list["items"].as_array().is_some_and(|all| !all.is_empty()) => {
            Ok(MetricState::Served)
        }
        Ok(_) => Ok(MetricState::Missing),
        Err(error) if has_code(&error, 404) => Ok(MetricState::Missing),
        Err(error) => without_api(error),
    }
}

/// The group's version that the API server prefers.
async fn version(connection: &Connection, group: &str) -> Result<Option<String>, KubeError> {
    let request = Request::new(format!("/apis/{group}"));
    let request = request.list(&ListParams::default());
    let request = request.map_err(KubeError::BuildRequest)?;
    let group: APIGroup = connection.client.request(request).await?;
    let preferred = group.preferred_version.into_iter();
    let version = preferred.chain(group.versions).next();
    Ok(version.map(|version| version.group_version))
}

/// The metric's values of the stack's pods, as its API lists them.
pub(super) async fn values(
    connection: &Connection,
    metric: &AutoscalerMetric,
    version: &str,
) -> Result<Value, KubeError> {
    let pods = match metric {
        AutoscalerMetric::Resource(_) => "pods".to_owned(),
        AutoscalerMetric::Pods(name) => format!("pods/*/{name}"),
    };
    let namespace = &connection.target.namespace;
    let selector = instance_selector(&connection.target.stack);
    let request = Request::new(format!("/apis/{version}/namespaces/{namespace}/{pods}"));
    let request = request.list(&ListParams::default().labels(&selector));
    let request = request.map_err(KubeError::BuildRequest)?;
    connection.client.request(request).await
}

/// 404 is a group that nobody registered, 503 one whose server does not answer.
fn without_api(error: KubeError) -> Asked<MetricState> {
    if has_code(&error, 404) {
        return Ok(MetricState::NoApi("nothing is registered for it".into()));
    }
    if has_code(&error, 503) {
        return Ok(MetricState::NoApi(reason(error)));
    }
    Err(reason(error))
}

fn has_code(error: &KubeError, code: u16) -> bool {
    matches!(error, KubeError::Api(status) if status.code == code)
}
