//! What a pod may do to its node and to the cluster.

use serde_json::Value;

use super::fields::Fields;
use super::running::container;
use super::{Check, Files, Objects, Pod, Rule, Spot};

pub(super) const RULES: [Rule; 9] = [
    Rule {
        id: "runs-as-root",
        title: "no container runs as root",
        why: "a hole in the server, or in the kernel, becomes the node's",
        fix: "set `runAsNonRoot: true` and a `runAsUser` other than 0 in the pod's or the container's securityContext",
        checks: &[Check::Pod(runs_as_root)],
        ..Rule::ERROR
    },
    Rule {
        id: "capabilities",
        aliases: &["no-new-privileges", "not-restricted"],
        title: "no container has capabilities or can gain privileges",
        why: "the server needs none; each is a way out of its container",
        fix: "drop `ALL`, add none, and set `allowPrivilegeEscalation: false`; `uninlu drift` names who changed them in the cluster",
        checks: &[
            Check::Pod(capabilities),
            Check::Running(container::capabilities),
        ],
        ..Rule::ERROR
    },
    Rule {
        id: "host-namespaces",
        aliases: &["not-restricted"],
        title: "no pod shares the node's network, processes or IPC",
        why: "a process in such a pod sees the node's other processes or traffic, and the PodSecurity levels `restricted` and `baseline` refuse it",
        fix: "leave out `hostNetwork`, `hostPID` and `hostIPC`",
        checks: &[Check::Pod(host_namespaces)],
        ..Rule::ERROR
    },
    Rule {
        id: "seccomp",
        aliases: &["not-restricted"],
        title: "a seccomp filter limits the system calls of every container",
        why: "without a filter a process may use every system call of the kernel, and the PodSecurity level `restricted` refuses the pod",
        fix: "set `seccompProfile: {type: RuntimeDefault}` in the pod's securityContext; a kernel without seccomp has no filter",
        checks: &[Check::Pod(seccomp), Check::Running(container::seccomp)],
        ..Rule::WARNING
    },
    Rule {
        id: "writable-root",
        aliases: &["root-file-system-writable", "read-only-root"],
        title: "the root file system is read-only",
        why: "an intruder can leave files there, and what the server writes there is lost with the pod; only this field of the container makes it read-only",
        fix: "set `readOnlyRootFilesystem: true` on the container; /tmp is an emptyDir. `uninlu drift` names who changed it in the cluster",
        checks: &[
            Check::Pod(writable_root),
            Check::Running(container::read_only_root),
        ],
        ..Rule::WARNING
    },
    Rule {
        id: "service-account-token",
        aliases: &["token-mounted"],
        title: "no service account token is mounted",
        why: "the server never asks the API server; an intruder could",
        fix: "set `automountServiceAccountToken: false`",
        checks: &[Check::Objects(service_account_token)],
        ..Rule::WARNING
    },
    Rule {
        id: "host-path",
        title: "no folder of the node is mounted",
        why: "the PodSecurity levels `restricted` and `baseline` refuse such pods, and each node needs the folder",
        fix: "use a PersistentVolumeClaim (`pvc`) or an image layer (`image`), or allow it in a namespace of level `privileged`",
        keys: &["model.source.host-path", "model.source"],
        checks: &[Check::Pod(host_path)],
        ..Rule::WARNING
    },
    Rule {
        id: "security-context-level",
        title: "each security setting is at a level that has it",
        why: "the field does not exist at this level: the API server drops it, or refuses the object, and it has no effect",
        fix: "`readOnlyRootFilesystem`, `allowPrivilegeEscalation`, `capabilities`, `privileged` belong to the container; `fsGroup` to the pod; `runAsUser`, `runAsNonRoot` and `seccompProfile` to either, in `.spec.template.spec`",
        checks: &[Check::Pod(wrong_level)],
        ..Rule::ERROR
    },
    Rule {
        id: "security-context-split",
        title: "the user is set where people look for it",
        why: "a check of the container's own `securityContext.runAsUser` (`kubectl get … -o jsonpath=…containers[0].securityContext.runAsUser`) reads nothing, and reports a server that runs as root",
        fix: "read it where it is, in `.spec.template.spec.securityContext`, or ask the running process (`id -u`)",
        checks: &[Check::Files(split)],
        ..Rule::WARNING
    },
];

