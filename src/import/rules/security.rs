//! As whom the server runs, and what it may write.

use serde_json::Value;

use super::{Rule, Spot};
use crate::gate::Severity;
use crate::import::view::{POD, View};

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "root-file-system-writable",
        severity: Severity::Warning,
        why: "a file system that may be written keeps what an intruder puts there; a promise of a read-only one is kept only by this field of the container",
        mend: "set it on the container, with an `emptyDir` at /tmp; the stack always does",
        find: writable_root,
    },
    Rule {
        id: "security-context-level",
        severity: Severity::Error,
        why: "the field does not exist at this level: the API server drops it, or refuses the object, and what it promises is not so",
        mend: "`readOnlyRootFilesystem`, `allowPrivilegeEscalation`, `capabilities`, `privileged` belong to the container; `fsGroup` to the pod; `runAsUser`, `runAsNonRoot` and `seccompProfile` to either, in `.spec.template.spec`",
        find: wrong_level,
    },
    Rule {
        id: "security-context-split",
        severity: Severity::Warning,
        why: "whoever checks the container's own `securityContext.runAsUser` (`kubectl get … -o jsonpath=…containers[0].securityContext.runAsUser`) reads nothing, and takes the server for root's",
        mend: "read it where it is, in `.spec.template.spec.securityContext`, or ask the running process (`id -u`)",
        find: split,
    },
    Rule {
        id: "runs-as-root",
        severity: Severity::Error,
        why: "without a user other than 0 the server runs as root wherever the image says nothing else",
        mend: "set `runAsNonRoot: true` and a `runAsUser` other than 0; the stack runs as 1001",
        find: runs_as_root,
    },
    Rule {
        id: "not-restricted",
        severity: Severity::Warning,
        why: "a namespace that enforces the PodSecurity level `restricted` refuses such pods",
        mend: "the stack's pods meet the level: no privileges gained, no capabilities, the runtime's seccomp profile",
        find: not_restricted,
    },
    Rule {
        id: "token-mounted",
        severity: Severity::Warning,
        why: "the server never calls the API, and whoever breaks into it finds the account's token",
        mend: "set `automountServiceAccountToken: false`; the stack always does",
        find: token,
    },
    Rule {
        id: "secret-in-plain-text",
        severity: Severity::Error,
        why: "whoever may read the chart or the Deployment reads the secret",
        mend: "name a Secret that exists (`valueFrom.secretKeyRef`; `[access] api-key = { secret = …, key = … }`), and change what was written here",
        find: plain_secret,
    },
];

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

fn writable_root(view: &View<'_>) -> Vec<Spot> {
    let pointer = view.in_container("/securityContext/readOnlyRootFilesystem");
    match view.deployment.at(&pointer) {
        Some(Value::Bool(true)) => Vec::new(),
        written => {
            let what = match written {
                Some(value) => format!("`readOnlyRootFilesystem` is {value}"),
                None => "`readOnlyRootFilesystem` is not set on the container".to_owned(),
            };
            vec![Spot::at(view.deployment, &pointer, what)]
        }
    }
}

fn wrong_level(view: &View<'_>) -> Vec<Spot> {
    let mut spots = Vec::new();
    let mut look = |level: &str, container: &str, fields: &[&str]| {
        for field in fields {
            let pointer = format!("{container}/{field}");
            if view.deployment.at(&pointer).is_some() {
                spots.push(Spot::at(
                    view.deployment,
                    &pointer,
                    format!("`{field}` stands at the level of {level}"),
                ));
            }
        }
    };
    look("the pod", &format!("{POD}/securityContext"), &OF_CONTAINER);
    look(
        "the pod's spec, outside of `securityContext`",
        POD,
        &OF_CONTAINER,
    );
    look(
        "the pod's spec, outside of `securityContext`",
        POD,
        &["runAsUser", "runAsNonRoot", "runAsGroup", "fsGroup"],
    );
    look(
        "the container",
        &view.in_container("/securityContext"),
        &OF_POD,
    );
    look(
        "the container, outside of `securityContext`",
        &view.container,
        &["runAsUser", "runAsNonRoot", "readOnlyRootFilesystem"],
    );
    look("the Deployment", "/spec", &["securityContext"]);
    look("the pods' template", "/spec/template", &["securityContext"]);
    spots
}

