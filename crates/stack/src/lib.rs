//! Text → [`Stack`]: one file per section of `uninlu.toml`.
//!
//! A [`Stack`] exists only when the file is valid as a whole; everything behind this module may rely on it. Each
//! section file holds what was typed (`Raw…`, which also is the JSON schema), what it means, and the step between.

mod access;
mod apply;
mod at;
mod autoscaling;
mod choice;
mod cluster;
mod conform;
mod count;
mod disruption;
mod duration;
mod engine;
pub mod expression;
mod fault;
mod gate;
mod image;
mod locate;
mod model;
mod names;
mod network;
mod parse;
mod places;
mod probes;
mod quantity;
mod raw;
mod resources;
mod rollout;
mod server;
mod service;
mod source;
mod target;
mod text;
mod tracing;
mod verify;

use std::collections::BTreeMap;
use std::sync::Arc;

use uninlu_settings::Settings;

pub use access::{Access, SecretKey};
pub use apply::Apply;
pub use autoscaling::{Autoscaling, Behavior, Policy, PolicyKind, ScalingRules, Select};
pub use cluster::Cluster;
pub use conform::resolved;
pub use count::Count;
pub use disruption::Disruption;
pub use duration::Duration;
pub use engine::Engine;
pub use fault::{Fault, Invalid, Need, position};
pub use gate::{Gate, OwnRule, Severity, Waiver};
pub use image::{Build, Context, Image};
pub use model::{MODEL_FILES, Model, ModelSource};
pub use network::Network;
pub use parse::{parse, parse_every, parse_given};
pub use places::Written;
pub use probes::{Probe, Probes, StartupProbe};
pub use quantity::Quantity;
pub use raw::json_schema;
pub use resources::{Bounds, Resources};
pub use rollout::{OnFailure, Rollout, Timeout, WAIT_FOR_NODES};
pub use service::{CONTAINER_PORT, Service, ServiceKind};
pub use source::Source;
pub use target::Target;
pub use tracing::Collector;
pub use uninlu_settings::Refused;
pub use verify::{Golden, Latency, Verify};

/// A parsed and valid stack file with one environment's overrides applied.
#[derive(Debug, Clone, PartialEq)]
pub struct Stack {
    /// The file as it was read.
    pub source: Arc<Source>,
    /// `[env.NAME]` that was laid over the file, if any.
    pub environment: Option<String>,
    /// Name of the service and of its objects: a DNS label that begins with a letter.
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
    pub server: Settings,
    /// What the network computes with.
    pub engine: Engine,
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
    /// Who is answered.
    pub access: Access,
    /// Where traces of requests are sent; `None` sends none.
    pub tracing: Option<Collector>,
    /// What applies may do without being asked each time.
    pub apply: Apply,
    /// Waivers and own rules of the gate.
    pub gate: Gate,
    /// What `verify` asks besides what every stack promises.
    pub verify: Verify,
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

    /// Requests per second of a pod that the autoscaler aims at, if it looks at them.
    pub fn requests_per_second(&self) -> Option<u32> {
        match self {
            Replicas::Fixed(_) => None,
            Replicas::Autoscaled(autoscaling) => autoscaling.requests_per_second,
        }
    }
}