fn runs_as_root<'a>(pod: &Pod<'a>) -> Vec<Spot<'a>> {
    Spot::in_containers(pod, |at, _| {
        let (user, non_root) = (
            pod.security(at, "runAsUser"),
            pod.security(at, "runAsNonRoot"),
        );
        let is_non_root = pod.object.at(&non_root).and_then(Value::as_bool);
        let (pointer, reason) = match (pod.object.int(&user), is_non_root) {
            (Some(0), _) => (user, "`runAsUser` is 0"),
            (_, Some(false)) => (non_root, "`runAsNonRoot` is false"),
            (None, None) => {
                let context = format!("{at}/securityContext");
                (context, "neither `runAsNonRoot` nor `runAsUser` is set")
            }
            (Some(_), None) | (_, Some(true)) => return None,
        };
        Some((pointer, format!("may run as root: {reason}")))
    })
}

/// Whether a process of the container can get rights that its parent does not have.
pub(super) fn gains_privileges(container: &Value) -> bool {
    container["securityContext"]["allowPrivilegeEscalation"] != false
}

pub(super) fn is_privileged(container: &Value) -> bool {
    container["securityContext"]["privileged"] == true
}

pub(super) fn drops_all(container: &Value) -> bool {
    let dropped = container["securityContext"]["capabilities"]["drop"].as_array();
    dropped.is_some_and(|dropped| dropped.iter().any(|name| name == "ALL"))
}

pub(super) fn has_seccomp(pod: &Pod, at: &str) -> bool {
    let profile = pod.security(at, "seccompProfile");
    matches!(
        pod.object.text(&format!("{profile}/type")),
        "RuntimeDefault" | "Localhost"
    )
}

fn capabilities<'a>(pod: &Pod<'a>) -> Vec<Spot<'a>> {
    Spot::in_containers(pod, |at, container| {
        let added = container["securityContext"]["capabilities"]["add"].as_array();
        let faults = [
            (
                gains_privileges(container),
                "no `allowPrivilegeEscalation: false`",
            ),
            (!drops_all(container), "no `capabilities.drop: [ALL]`"),
            (
                added.is_some_and(|added| !added.is_empty()),
                "`capabilities.add`",
            ),
            (is_privileged(container), "`privileged: true`"),
        ];
        let faults: Vec<&str> = faults
            .into_iter()
            .filter_map(|(is_so, what)| is_so.then_some(what))
            .collect();
        let what = format!(
            "keeps capabilities, or can gain privileges: {}",
            faults.join(", ")
        );
        (!faults.is_empty()).then(|| (format!("{at}/securityContext"), what))
    })
}

pub(super) fn host_namespaces<'a>(pod: &Pod<'a>) -> Vec<Spot<'a>> {
    let fields = ["hostNetwork", "hostPID", "hostIPC"].into_iter();
    let shared = fields.filter(|field| pod.spec()[*field] == true);
    shared
        .map(|field| {
            let pointer = pod.field(&format!("/{field}"));
            Spot::at(
                pod.object,
                &pointer,
                format!("the pods have `{field}: true`"),
            )
        })
        .collect()
}

fn seccomp<'a>(pod: &Pod<'a>) -> Vec<Spot<'a>> {
    Spot::in_containers(pod, |at, _| {
        let what = "has no seccomp profile: neither RuntimeDefault nor Localhost";
        let pointer = pod.security(at, "seccompProfile");
        (!has_seccomp(pod, at)).then(|| (pointer, what.to_owned()))
    })
}

