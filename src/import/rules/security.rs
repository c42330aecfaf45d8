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
    let of = |container: String| {
        let pointer = format!("{container}/securityContext/readOnlyRootFilesystem");
        let what = match view.deployment.at(&pointer) {
            Some(Value::Bool(true)) => return None,
            Some(value) => format!("`readOnlyRootFilesystem` is {value}"),
            None => "`readOnlyRootFilesystem` is not set on the container".to_owned(),
        };
        Some(Spot::at(view.deployment, &pointer, what))
    };
    view.containers().into_iter().filter_map(of).collect()
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
    for container in view.containers() {
        let context = format!("{container}/securityContext");
        look("the container", &context, &OF_POD);
        look(
            "the container, outside of `securityContext`",
            &container,
            &[
                "runAsUser",
                "runAsNonRoot",
                "readOnlyRootFilesystem",
                "privileged",
            ],
        );
    }
    look("the Deployment", "/spec", &["securityContext"]);
    look("the pods' template", "/spec/template", &["securityContext"]);
    spots
}

/// The user stands in the pod's securityContext, and a container has one of its own without it.
fn split(view: &View<'_>) -> Vec<Spot> {
    let of_pod = format!("{POD}/securityContext/runAsUser");
    let Some(user) = view.deployment.int(&of_pod) else {
        return Vec::new();
    };
    let is_split = |container: &String| {
        let context = view.deployment.at(&format!("{container}/securityContext"));
        context.is_some_and(|context| context["runAsUser"].is_null())
    };
    // `uninlu` has it so, and reads it where it is.
    if view.is_own_server() || !view.containers().iter().any(is_split) {
        return Vec::new();
    }
    let what = format!(
        "`runAsUser: {user}` is the pod's; the container has a securityContext of its own, without it"
    );
    vec![Spot::at(view.deployment, &of_pod, what)]
}

/// A container's own field holds; without one, the pod's.
fn either(view: &View<'_>, container: &str, field: &str) -> String {
    let of_container = format!("{container}/securityContext/{field}");
    let of_pod = format!("{POD}/securityContext/{field}");
    match view.deployment.at(&of_container).is_some() {
        true => of_container,
        false => of_pod,
    }
}

fn runs_as_root(view: &View<'_>) -> Vec<Spot> {
    let mut spots: Vec<Spot> = Vec::new();
    for container in view.containers() {
        let found = root_of(view, &container);
        // What the pod says, or does not, is said once.
        spots.extend(found.filter(|spot| spots.iter().all(|known| known.field != spot.field)));
    }
    spots
}

fn root_of(view: &View<'_>, container: &str) -> Option<Spot> {
    let user_at = either(view, container, "runAsUser");
    let user = view.deployment.int(&user_at);
    if user == Some(0) {
        return Some(Spot::at(view.deployment, &user_at, "`runAsUser` is 0"));
    }
    let non_root = either(view, container, "runAsNonRoot");
    if user.is_some() || view.deployment.at(&non_root) == Some(&Value::Bool(true)) {
        return None;
    }
    let pod = format!("{POD}/securityContext");
    Some(match view.deployment.at(&non_root) {
        // The container takes back what the pod promises.
        Some(_) => Spot::at(view.deployment, &non_root, "`runAsNonRoot` is false"),
        None => Spot::at(
            view.deployment,
            &pod,
            "neither `runAsNonRoot` nor `runAsUser` is set",
        ),
    })
}

fn not_restricted(view: &View<'_>) -> Vec<Spot> {
    let mut spots: Vec<Spot> = ["hostNetwork", "hostPID", "hostIPC"]
        .into_iter()
        .filter_map(|field| {
            let pointer = format!("{POD}/{field}");
            let what = format!("without `{field}: false`");
            (view.deployment.at(&pointer) == Some(&Value::Bool(true)))
                .then(|| Spot::at(view.deployment, &pointer, what))
        })
        .collect();
    for container in view.containers() {
        let missing = unrestricted(view, &container);
        if !missing.is_empty() {
            let context = format!("{container}/securityContext");
            let what = format!("without {}", missing.join(", "));
            spots.push(Spot::at(view.deployment, &context, what));
        }
    }
    spots
}

/// What the level asks of a container, and this one has not.
fn unrestricted(view: &View<'_>, container: &str) -> Vec<&'static str> {
    let of_container = |field: &str| {
        let pointer = format!("{container}/securityContext/{field}");
        view.deployment.at(&pointer)
    };
    let list = |field: &str| {
        of_container(field)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
    };
    let profile = view
        .deployment
        .at(&either(view, container, "seccompProfile/type"));
    let is_profile = profile.is_some_and(|it| it == "RuntimeDefault" || it == "Localhost");
    let asked = [
        (
            of_container("allowPrivilegeEscalation") == Some(&Value::Bool(false)),
            "`allowPrivilegeEscalation: false`",
        ),
        (
            list("capabilities/drop").any(|it| it == "ALL"),
            "`capabilities.drop: [ALL]`",
        ),
        (
            list("capabilities/add").all(|it| it == "NET_BIND_SERVICE"),
            "`capabilities.add` left out",
        ),
        (is_profile, "`seccompProfile: {type: RuntimeDefault}`"),
        (
            of_container("privileged") != Some(&Value::Bool(true)),
            "`privileged: false`",
        ),
    ];
    let missing = asked.into_iter().filter(|(holds, _)| !holds);
    missing.map(|(_, what)| what).collect()
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
    let containers = view.containers().into_iter();
    let mut spots: Vec<Spot> = containers
        .flat_map(|container| view.environment_of(&container))
        .filter(|(name, (value, _))| is_secret(name, value))
        .map(|(name, (_, pointer))| {
            let what = format!("the variable `{name}` holds its value in plain text");
            Spot::at(view.deployment, &pointer, what)
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

fn is_secret(name: &str, value: &str) -> bool {
    let upper = name.to_uppercase();
    let is_reference =
        upper.ends_with("_FILE") || upper.ends_with("_PATH") || value.starts_with('/');
    // MAX_TOKENS and the like count tokens of text.
    let is_number = value.parse::<f64>().is_ok() || value.is_empty();
    SECRET_WORDS.iter().any(|word| upper.contains(word)) && !is_reference && !is_number
}
