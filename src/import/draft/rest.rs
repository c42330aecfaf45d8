//! What of the service's objects has no place in a stack. The fields that are taken are listed, not those that are left:
//! one that was not thought of is reported, and not lost.

use serde_json::Value;

use super::keys::{Draft, in_pod, is_of_tools};
use crate::import::Object;
use crate::import::view::View;
use crate::import::yaml::step;
use crate::rules::{Fields, MODEL_VARIABLES};
use uninlu_settings::variables;

/// Fields that became keys, that a rule looks at, or that are the same in every stack, with all below them; with `=` only
/// that value is.
const DEPLOYMENT: [&str; 30] = [
    "/apiVersion",
    "/kind",
    "/metadata",
    "/status",
    "/spec/replicas",
    "/spec/selector",
    "/spec/strategy",
    "/spec/revisionHistoryLimit",
    "/spec/progressDeadlineSeconds",
    "/spec/template/metadata",
    "/spec/template/spec/containers",
    "/spec/template/spec/volumes",
    "/spec/template/spec/serviceAccountName",
    "/spec/template/spec/serviceAccount",
    "/spec/template/spec/automountServiceAccountToken",
    "/spec/template/spec/imagePullSecrets",
    "/spec/template/spec/terminationGracePeriodSeconds",
    "/spec/template/spec/enableServiceLinks",
    "/spec/template/spec/restartPolicy=Always",
    "/spec/template/spec/dnsPolicy=ClusterFirst",
    "/spec/template/spec/schedulerName=default-scheduler",
    "/spec/template/spec/securityContext/runAsNonRoot",
    "/spec/template/spec/securityContext/runAsUser=1001",
    "/spec/template/spec/securityContext/runAsGroup=1001",
    "/spec/template/spec/securityContext/seccompProfile",
    // At the wrong level, of which a rule speaks.
    "/spec/template/spec/securityContext/allowPrivilegeEscalation",
    "/spec/template/spec/securityContext/capabilities",
    "/spec/template/spec/securityContext/readOnlyRootFilesystem",
    "/spec/template/spec/runAsNonRoot",
    "/spec/template/spec/runAsUser",
];

/// The same of the server's container.
const CONTAINER: [&str; 26] = [
    "/name",
    "/image",
    "/imagePullPolicy",
    "/env",
    "/ports",
    "/volumeMounts",
    "/livenessProbe",
    "/readinessProbe",
    "/startupProbe",
    "/resources/requests/cpu",
    "/resources/requests/memory",
    "/resources/requests/nvidia.com~1gpu",
    "/resources/limits/cpu",
    "/resources/limits/memory",
    "/resources/limits/nvidia.com~1gpu",
    "/securityContext/allowPrivilegeEscalation",
    "/securityContext/capabilities",
    "/securityContext/privileged",
    "/securityContext/readOnlyRootFilesystem",
    "/securityContext/runAsNonRoot",
    "/securityContext/runAsUser=1001",
    "/securityContext/runAsGroup=1001",
    "/securityContext/seccompProfile",
    "/terminationMessagePath",
    "/terminationMessagePolicy",
    "/resizePolicy",
];

const SERVICE: [&str; 14] = [
    "/apiVersion",
    "/kind",
    "/metadata",
    "/status",
    "/spec/ports",
    "/spec/selector",
    "/spec/type",
    "/spec/clusterIPs",
    "/spec/ipFamilies",
    "/spec/ipFamilyPolicy=SingleStack",
    "/spec/internalTrafficPolicy=Cluster",
    "/spec/externalTrafficPolicy=Cluster",
    "/spec/sessionAffinity=None",
    "/spec/allocateLoadBalancerNodePorts=true",
];

const ADDRESS: &str = "/spec/clusterIP";

const AUTOSCALER: [&str; 14] = [
    "/apiVersion",
    "/kind",
    "/metadata",
    "/status",
    "/spec/scaleTargetRef",
    "/spec/minReplicas",
    "/spec/maxReplicas",
    "/spec/metrics",
    "/spec/behavior/scaleUp/policies",
    "/spec/behavior/scaleUp/selectPolicy",
    "/spec/behavior/scaleUp/stabilizationWindowSeconds",
    "/spec/behavior/scaleDown/policies",
    "/spec/behavior/scaleDown/selectPolicy",
    "/spec/behavior/scaleDown/stabilizationWindowSeconds",
];