fn writable_root<'a>(pod: &Pod<'a>) -> Vec<Spot<'a>> {
    Spot::in_containers(pod, |at, container| {
        let is_read_only = container["securityContext"]["readOnlyRootFilesystem"] == true;
        let pointer = format!("{at}/securityContext/readOnlyRootFilesystem");
        (!is_read_only).then(|| (pointer, "can write to its root file system".to_owned()))
    })
}

fn service_account_token<'a>(objects: &Objects<'a>) -> Vec<Spot<'a>> {
    let pointer = objects.pod.field("/automountServiceAccountToken");
    let of_account = || objects.account?.at("/automountServiceAccountToken");
    let mounts = objects.deployment.at(&pointer).or_else(of_account);
    if mounts.is_some_and(|mounts| *mounts == false) {
        return Vec::new();
    }
    let what = "the pods carry a token for the API server";
    vec![Spot::at(objects.deployment, &pointer, what)]
}

pub(super) fn host_path<'a>(pod: &Pod<'a>) -> Vec<Spot<'a>> {
    let volumes = pod.object.items(&pod.field("/volumes")).into_iter();
    let paths = volumes.filter_map(|(pointer, volume)| {
        let path = volume["hostPath"]["path"].as_str()?;
        let what = format!("the pods mount the node's folder {path}");
        Some(Spot::at(pod.object, &format!("{pointer}/hostPath"), what))
    });
    paths.collect()
}

/// Fields that only a container has.
const OF_CONTAINER: [&str; 5] = [
    "readOnlyRootFilesystem",
    "allowPrivilegeEscalation",
    "capabilities",
    "privileged",
    "procMount",
];
/// Fields that only a pod has.
const OF_POD: [&str; 4] = [
    "fsGroup",
    "fsGroupChangePolicy",
    "supplementalGroups",
    "sysctls",
];

fn wrong_level<'a>(pod: &Pod<'a>) -> Vec<Spot<'a>> {
    let mut spots = Vec::new();
    let mut look = |level: &str, around: &str, fields: &[&str]| {
        for field in fields {
            let pointer = format!("{around}/{field}");
            if pod.object.at(&pointer).is_some() {
                let what = format!("`{field}` is set at the level of {level}");
                spots.push(Spot::at(pod.object, &pointer, what));
            }
        }
    };
    let of_spec = ["runAsUser", "runAsNonRoot", "runAsGroup", "fsGroup"];
    let outside = "the pod's spec, outside of `securityContext`";
    look("the pod", &pod.field("/securityContext"), &OF_CONTAINER);
    look(outside, pod.at, &OF_CONTAINER);
    look(outside, pod.at, &of_spec);
    for (at, _) in pod.containers() {
        look("the container", &format!("{at}/securityContext"), &OF_POD);
        look(
            "the container, outside of `securityContext`",
            &at,
            &[
                "runAsUser",
                "runAsNonRoot",
                "readOnlyRootFilesystem",
                "privileged",
            ],
        );
    }
    if pod.at == super::TEMPLATE {
        look("the Deployment", "/spec", &["securityContext"]);
        look("the pods' template", "/spec/template", &["securityContext"]);
    }
    spots
}

/// The user stands in the pod's securityContext, and a container has one of its own without it.
fn split<'a>(files: &Files<'a>) -> Vec<Spot<'a>> {
    let pod = &files.objects.pod;
    let of_pod = pod.field("/securityContext/runAsUser");
    let Some(user) = pod.object.int(&of_pod) else {
        return Vec::new();
    };
    let is_split = |(_, container): &(String, &Value)| {
        let context = &container["securityContext"];
        context.is_object() && context["runAsUser"].is_null()
    };
    // `uninlu` has it so, and reads it where it is.
    if pod.is_own_server() || !pod.containers().iter().any(is_split) {
        return Vec::new();
    }
    let what = format!(
        "`runAsUser: {user}` is the pod's; the container has a securityContext of its own, without it"
    );
    vec![Spot::at(pod.object, &of_pod, what)]
}