/// The user stands in the pod's securityContext, and the container has one of its own without it.
fn split(view: &View<'_>) -> Vec<Spot> {
    let of_pod = format!("{POD}/securityContext/runAsUser");
    let container = view.in_container("/securityContext");
    let is_split = view
        .deployment
        .at(&container)
        .is_some_and(|context| context["runAsUser"].is_null());
    match view.deployment.int(&of_pod) {
        // `uninlu` has it so, and reads it where it is.
        Some(user) if is_split && !view.is_own_server() => {
            let what = format!(
                "`runAsUser: {user}` is the pod's; the container has a securityContext of its own, without it"
            );
            vec![Spot::at(view.deployment, &of_pod, what)]
        }
        _ => Vec::new(),
    }
}

fn runs_as_root(view: &View<'_>) -> Vec<Spot> {
    let either = |field: &str| {
        let of_container = view.in_container(&format!("/securityContext/{field}"));
        let of_pod = format!("{POD}/securityContext/{field}");
        let pointer = [of_container, of_pod.clone()]
            .into_iter()
            .find(|at| view.deployment.at(at).is_some());
        pointer.unwrap_or(of_pod)
    };
    let user_at = either("runAsUser");
    let user = view.deployment.int(&user_at);
    if user == Some(0) {
        return vec![Spot::at(view.deployment, &user_at, "`runAsUser` is 0")];
    }
    let is_non_root = view
        .deployment
        .at(&either("runAsNonRoot"))
        .and_then(Value::as_bool)
        == Some(true);
    if user.is_some() || is_non_root {
        return Vec::new();
    }
    let pointer = format!("{POD}/securityContext");
    vec![Spot::at(
        view.deployment,
        &pointer,
        "neither `runAsNonRoot` nor `runAsUser` is set",
    )]
}

fn not_restricted(view: &View<'_>) -> Vec<Spot> {
    let context = view.in_container("/securityContext");
    let of_container = |field: &str| view.deployment.at(&format!("{context}/{field}"));
    let mut missing = Vec::new();
    if of_container("allowPrivilegeEscalation") != Some(&Value::Bool(false)) {
        missing.push("`allowPrivilegeEscalation: false`");
    }
    let dropped = of_container("capabilities/drop").and_then(Value::as_array);
    if !dropped.is_some_and(|dropped| dropped.iter().any(|it| it == "ALL")) {
        missing.push("`capabilities.drop: [ALL]`");
    }
    let profile = of_container("seccompProfile/type").or_else(|| {
        view.deployment
            .at(&format!("{POD}/securityContext/seccompProfile/type"))
    });
    if !profile.is_some_and(|profile| profile == "RuntimeDefault" || profile == "Localhost") {
        missing.push("`seccompProfile: {type: RuntimeDefault}`");
    }
    if of_container("privileged") == Some(&Value::Bool(true)) {
        missing.push("`privileged: false`");
    }
    if missing.is_empty() {
        return Vec::new();
    }
    let what = format!("without {}", missing.join(", "));
    vec![Spot::at(view.deployment, &context, what)]
}

fn token(view: &View<'_>) -> Vec<Spot> {
    let pointer = format!("{POD}/automountServiceAccountToken");
    let of_account = view
        .account
        .and_then(|account| account.at("/automountServiceAccountToken"));
    match view.deployment.at(&pointer).or(of_account) {
        Some(Value::Bool(false)) => Vec::new(),
        _ => vec![Spot::at(
            view.deployment,
            &pointer,
            "the service account's token is mounted into the pods",
        )],
    }
}

/// Words in a variable's name that promise a secret.
const SECRET_WORDS: [&str; 6] = ["PASSWORD", "PASSWD", "SECRET", "TOKEN", "API_KEY", "APIKEY"];

/// The value itself is never told.
fn plain_secret(view: &View<'_>) -> Vec<Spot> {
    let mut spots: Vec<Spot> = view
        .environment()
        .into_iter()
        .filter(|(name, (value, _))| {
            let upper = name.to_uppercase();
            let is_reference =
                upper.ends_with("_FILE") || upper.ends_with("_PATH") || value.starts_with('/');
            // MAX_TOKENS and the like count tokens of text.
            let is_number = value.parse::<f64>().is_ok() || value.is_empty();
            SECRET_WORDS.iter().any(|word| upper.contains(word)) && !is_reference && !is_number
        })
        .map(|(name, (_, pointer))| {
            Spot::at(
                view.deployment,
                &pointer,
                format!("the variable `{name}` holds its value in plain text"),
            )
        })
        .collect();
    let secrets = view
        .source
        .objects
        .iter()
        .filter(|object| object.kind() == "Secret" && !view.source.is_live);
    spots.extend(
        secrets.map(|secret| Spot::at(secret, "/data", "the values of a Secret are written in it")),
    );
    spots
}
