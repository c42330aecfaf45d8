//! Stack → Kubernetes objects: one file per kind, each with its row, and the table of them below.

pub mod amounts;
mod autoscaler_metric;
mod causes;
mod config_map;
mod deployment;
mod deployment_summary;
mod desired;
mod going;
mod horizontal_pod_autoscaler;
mod kind;
mod labels;
mod namespace;
mod network_policy;
pub mod node;
pub mod pod;
mod pod_disruption_budget;
mod progress;
pub mod prometheus;
pub mod rollout;
mod row;
mod service;
mod service_account;
pub mod shape;
mod summary;

pub use autoscaler_metric::{AutoscalerMetric, MetricState};
pub use causes::causes;
pub use deployment::{PULL_MARGIN, USER, pause, resume, set_image, wait_budget};
pub use desired::{Desired, desired, identify, of_kind, progress, settings, summary};
pub use going::Going;
pub use kind::ObjectId;
pub use labels::{CONTAINER, INSTANCE, MANAGED_BY, MANAGER, instance_selector};
pub use progress::Progress;
use progress::{condition, is_observed};
pub use row::Facts;
pub use summary::{Line, items, written};

// Beside the declarations of their files, so that a new kind changes this file alone.
row::kinds! {
    /// `v1`, only on request.
    Namespace: namespace::ROW,
    /// `v1`
    ServiceAccount: service_account::ROW,
    /// `v1`: the hot settings, and the ApplySet parent.
    ConfigMap: config_map::ROW,
    /// `networking.k8s.io/v1`
    NetworkPolicy: network_policy::ROW,
    /// `v1`
    Service: service::ROW,
    /// `apps/v1`
    Deployment: deployment::ROW,
    /// `policy/v1`
    PodDisruptionBudget: pod_disruption_budget::ROW,
    /// `autoscaling/v2`
    HorizontalPodAutoscaler: horizontal_pod_autoscaler::ROW,
}
