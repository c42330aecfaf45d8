//! `[service]`: the Service in front of the pods.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::at::{At, value_or};
use super::fault::Faults;
use super::names;

/// Port on which the server listens inside its container.
pub const CONTAINER_PORT: u16 = 7860;

/// The Service in front of the pods.
#[derive(Debug, Clone, PartialEq)]
pub struct Service {
    /// Port of the Service; the container always listens on [`CONTAINER_PORT`].
    pub port: u16,
    /// How the Service is reached.
    pub kind: ServiceKind,
    /// Annotations of the Service, for load balancers' sake.
    pub annotations: BTreeMap<String, String>,
}

/// Kubernetes' Service types that make sense for one HTTP server
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum ServiceKind {
    /// Reachable inside the cluster
    #[serde(rename = "ClusterIP")]
    ClusterIp,
    /// Reachable on a port of each node
    NodePort,
    /// Reachable through the cloud's load balancer
    LoadBalancer,
}

impl ServiceKind {
    /// As Kubernetes writes it.
    pub const fn name(self) -> &'static str {
        match self {
            ServiceKind::ClusterIp => "ClusterIP",
            ServiceKind::NodePort => "NodePort",
            ServiceKind::LoadBalancer => "LoadBalancer",
        }
    }
}

/// The Service in front of the pods
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Service")]
pub(super) struct RawService {
    /// Port of the Service (default 7860)
    port: Option<At<u16>>,
    /// `ClusterIP` (default), `NodePort` or `LoadBalancer`
    r#type: Option<At<ServiceKind>>,
    /// Annotations of the Service
    annotations: BTreeMap<String, At<String>>,
}

impl RawService {
    pub(super) fn validate(self, faults: &mut Faults) -> Service {
        if let Some(at) = &self.port {
            faults.check(
                at.value > 0,
                &at.span,
                "`port` 0 is no port",
                "write a number from 1 to 65535",
            );
        }
        for (key, at) in &self.annotations {
            faults.check(
                names::is_qualified_key(key),
                &at.span,
                format!("`{key}` is no annotation in Kubernetes"),
                "write a name, perhaps with a domain before it: `example.com/name`",
            );
        }
        Service {
            port: value_or(&self.port, CONTAINER_PORT),
            kind: value_or(&self.r#type, ServiceKind::ClusterIp),
            annotations: self
                .annotations
                .into_iter()
                .map(|(key, at)| (key, at.value))
                .collect(),
        }
    }
}