const SERVICE_ACCOUNT: [&str; 5] = [
    "/apiVersion",
    "/kind",
    "/metadata",
    "/automountServiceAccountToken",
    "/secrets",
];

/// Fields whose `false` says something.
const ON_BY_DEFAULT: [&str; 2] = ["/hostUsers", "/allocateLoadBalancerNodePorts"];

const NO_KEY: &str = "a stack has no key for it";
const USER: &str = "a stack's pods run as user and group 1001";

/// Why, where there is more to say; by the field's last part.
const WHY: [(&str, &str); 18] = [
    (
        "initContainers",
        "a stack has none: the model comes from a claim or lies in the image",
    ),
    (
        "nodeSelector",
        "a stack has no key for it: pods go where there is room",
    ),
    (
        "tolerations",
        "a stack has no key for it: pods go to untainted nodes",
    ),
    (
        "affinity",
        "pods are spread over nodes and zones by the stack itself",
    ),
    (
        "topologySpreadConstraints",
        "pods are spread over nodes and zones by the stack itself",
    ),
    ("hostNetwork", "a stack's pods have a network of their own"),
    ("hostPID", "a stack's pods see their own processes alone"),
    ("shareProcessNamespace", "a stack's pods have one container"),
    ("paused", "a paused Deployment rolls out nothing"),
    ("runAsUser", USER),
    ("runAsGroup", USER),
    ("fsGroup", USER),
    ("command", "the image of `uninlu-server` starts by itself"),
    ("args", "the image of `uninlu-server` starts by itself"),
    ("envFrom", "a stack's server has keys of its own"),
    (
        "lifecycle",
        "the server drains by itself (`[rollout] drain`)",
    ),
    ("workingDir", "the server needs none"),
    ("clusterIP", "a stack's Service has an address of its own"),
];

/// Variables that became keys, by their names.
const TAKEN: [&str; 12] = [
    variables::WARMUP,
    "WARMUP_TEXT",
    "WARMUP",
    variables::PRECISION,
    variables::LISTEN,
    variables::SETTINGS,
    variables::DRAIN,
    variables::DEVICE,
    variables::API_KEY_FILE,
    variables::CORS_ORIGINS,
    variables::TRACES_ENDPOINT,
    variables::TRACES_SERVICE,
];

/// Annotations that a controller or Helm keeps of the object itself, or that the stack sets.
const OTHERS_ANNOTATIONS: [&str; 3] = ["prometheus.io/", "deployment.kubernetes.io/", "helm.sh/"];

/// What of the pods, their Service, autoscaler and account was not taken, each with the reason.
pub(super) fn leave_rest(view: &View<'_>, draft: &mut Draft) {
    if view.pod.is_own_server() {
        return;
    }
    let deployment = view.deployment;
    leave_containers(view, draft);
    leave_unknown(deployment, "", &DEPLOYMENT, draft);
    leave_unknown(deployment, &view.pod.server, &CONTAINER, draft);
    leave_variables(view, draft);
    leave_mounts(view, draft);
    let of_pods = "/spec/template/metadata";
    leave_labels(deployment, of_pods, draft);
    leave_annotations(
        deployment,
        of_pods,
        "a stack has no key for annotations of pods",
        draft,
    );
    leave_annotations(
        deployment,
        "/metadata",
        "a stack has no key for a Deployment's annotations",
        draft,
    );
    if let Some(service) = view.service {
        // A live one has an address in any case, or is headless.
        let has_address = view.source.is_live && service.text(ADDRESS) != "None";
        let known: Vec<&str> = SERVICE
            .into_iter()
            .chain(has_address.then_some(ADDRESS))
            .collect();
        leave_unknown(service, "", &known, draft);
    }
    if let Some(autoscaler) = view.autoscaler {
        leave_unknown(autoscaler, "", &AUTOSCALER, draft);
    }
    if let Some(account) = view.account {
        leave_unknown(account, "", &SERVICE_ACCOUNT, draft);
        leave_annotations(
            account,
            "/metadata",
            "a stack's ServiceAccount has no annotations: a cloud identity that they set does not reach the pods",
            draft,
        );
    }
}

