//! What a pod may do to its node and to the cluster.

use serde_json::Value;

use crate::gate::subject::{containers, name};
use crate::gate::{Rule, Severity, Subject, Verdict};

pub(super) const RULES: [Rule; 5] = [
    Rule {
        id: "runs-as-root",
        severity: Severity::Error,
        title: "no container runs as root",
        why: "a hole in the server, or in the kernel, becomes the node's",
        mend: "set `runAsNonRoot: true` and a `runAsUser` other than 0 in the pod's or the container's securityContext",
        keys: &[],
        check: runs_as_root,
    },
    Rule {
        id: "capabilities",
        severity: Severity::Error,
        title: "no container has capabilities or can gain privileges",
        why: "the server needs none; each is a way out of its container",
        mend: "drop `ALL`, add none, and set `allowPrivilegeEscalation: false`",
        keys: &[],
        check: capabilities,
    },
    Rule {
        id: "writable-root",
        severity: Severity::Warning,
        title: "the root file system is read-only",
        why: "who breaks in can leave something there, and what the server writes there is lost with the pod",
        mend: "set `readOnlyRootFilesystem: true`; /tmp is an emptyDir",
        keys: &[],
        check: writable_root,
    },
    Rule {
        id: "service-account-token",
        severity: Severity::Warning,
        title: "no service account token is mounted",
        why: "the server never asks the API server; who breaks in could",
        mend: "set `automountServiceAccountToken: false`",
        keys: &[],
        check: service_account_token,
    },
    Rule {
        id: "host-path",
        severity: Severity::Warning,
        title: "no folder of the node is mounted",
        why: "the PodSecurity levels `restricted` and `baseline` refuse such pods, and each node needs the folder",
        mend: "use a PersistentVolumeClaim (`pvc`) or an image layer (`image`), or allow it in a namespace of level `privileged`",
        keys: &["model.source.host-path", "model.source"],
        check: host_path,
    },
];

/// The container's setting, or the pod's.
pub(super) fn setting<'a>(pod: &'a Value, container: &'a Value, key: &str) -> &'a Value {
    let own = &container["securityContext"][key];
    if own.is_null() {
        &pod["securityContext"][key]
    } else {
        own
    }
}

/// Paths of the node that are mounted.
pub(super) fn host_paths(pod: &Value) -> impl Iterator<Item = &str> {
    let volumes = pod["volumes"].as_array().into_iter().flatten();
    volumes.filter_map(|volume| volume["hostPath"]["path"].as_str())
}

/// The server's containers of which that is true, each in a sentence.
fn containers_that(pod: &Value, is: impl Fn(&Value) -> bool, what: &str) -> Verdict {
    containers(pod)
        .filter(|container| is(container))
        .map(|container| format!("container `{}` {what}", name(container)))
        .collect()
}

fn runs_as_root(subject: &Subject) -> Verdict {
    pod_runs_as_root(subject.pod())
}

pub(super) fn pod_runs_as_root(pod: &Value) -> Verdict {
    let may_be_root = |container: &Value| {
        setting(pod, container, "runAsNonRoot") != true || setting(pod, container, "runAsUser") == 0
    };
    containers_that(pod, may_be_root, "may run as root")
}

fn capabilities(subject: &Subject) -> Verdict {
    pod_capabilities(subject.pod())
}

pub(super) fn pod_capabilities(pod: &Value) -> Verdict {
    let is_able = |container: &Value| {
        let context = &container["securityContext"];
        let list = |key: &str| context["capabilities"][key].as_array();
        let drops_all =
            list("drop").is_some_and(|dropped| dropped.iter().any(|name| name == "ALL"));
        let adds = list("add").is_some_and(|added| !added.is_empty());
        !drops_all
            || adds
            || context["privileged"] == true
            || context["allowPrivilegeEscalation"] != false
    };
    containers_that(pod, is_able, "keeps capabilities, or can gain privileges")
}

fn writable_root(subject: &Subject) -> Verdict {
    let is_writable =
        |container: &Value| container["securityContext"]["readOnlyRootFilesystem"] != true;
    containers_that(
        subject.pod(),
        is_writable,
        "can write to its root file system",
    )
}

fn service_account_token(subject: &Subject) -> Verdict {
    (subject.pod()["automountServiceAccountToken"] != false)
        .then(|| "the pods carry a token for the API server".into())
        .into()
}

fn host_path(subject: &Subject) -> Verdict {
    host_paths(subject.pod())
        .map(|path| format!("the pods mount the node's folder {path}"))
        .collect()
}
