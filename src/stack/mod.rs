//! Text → [`Stack`]: one file per section of `uninlu.toml`.
//!
//! A [`Stack`] exists only when the file is valid as a whole; everything behind this module may rely on it.

pub mod autoscaling;
pub mod duration;
pub mod image;
pub mod model;
pub mod probes;
pub mod quantity;
pub mod resources;
pub mod rollout;

use std::collections::BTreeMap;
use std::path::PathBuf;

pub use autoscaling::{Autoscaling, Behavior, Policy, PolicyKind, ScalingRules, Select};
pub use duration::Duration;
pub use image::{Build, Image};
pub use model::{Model, ModelSource};
pub use probes::{Probe, Probes, StartupProbe};
pub use quantity::Quantity;
pub use resources::{Bounds, Resources};
pub use rollout::{Count, OnFailure, Rollout, Timeout};

/// A parsed and valid stack file with one environment's overrides applied.
#[derive(Debug, Clone, PartialEq)]
pub struct Stack {
    /// The file it was read from; relative paths in the file start at its folder.
    pub file: PathBuf,
    /// `[env.NAME]` that was laid over the file, if any.
    pub environment: Option<String>,
    /// Name of the service and of every object of it: a DNS label (RFC 1123).
    pub name: String,
    /// Namespace of every object.
    pub namespace: String,
    /// Labels put on every object besides the recommended ones.
    pub labels: BTreeMap<String, String>,
    /// The one cluster that may be written to.
    pub cluster: Cluster,
    /// The server's image: built here, or given by reference.
    pub image: Image,
    /// The model and where it comes from.
    pub model: Model,
    /// Hot settings: running pods take them without a restart.
    pub server: ServerSettings,
    /// What a pod requests and may use.
    pub resources: Resources,
    /// The Service in front of the pods.
    pub service: Service,
    /// Startup, liveness and readiness.
    pub probes: Probes,
    /// How many pods run: a fixed number, or an autoscaler's decision. Never both.
    pub replicas: Replicas,
    /// The disruption budget; `None` when one pod is all there is, since a budget would then block every drain.
    pub disruption: Option<Disruption>,
    /// How a change replaces running pods.
    pub rollout: Rollout,
    /// Who may reach the pods.
    pub network: Network,
    /// Waivers and own rules of the gate.
    pub gate: Gate,
}

/// `[cluster]`: the one cluster that may be written to.
#[derive(Debug, Clone, PartialEq)]
pub struct Cluster {
    /// Context in the kubeconfig. No other context is ever used, not even the current one.
    pub context: String,
    /// Kubeconfig file; `None` means `KUBECONFIG`, then `~/.kube/config`.
    pub kubeconfig: Option<PathBuf>,
    /// Whether the namespace is an object of this stack (made by apply, removed by destroy).
    pub create_namespace: bool,
}

/// `[server]`: hot settings, mounted as `/etc/uninlu/settings.toml`.
#[derive(Debug, Clone, PartialEq)]
pub struct ServerSettings {
    /// Longest text that a request may carry, in Unicode code points; a longer one is refused, never cut.
    pub max_length: u32,
    /// Most tokens in one forward pass.
    pub batch_tokens: u32,
}

/// `[service]`: the Service in front of the pods.
#[derive(Debug, Clone, PartialEq)]
pub struct Service {
    /// Port of the Service; the container always listens on [`CONTAINER_PORT`].
    pub port: u16,
    /// `ClusterIP`, `NodePort` or `LoadBalancer`.
    pub kind: ServiceKind,
    /// Annotations of the Service, for load balancers' sake.
    pub annotations: BTreeMap<String, String>,
}

/// Port on which the server listens inside its container.
pub const CONTAINER_PORT: u16 = 7860;

/// Kubernetes' Service types that make sense for one HTTP server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceKind {
    /// Reachable inside the cluster.
    ClusterIp,
    /// Reachable on a port of each node.
    NodePort,
    /// Reachable through the cloud's load balancer.
    LoadBalancer,
}

/// Who decides how many pods run.
#[derive(Debug, Clone, PartialEq)]
pub enum Replicas {
    /// `replicas` of the Deployment is ours.
    Fixed(u32),
    /// `replicas` belongs to the HorizontalPodAutoscaler and never stands in what we apply.
    Autoscaled(Autoscaling),
}

impl Replicas {
    /// The fewest pods that run when nothing is wrong.
    pub fn minimum(&self) -> u32 {
        match self {
            Replicas::Fixed(count) => *count,
            Replicas::Autoscaled(autoscaling) => autoscaling.min,
        }
    }
}

/// `[disruption]`: what voluntary evictions (a node drain) must leave running. Exactly one bound, as in policy/v1.
#[derive(Debug, Clone, PartialEq)]
pub enum Disruption {
    /// At least so many pods stay.
    MinAvailable(Count),
    /// At most so many pods go at a time.
    MaxUnavailable(Count),
}

/// `[network]`: the NetworkPolicy.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    /// Whether a NetworkPolicy is applied: ingress on the server's port only, no egress (the server calls nobody).
    pub policy: bool,
    /// Namespaces that may call; empty means every one.
    pub from_namespaces: Vec<String>,
}

/// `[gate]`: waivers and own rules.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Gate {
    /// Findings that are accepted, each with a reason and an end.
    pub allow: Vec<Waiver>,
    /// The user's own rules, in CEL.
    pub rules: Vec<OwnRule>,
}

/// One accepted finding.
#[derive(Debug, Clone, PartialEq)]
pub struct Waiver {
    /// Id of the rule.
    pub rule: String,
    /// Why the finding is accepted.
    pub reason: String,
    /// Last day on which the waiver holds (`YYYY-MM-DD`).
    pub until: Option<toml::value::Date>,
}

/// One rule of the user's own.
#[derive(Debug, Clone, PartialEq)]
pub struct OwnRule {
    /// Id by which findings and waivers name it.
    pub id: String,
    /// CEL expression over `object` and `stack` that must be true.
    pub expression: String,
    /// What to say when it is false.
    pub message: String,
}