/// Below `root`, every field that is written and not known.
fn leave_unknown(object: &Object, root: &str, known: &[&str], draft: &mut Draft) {
    let mut found = Vec::new();
    let value = object.body.pointer(root).unwrap_or(&Value::Null);
    collect(value, "", known, &mut found);
    for field in found {
        let last = field.rsplit('/').next().unwrap_or_default();
        let why = WHY.iter().find(|(name, _)| *name == last);
        draft.leave(
            object,
            &format!("{root}{field}"),
            why.map_or(NO_KEY, |(_, why)| why),
        );
    }
}

fn collect(value: &Value, at: &str, known: &[&str], found: &mut Vec<String>) {
    let is_off = !is_something(value) && !ON_BY_DEFAULT.iter().any(|field| at.ends_with(field));
    if is_off || known.iter().any(|known| is_known(known, at, value)) {
        return;
    }
    let below = format!("{at}/");
    match value {
        Value::Object(entries) if known.iter().any(|known| known.starts_with(&below)) => {
            for (key, value) in entries {
                collect(value, &step(at, key), known, found);
            }
        }
        _ => found.push(at.to_owned()),
    }
}

fn is_known(known: &str, at: &str, value: &Value) -> bool {
    match known.split_once('=') {
        Some((known, expected)) => known == at && crate::kinds::written(value) == expected,
        None => known == at,
    }
}

/// What is empty, off or 0 is what a stack has too.
fn is_something(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::Number(number) => number.as_i64() != Some(0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(entries) => !entries.is_empty(),
        Value::Bool(true) => true,
    }
}

fn leave_containers(view: &View<'_>, draft: &mut Draft) {
    for (pointer, container) in view.deployment.items(&in_pod("/containers")) {
        if pointer != view.pod.server {
            let name = container["name"].as_str().unwrap_or_default();
            let why = format!(
                "the container `{name}` is not the server; a stack's pods have one container"
            );
            draft.leave(view.deployment, &pointer, why);
        }
    }
}

fn leave_variables(view: &View<'_>, draft: &mut Draft) {
    for (pointer, item) in view.deployment.items(&view.pod.in_container("/env")) {
        let name = item["name"].as_str().unwrap_or_default();
        if !TAKEN.contains(&name) && !MODEL_VARIABLES.contains(&name) {
            let why = format!("the variable `{name}` means nothing to `uninlu-server`");
            draft.leave(view.deployment, &pointer, why);
        }
    }
}

fn leave_mounts(view: &View<'_>, draft: &mut Draft) {
    let model = view.pod.model_mount().map(|(pointer, _)| pointer);
    for (pointer, mount) in view.pod.mounts() {
        if Some(&pointer) != model.as_ref() {
            let path = mount["mountPath"].as_str().unwrap_or_default();
            draft.leave(view.deployment, &pointer, format!("nothing is mounted at {path}: the server reads the model's folder and its own settings"));
        }
    }
}

/// Recommended labels beside those that the stack sets itself: it takes no others of that prefix.
fn leave_labels(object: &Object, metadata: &str, draft: &mut Draft) {
    for name in ["component", "part-of"] {
        let pointer = step(
            &format!("{metadata}/labels"),
            format!("app.kubernetes.io/{name}"),
        );
        if object.at(&pointer).is_some() {
            draft.leave(
                object,
                &pointer,
                "a stack sets the labels of `app.kubernetes.io/` itself",
            );
        }
    }
}

fn leave_annotations(object: &Object, metadata: &str, why: &str, draft: &mut Draft) {
    let annotations = format!("{metadata}/annotations");
    let found = object.at(&annotations).and_then(Value::as_object);
    for key in found.into_iter().flatten().map(|(key, _)| key) {
        let is_others = OTHERS_ANNOTATIONS
            .iter()
            .any(|other| key.starts_with(other));
        if !is_others && !is_of_tools(key) {
            draft.leave(object, &step(&annotations, key), why);
        }
    }
}
