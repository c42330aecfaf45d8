//! `[service]`: the Service in front of the pods.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::at::{At, entries, value_or};
use super::fault::Faults;
use super::names;

pub use uninlu_settings::variables::DEFAULT_PORT as CONTAINER_PORT;

/// The Service in front of the pods.
#[derive(Debug, Clone, PartialEq)]
pub struct Service {
    /// Port of the Service; the container always listens on [`CONTAINER_PORT`].
    pub port: u16,
    /// How the Service is reached.
    pub kind: ServiceKind,
    /// Annotations of the Service, for load balancers' sake.
    pub annotations: BTreeMap<String, String>,
    /// Port of the container for `/health`, `/ready` and `/metrics` alone; `None` leaves them on [`CONTAINER_PORT`].
    pub management_port: Option<u16>,
}

impl Service {
    /// Port of the container on which probes and metrics are answered.
    pub fn probed_port(&self) -> u16 {
        self.management_port.unwrap_or(CONTAINER_PORT)
    }

    /// Whether the Service names the management port too: not where the outside would reach it.
    pub fn shows_management(&self) -> bool {
        self.management_port.is_some() && self.kind == ServiceKind::ClusterIp
    }
}

/// Kubernetes' Service types that make sense for one HTTP server
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum ServiceKind {
    /// Reachable inside the cluster
    #[serde(rename = "ClusterIP")]
    ClusterIp,
    /// Reachable on a port of each node
    NodePort,
    /// Reachable through the cloud's load balancer
    LoadBalancer,
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
    /// Port of the pods for `/health`, `/ready` and `/metrics` alone, from 1024; a `ClusterIP` Service has it too
    /// (default: they are on the port of the API)
    management_port: Option<At<u16>>,
}

/// Below it a process without CAP_NET_BIND_SERVICE may not listen (`net.ipv4.ip_unprivileged_port_start`).
const FIRST_UNPRIVILEGED: u16 = 1024;

impl RawService {
    pub(super) fn validate(self, faults: &mut Faults) -> Service {
        if let Some(at) = &self.port {
            faults.check(
                at.value > 0,
                &at.span,
                "`port` cannot be 0",
                "write a number from 1 to 65535",
            );
        }
        if let Some(at) = &self.management_port {
            self.check_management(at, faults);
        }
        for (key, at) in &self.annotations {
            faults.check(
                names::is_qualified_key(key),
                &at.span,
                format!("`{key}` is not a valid annotation"),
                "write a name, perhaps with a domain before it: `example.com/name`",
            );
        }
        Service {
            port: value_or(&self.port, CONTAINER_PORT),
            kind: value_or(&self.r#type, ServiceKind::ClusterIp),
            management_port: self.management_port.map(|at| at.value),
            annotations: entries(self.annotations),
        }
    }

    fn check_management(&self, at: &At<u16>, faults: &mut Faults) {
        let port = at.value;
        faults.check(
            port >= FIRST_UNPRIVILEGED,
            &at.span,
            format!("`management-port` {port} is a privileged port, and the server runs without the right to it"),
            format!("write a number from {FIRST_UNPRIVILEGED} to 65535, such as 9090"),
        );
        faults.check(
            port != CONTAINER_PORT,
            &at.span,
            format!("`management-port` {port} is the port of the API"),
            "write another, such as 9090",
        );
        let service_port = value_or(&self.port, CONTAINER_PORT);
        let is_shown = value_or(&self.r#type, ServiceKind::ClusterIp) == ServiceKind::ClusterIp;
        faults.check(
            port != service_port || port == CONTAINER_PORT || !is_shown,
            &at.span,
            format!("`management-port` {port} is `port` of the Service too, which shows both"),
            "write another number for one of them",
        );
    }
}
