//! The namespace's PodSecurity level against the pods, before the API server refuses them one by one.

use uninlu_objects::Kind;

use super::fields::Fields;
use super::objects::called;
use super::security::{
    drops_all, gains_privileges, has_seccomp, host_namespaces, host_path, is_privileged,
};
use super::{Check, Pod, Rule, Subject, Verdict};

pub(super) const RULES: [Rule; 1] = [Rule {
    id: "pod-security",
    title: "the namespace takes the pods",
    why: "the API server takes the Deployment and refuses each of its pods: the rollout never ends",
    fix: "meet the level, or use a namespace of another one",
    keys: &["namespace"],
    checks: &[Check::Planned(pod_security)],
    ..Rule::ERROR
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
        violations.extend(against_baseline(&pod));
    }
    if level == "restricted" {
        violations.extend(against_restricted(&pod));
    }
    Verdict::at(violations.into_iter().map(|(key, violation)| {
        let message = format!("the namespace enforces `{level}`: {violation}");
        (key.to_owned(), message)
    }))
}

/// The key to look at, and what is refused.
type Violation = (&'static str, String);

fn against_baseline(pod: &Pod) -> Vec<Violation> {
    let of = |key| move |spot: super::Spot| (key, spot.what);
    let paths = host_path(pod).into_iter().map(of("model.source"));
    let namespaces = host_namespaces(pod).into_iter().map(of("namespace"));
    let containers = pod.containers().into_iter();
    let privileged = containers
        .filter(|(_, container)| is_privileged(container))
        .map(|(_, container)| ("namespace", format!("{} is privileged", called(container))));
    paths.chain(namespaces).chain(privileged).collect()
}

/// What `restricted` wants besides.
fn against_restricted(pod: &Pod) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (at, container) in pod.containers() {
        let of = |field: &str| pod.object.at(&pod.security(&at, field));
        let wanted = [
            (
                "runAsNonRoot: true",
                of("runAsNonRoot").is_some_and(|it| *it == true),
            ),
            ("no runAsUser: 0", of("runAsUser").is_none_or(|it| *it != 0)),
            (
                "allowPrivilegeEscalation: false",
                !gains_privileges(container),
            ),
            ("capabilities.drop: [ALL]", drops_all(container)),
            (
                "a seccompProfile of RuntimeDefault or Localhost",
                has_seccomp(pod, &at),
            ),
        ];
        let missing = wanted.into_iter().filter(|(_, is_met)| !is_met);
        let words = missing.map(|(what, _)| format!("{} needs {what}", called(container)));
        violations.extend(words.map(|words| ("namespace", words)));
    }
    violations
}
