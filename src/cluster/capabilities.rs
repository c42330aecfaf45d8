//! What a cluster takes and serves: its version, the namespace's labels, the autoscaler's metric.

use std::collections::BTreeMap;

use futures::future::join3;
use http::Request;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{APIResourceList, ObjectMeta};
use kube::Api;

use super::Connection;
use super::retry::reason;
use super::retry::retried;
use crate::gate::{Cluster, Listing, Version};
use crate::kinds::prometheus::REQUESTS_PER_SECOND;
use crate::plan::outlook::Asked;

/// Asks for all of it at once. What may not be looked at, or does not answer, is told and stops nothing.
pub async fn capabilities(connection: &Connection) -> Cluster {
    let (version, namespace_labels, metric) = join3(
        version(connection),
        namespace_labels(connection),
        requests_per_second(connection),
    )
    .await;
    Cluster {
        version,
        namespace_labels,
        metric,
        warnings: Vec::new(),
    }
}

async fn version(connection: &Connection) -> Asked<Version> {
    let info = retried(|| connection.client.apiserver_version())
        .await
        .map_err(reason)?;
    // Some clouds write `34+`.
    let number = |text: &str| text.trim_end_matches('+').parse().ok();
    match (number(&info.major), number(&info.minor)) {
        (Some(major), Some(minor)) => Ok(Version { major, minor }),
        _ => Err(format!(
            "the API server's version is `{}.{}`",
            info.major, info.minor
        )),
    }
}

async fn namespace_labels(connection: &Connection) -> Asked<BTreeMap<String, String>> {
    let namespace = namespace(connection).await?;
    Ok(namespace
        .and_then(|namespace| namespace.labels)
        .unwrap_or_default())
}

/// The namespace's metadata; none when it is not there.
pub(super) async fn namespace(connection: &Connection) -> Asked<Option<ObjectMeta>> {
    let namespaces: Api<Namespace> = Api::all(connection.client.clone());
    let namespace = retried(|| namespaces.get_metadata_opt(&connection.target.namespace)).await;
    let namespace = namespace.map_err(reason)?;
    Ok(namespace.map(|namespace| namespace.metadata))
}

/// What the custom metrics API says of requests per second of pods.
pub(super) async fn requests_per_second(connection: &Connection) -> Asked<Listing> {
    let list = retried(|| async {
        let request = Request::get("/apis/custom.metrics.k8s.io/v1beta1").body(Vec::new());
        let request = request.map_err(kube::Error::HttpError)?;
        connection.client.request::<APIResourceList>(request).await
    })
    .await;
    match list {
        Ok(list) => {
            let name = format!("pods/{REQUESTS_PER_SECOND}");
            let is_listed = list.resources.iter().any(|resource| resource.name == name);
            Ok(match is_listed {
                true => Listing::Listed,
                false => Listing::Unlisted,
            })
        }
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(Listing::NoApi),
        Err(error) => Err(reason(error)),
    }
}
