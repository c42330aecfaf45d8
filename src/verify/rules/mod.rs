//! The promises, as one ordered list.

mod cluster;
mod container;
mod service;

use super::{Evidence, Facts, Look, PodFacts, Rule};
use crate::kinds::Kind;

/// The first one, on which all others depend.
pub(super) const ROLLOUT: &str = "rollout";

/// Every promise.
pub(super) const RULES: &[Rule] = &[
    Rule {
        id: ROLLOUT,
        promise: "every pod is the newest one, and ready",
        mend: "`uninlu status` shows what the pods wait for",
        settles: true,
        look: cluster::rollout,
    },
    Rule {
        id: "image-size",
        promise: "the image is within `[image] max-size`",
        mend: "raise the budget, or make the image smaller; `docker history` shows which layer is large",
        settles: false,
        look: cluster::image_size,
    },
    Rule {
        id: "start-up",
        promise: "a container is ready within `[probes] startup.budget`",
        mend: "raise the budget, or give the pods more CPU: the log of the start says what took long",
        settles: true,
        look: container::start_up,
    },
    Rule {
        id: "user",
        promise: "the server runs as user and group 1001",
        mend: "who changed the pods' securityContext? `uninlu drift` names them; so does a webhook's configuration",
        settles: false,
        look: container::user,
    },
    Rule {
        id: "read-only-root",
        promise: "the root file system is read-only",
        mend: "who changed readOnlyRootFilesystem? `uninlu drift` names them",
        settles: false,
        look: container::read_only_root,
    },
    Rule {
        id: "capabilities",
        promise: "the server has no capability, and can get none",
        mend: "who changed the container's capabilities? `uninlu drift` names them",
        settles: false,
        look: container::capabilities,
    },
    Rule {
        id: "no-new-privileges",
        promise: "nothing that the server starts can gain rights",
        mend: "who changed allowPrivilegeEscalation? `uninlu drift` names them",
        settles: false,
        look: container::no_new_privileges,
    },
    Rule {
        id: "seccomp",
        promise: "a seccomp filter bounds the system calls",
        mend: "does the node's runtime have a default profile? A kernel without seccomp has none",
        settles: false,
        look: container::seccomp,
    },
    Rule {
        id: "health",
        promise: "/health says that the server makes progress",
        mend: "its log says what it is stuck in; the liveness probe restarts it",
        settles: true,
        look: service::health,
    },
    Rule {
        id: "readiness",
        promise: "/ready says that requests are answered",
        mend: "the model is still being loaded, or the pod was asked to stop: its log says which",
        settles: true,
        look: service::readiness,
    },
    Rule {
        id: "metrics",
        promise: "/metrics is valid OpenMetrics, with every family that dashboards, alerts and the autoscaler read",
        mend: "is the image older than this uninlu? `uninlu build --push`, then apply",
        settles: false,
        look: service::metrics,
    },
    Rule {
        id: "logs",
        promise: "each line of the log is a JSON object",
        mend: "whatever writes the line shown is not the server's log: a library, or a panic",
        settles: false,
        look: service::logs,
    },
    Rule {
        id: "settings",
        promise: "the ConfigMap holds what `[server]` says",
        mend: "`uninlu plan` shows the difference and who made it; `uninlu apply` ends it",
        settles: false,
        look: cluster::settings,
    },
    Rule {
        id: "settings-in-force",
        promise: "every running server has taken what `[server]` says",
        mend: "the kubelet brings a changed ConfigMap within two minutes; the server's log says when settings are refused. With `[access] api-key`, `--api-key-file` names the file with the key",
        settles: true,
        look: service::settings_in_force,
    },
    Rule {
        id: "autoscaler",
        promise: "the autoscaler reads its metrics and may scale",
        mend: "`cpu` needs metrics-server, `requests-per-second` the Prometheus Adapter with the rule of `uninlu render adapter`",
        settles: true,
        look: cluster::autoscaler,
    },
    Rule {
        id: "requests-metric",
        promise: "the custom metrics API tells every pod's requests per second",
        mend: "does Prometheus scrape the pods (`uninlu render service-monitor`), and has its adapter the rule of `uninlu render adapter`?",
        settles: true,
        look: cluster::requests_metric,
    },
    Rule {
        id: "disruption",
        promise: "a node can be drained: the budget allows an eviction",
        mend: "`[disruption]` asks for as many pods as there are, or a pod is not ready",
        settles: true,
        look: cluster::disruption,
    },
    Rule {
        id: "predictions",
        promise: "every pod answers `[verify] predict` with the known outputs",
        mend: "is it the model that the outputs are of? With `[access] api-key`, `--api-key-file` names the file with the key",
        settles: false,
        look: service::predictions,
    },
    Rule {
        id: "latency",
        promise: "the median of the predictions' times is within `[verify] latency`",
        mend: "more CPU for a pod, or a bound that counts the way through the API server",
        settles: false,
        look: service::latency,
    },
];

/// The same question to every pod. A stack without pods keeps no promise.
fn each_pod(
    facts: &Facts,
    asked: &str,
    look: impl Fn(&PodFacts) -> Result<String, String>,
) -> Look {
    let pods = facts
        .pods
        .iter()
        .map(|pod| evidence(format!("Pod {}", pod.name()), asked, look(pod)));
    let mut seen: Vec<Evidence> = pods.collect();
    if seen.is_empty() {
        let none = Err("there is no pod to ask".into());
        seen.push(evidence(Kind::Deployment.name(), asked, none));
    }
    Look::Seen(seen)
}

/// What was seen; an error is a promise that is not kept, or not proven.
fn evidence(of: impl Into<String>, asked: &str, seen: Result<String, String>) -> Evidence {
    let holds = seen.is_ok();
    let (Ok(seen) | Err(seen)) = seen;
    Evidence {
        of: of.into(),
        asked: asked.to_owned(),
        seen,
        holds,
    }
}

/// A verdict in words that are the same whether they are good or bad.
fn holds(holds: bool, seen: String) -> Result<String, String> {
    if holds { Ok(seen) } else { Err(seen) }
}
