//! What runs: facts of live objects and pods, how rules look at them, and the rules over them alone.

pub(super) mod container;
pub mod exposition;
mod facts;
mod look;
pub(super) mod objects;
mod service;

pub use facts::{Answer, Capabilities, Facts, ImageSize, Inspection, PodFacts, Process, Trial};
pub use look::{Evidence, Look};

use super::{Check, Rule};

/// The first one, on which all others depend.
pub const ROLLOUT: &str = "rollout";

pub(super) const RULES: [Rule; 11] = [
    Rule {
        id: ROLLOUT,
        title: "every pod is the newest one, and ready",
        why: "pods of another version answer with other settings, and those that are not ready answer nothing",
        fix: "`uninlu status` shows what the pods wait for",
        checks: &[Check::Settling(objects::rollout)],
        ..Rule::ERROR
    },
    Rule {
        id: "user",
        title: "the server runs as user and group 1001",
        why: "the model's files and the secrets are made readable for this user",
        fix: "`uninlu drift` names who changed the pods' securityContext; a webhook's configuration may do so too",
        checks: &[Check::Running(container::user)],
        ..Rule::ERROR
    },
    Rule {
        id: "health",
        title: "/health reports that the server makes progress",
        why: "a server that is stuck answers no request, and the liveness probe restarts it",
        fix: "its log shows what it is stuck in",
        checks: &[Check::Settling(service::health)],
        ..Rule::ERROR
    },
    Rule {
        id: "readiness",
        title: "/ready reports that requests are answered",
        why: "a pod that is not ready gets no requests",
        fix: "the model is still being loaded, or the pod was asked to stop: its log shows which",
        checks: &[Check::Settling(service::readiness)],
        ..Rule::ERROR
    },
    Rule {
        id: "metrics",
        title: "/metrics is valid OpenMetrics, with every family that dashboards, alerts and the autoscaler read",
        why: "Prometheus drops a page with one bad line, and alerts and the autoscaler with it",
        fix: "if the image is older than this uninlu: `uninlu build --push`, then apply",
        checks: &[Check::Running(service::metrics)],
        ..Rule::ERROR
    },
    Rule {
        id: "logs",
        title: "each line of the log is a JSON object",
        why: "a collector of logs drops or garbles other lines",
        fix: "the line shown is not from the server's log: a library wrote it, or a panic",
        checks: &[Check::Running(service::logs)],
        ..Rule::ERROR
    },
    Rule {
        id: "settings",
        title: "the ConfigMap holds what `[server]` sets",
        why: "another user's edit is in force, and the next apply ends it",
        fix: "`uninlu plan` shows the difference and who made it; `uninlu apply` ends it",
        checks: &[Check::Running(objects::settings)],
        ..Rule::ERROR
    },
    Rule {
        id: "settings-in-force",
        title: "every running server has taken what `[server]` sets",
        why: "a pod with other settings answers otherwise than its siblings",
        fix: "the kubelet brings a changed ConfigMap within two minutes; the server's log shows when settings are refused. With `[access] api-key`, `--api-key-file` names the file with the key",
        checks: &[Check::Settling(service::settings_in_force)],
        ..Rule::ERROR
    },
    Rule {
        id: "autoscaler",
        title: "the autoscaler reads its metrics and may scale",
        why: "without its metrics it never adds a pod",
        fix: "`cpu` needs metrics-server, `requests-per-second` the Prometheus Adapter with the rule of `uninlu render adapter`",
        checks: &[Check::Settling(objects::autoscaler)],
        ..Rule::ERROR
    },
    Rule {
        id: "predictions",
        title: "every pod answers `[verify] predict` with the known outputs",
        why: "another model, or another precision, answers otherwise",
        fix: "check that the outputs are this model's. With `[access] api-key`, `--api-key-file` names the file with the key",
        checks: &[Check::Running(service::predictions)],
        ..Rule::ERROR
    },
    Rule {
        id: "latency",
        title: "the median of the predictions' times is within `[verify] latency`",
        why: "callers wait longer than the stack promises",
        fix: "give a pod more CPU, or set a bound that counts the way through the API server",
        checks: &[Check::Running(service::latency)],
        ..Rule::ERROR
    },
];
