//! The namespace's PodSecurity level against the pods, before the API server refuses them one by one.

use serde_json::Value;

use super::security::{host_paths, setting};
use crate::gate::subject::{containers, name};
use crate::gate::{Rule, Severity, Subject, Verdict};
use crate::kinds::Kind;

pub(super) const RULES: [Rule; 1] = [Rule {
    id: "pod-security",
    severity: Severity::Error,
    title: "the namespace takes the pods",
    why: "the API server takes the Deployment and refuses each of its pods: the rollout never ends",
    mend: "meet the level, or use a namespace of another one",
    keys: &["namespace"],
    check: pod_security,
}];

const ENFORCE: &str = "pod-security.kubernetes.io/enforce";

fn pod_security(subject: &Subject) -> Verdict {
    // What the stack's own namespace will say, whatever it says now.
    let rendered = subject.body(Kind::Namespace)["metadata"]["labels"][ENFORCE].as_str();
    let live = match (&subject.facts.cluster.namespace_labels, rendered) {
        (Err(reason), None) => return Verdict::unknown(reason),
        (labels, _) => labels.as_ref().ok().and_then(|labels| labels.get(ENFORCE)),
    };
    let level = rendered
        .or(live.map(String::as_str))
        .unwrap_or("privileged");
    let pod = subject.pod();
    let mut violations = Vec::new();
    if matches!(level, "baseline" | "restricted") {
        violations.extend(paths(pod).chain(against_baseline(pod)));
    }
    if level == "restricted" {
        violations.extend(against_restricted(subject, pod));
    }
    Verdict::at(violations.into_iter().map(|(key, violation)| {
        let message = format!("the namespace enforces `{level}`: {violation}");
        (key.to_owned(), message)
    }))
}

/// The key to look at, and what is refused.
type Violation = (&'static str, String);

/// Folders of the node, which a stack may ask for where no level refuses them.
fn paths(pod: &Value) -> impl Iterator<Item = Violation> {
    host_paths(pod).map(|path| {
        let words = format!("the volume of the host path {path}");
        ("model.source", words)
    })
}

/// What no pod of ours has, whatever the namespace takes.
pub(super) fn baseline(pod: &Value) -> Verdict {
    let violations = against_baseline(pod).into_iter();
    violations.map(|(_, violation)| violation).collect()
}

/// What `baseline` refuses besides folders of the node.
fn against_baseline(pod: &Value) -> Vec<Violation> {
    let namespaces = ["hostNetwork", "hostPID", "hostIPC"]
        .into_iter()
        .filter(|key| pod[*key] == true)
        .map(|key| ("namespace", key.to_owned()));
    let privileged = containers(pod)
        .filter(|container| container["securityContext"]["privileged"] == true)
        .map(|container| {
            (
                "namespace",
                format!("container `{}` is privileged", name(container)),
            )
        });
    namespaces.chain(privileged).collect()
}

/// What `restricted` wants besides.
fn against_restricted(subject: &Subject, pod: &Value) -> Vec<Violation> {
    let mut violations = Vec::new();
    for container in subject.containers() {
        let context = &container["securityContext"];
        let dropped = context["capabilities"]["drop"].as_array();
        let profile = &setting(pod, container, "seccompProfile")["type"];
        let wanted = [
            (
                "runAsNonRoot: true",
                setting(pod, container, "runAsNonRoot") == true,
            ),
            ("no runAsUser: 0", setting(pod, container, "runAsUser") != 0),
            (
                "allowPrivilegeEscalation: false",
                context["allowPrivilegeEscalation"] == false,
            ),
            (
                "capabilities.drop: [ALL]",
                dropped.is_some_and(|dropped| dropped.iter().any(|name| name == "ALL")),
            ),
            (
                "a seccompProfile of RuntimeDefault or Localhost",
                profile == "RuntimeDefault" || profile == "Localhost",
            ),
        ];
        let missing = wanted.into_iter().filter(|(_, is_met)| !is_met);
        violations.extend(missing.map(|(what, _)| {
            (
                "namespace",
                format!("container `{}` needs {what}", name(container)),
            )
        }));
    }
    violations
}
