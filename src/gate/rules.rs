//! The rules, in the order in which their findings are told.

use super::{Rule, Severity};
use crate::stack::{ModelSource, Stack};

pub(super) const RULES: [Rule; 3] = [
    Rule {
        id: "host-path",
        severity: Severity::Warning,
        keys: &["model.source"],
        mend: "use a PersistentVolumeClaim (`pvc`) or an image layer (`image`), or allow it in a namespace of level `privileged`",
        check: host_path,
    },
    Rule {
        id: "single-replica",
        severity: Severity::Warning,
        keys: &["replicas", "autoscaling.replicas.min"],
        mend: "run two pods or more",
        check: single_replica,
    },
    Rule {
        id: "own-rules-not-yet",
        severity: Severity::Warning,
        keys: &["gate.rule"],
        mend: "check them elsewhere until a version with the `gate` command",
        check: own_rules_not_yet,
    },
];

fn host_path(stack: &Stack) -> Option<String> {
    matches!(stack.model.source, ModelSource::HostPath { .. }).then(|| {
        "the PodSecurity levels `restricted` and `baseline` refuse pods that mount a host path, and each node needs the folder".into()
    })
}

fn single_replica(stack: &Stack) -> Option<String> {
    (stack.replicas.minimum() < 2).then(|| "one pod may be all that runs: a node drain or failure ends the service, and no budget can protect it".into())
}

fn own_rules_not_yet(stack: &Stack) -> Option<String> {
    (!stack.gate.rules.is_empty()).then(|| {
        format!(
            "{} rule(s) in CEL are not evaluated by this version",
            stack.gate.rules.len()
        )
    })
}
