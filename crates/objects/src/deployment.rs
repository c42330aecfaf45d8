//! Deployment of the inference server.

use serde::Deserialize;
use serde_json::{Map, Value, json};
use uninlu_settings::{Choice, Precision, variables};

use super::labels::CONTAINER;
use super::pod_disruption_budget::int_or_string;
use super::row::{Causes, Facts, Is, Render, Row, Shape};
use super::service::{MANAGEMENT_NAME, PORT_NAME, probed_name};
use super::{Progress, condition, config_map, deployment_summary, is_observed, labels};
use uninlu_stack::{CONTAINER_PORT, Count, ModelSource, Probe, Replicas, SecretKey, Stack, Target};

/// User and group of the server in the image; named here too, since `runAsNonRoot` cannot check an image's user name.
pub const USER: u32 = 1001;
/// Where the API key is mounted, as a folder of one file.
const SECRETS: &str = "/run/secrets/uninlu";
const API_KEY: &str = "api-key";
/// Seconds that the kubelet and the server get on top of the drain before the process is killed.
const STOP_MARGIN: u32 = 10;
/// Seconds on top of the startup budget for scheduling and pulling before a rollout counts as stuck.
pub const PULL_MARGIN: u32 = 120;

/// Its row in the table of kinds.
pub(super) const ROW: Row = Row {
    group: "apps",
    version: "v1",
    plural: "deployments",
    is_namespaced: true,
    has_rivals: true,
    name: |stack, _| stack.to_owned(),
    render: Render::Always(render),
    progress,
    summary: deployment_summary::lines,
    causes: &[
        ("", CAUSES),
        (".spec.template.spec", CAUSES_IN_POD),
        (".spec.template.spec.containers[server]", CAUSES_IN_SERVER),
    ],
    shapes: &[
        (&[], SHAPE),
        (&["spec", "template", "spec"], POD),
        (
            &["spec", "template", "spec", "containers", CONTAINER],
            SERVER,
        ),
    ],
};

const CAUSES: Causes = &[
    (".spec.replicas", "replicas autoscaling"),
    (".spec.strategy.rollingUpdate.maxSurge", "rollout.max-surge"),
    (
        ".spec.strategy.rollingUpdate.maxUnavailable",
        "rollout.max-unavailable",
    ),
    (".spec.progressDeadlineSeconds", "probes.startup.budget"),
    (
        ".spec.template.metadata.annotations",
        "service.management-port",
    ),
];

const CAUSES_IN_POD: Causes = &[
    (".terminationGracePeriodSeconds", "rollout.drain"),
    (".imagePullSecrets", "image.pull-secrets"),
    (".volumes[secrets]", "access.api-key"),
    (".volumes[model]", "model.source"),
];

const CAUSES_IN_SERVER: Causes = &[
    (".image", "image engine.gpus model.source.image"),
    (".ports", "service.management-port"),
    (".env[UNINLU_MANAGEMENT_LISTEN]", "service.management-port"),
    (".env[UNINLU_MODEL]", "model.mount"),
    (".env[UNINLU_DRAIN]", "rollout.drain"),
    (".env[UNINLU_WARMUP]", "model.warmup"),
    (".env[UNINLU_PRECISION]", "engine.precision"),
    (".env[UNINLU_DEVICE]", "engine.gpus"),
    (".env[UNINLU_API_KEY_FILE]", "access.api-key"),
    (".env[UNINLU_CORS_ORIGINS]", "access.origins"),
    (".env[OTEL_", "tracing.endpoint"),
    (".resources.requests.cpu", "resources.cpu.request"),
    (".resources.limits.cpu", "resources.cpu.limit"),
    (".resources.requests.memory", "resources.memory.request"),
    (".resources.limits.memory", "resources.memory.limit"),
    (".resources", "engine.gpus resources"),
    (".startupProbe.httpGet", "service.management-port"),
    (".livenessProbe.httpGet", "service.management-port"),
    (".readinessProbe.httpGet", "service.management-port"),
    (".startupProbe.periodSeconds", "probes.startup.period"),
    (".startupProbe.timeoutSeconds", "probes.startup.timeout"),
    (
        ".startupProbe.failureThreshold",
        "probes.startup.budget probes.startup.period",
    ),
    (".livenessProbe.periodSeconds", "probes.liveness.period"),
    (".livenessProbe.timeoutSeconds", "probes.liveness.timeout"),
    (
        ".livenessProbe.failureThreshold",
        "probes.liveness.failures",
    ),
    (".readinessProbe.periodSeconds", "probes.readiness.period"),
    (".readinessProbe.timeoutSeconds", "probes.readiness.timeout"),
    (
        ".readinessProbe.failureThreshold",
        "probes.readiness.failures",
    ),
    (".volumeMounts[/run/secrets/uninlu]", "access.api-key"),
    (".volumeMounts[secrets]", "access.api-key"),
    (
        ".volumeMounts[model].subPath",
        "model.source.path model.source",
    ),
    (".volumeMounts", "model.source model.mount"),
];

const SHAPE: Shape = &[
    ("spec replicas", Is::Number),
    ("spec revisionHistoryLimit", Is::Number),
    ("spec progressDeadlineSeconds", Is::Number),
    ("spec selector matchLabels", Is::Selector),
    ("spec strategy type", Is::Exactly("RollingUpdate")),
    ("spec strategy rollingUpdate maxSurge", Is::Amount),
    ("spec strategy rollingUpdate maxUnavailable", Is::Amount),
    ("spec template metadata labels", Is::Labels),
    ("spec template metadata annotations", Is::ScrapeAnnotations),
];

/// Of `.spec.template.spec`.
const POD: Shape = &[
    ("serviceAccountName", Is::StackName),
    ("automountServiceAccountToken", Is::False),
    ("enableServiceLinks", Is::False),
    ("terminationGracePeriodSeconds", Is::Number),
    ("securityContext runAsNonRoot", Is::True),
    ("securityContext runAsUser", Is::Id(USER)),
    ("securityContext runAsGroup", Is::Id(USER)),
    (
        "securityContext seccompProfile type",
        Is::Exactly("RuntimeDefault"),
    ),
    ("topologySpreadConstraints * maxSkew", Is::Number),
    ("topologySpreadConstraints * topologyKey", Is::Text),
    ("topologySpreadConstraints * whenUnsatisfiable", Is::Text),
    (
        "topologySpreadConstraints * labelSelector matchLabels",
        Is::Selector,
    ),
    ("topologySpreadConstraints * matchLabelKeys *", Is::Text),
    ("imagePullSecrets * name", Is::Text),
    ("volumes settings name", Is::Text),
    ("volumes settings configMap name", Is::SettingsName),
    ("volumes tmp name", Is::Text),
    ("volumes tmp emptyDir sizeLimit", Is::Text),
    ("volumes secrets name", Is::Text),
    ("volumes secrets secret secretName", Is::Text),
    ("volumes secrets secret items * *", Is::Text),
    ("volumes model name", Is::Text),
    ("volumes model persistentVolumeClaim claimName", Is::Text),
    ("volumes model persistentVolumeClaim readOnly", Is::True),
    ("volumes model hostPath path", Is::Text),
    ("volumes model hostPath type", Is::Exactly("Directory")),
];

/// Of the pods' only container.
const SERVER: Shape = &[
    ("name", Is::Exactly(CONTAINER)),
    ("image", Is::Text),
    ("imagePullPolicy", Is::Exactly("IfNotPresent")),
    ("ports * name", Is::Text),
    ("ports * containerPort", Is::Number),
    ("ports * protocol", Is::Exactly("TCP")),
    ("env * name", Is::Variable),
    ("env * value", Is::Text),
    ("resources requests cpu", Is::Amount),
    ("resources requests memory", Is::Amount),
    ("resources limits cpu", Is::Amount),
    ("resources limits memory", Is::Amount),
    ("resources limits", Is::Nothing),
    ("resources limits nvidia.com/gpu", Is::Amount),
    ("securityContext allowPrivilegeEscalation", Is::False),
    ("securityContext capabilities drop", Is::All),
    ("securityContext readOnlyRootFilesystem", Is::True),
    ("startupProbe httpGet path", Is::Text),
    ("startupProbe httpGet port", Is::Text),
    ("startupProbe *", Is::Number),
    ("livenessProbe httpGet path", Is::Text),
    ("livenessProbe httpGet port", Is::Text),
    ("livenessProbe *", Is::Number),
    ("readinessProbe httpGet path", Is::Text),
    ("readinessProbe httpGet port", Is::Text),
    ("readinessProbe *", Is::Number),
    ("volumeMounts * name", Is::Text),
    ("volumeMounts * mountPath", Is::Text),
    ("volumeMounts * subPath", Is::Text),
    ("volumeMounts * readOnly", Is::True),
];

pub(super) fn render(stack: &Stack, facts: &Facts) -> Value {
    let mut spec = json!({
        "revisionHistoryLimit": 5,
        "progressDeadlineSeconds": progress_deadline(stack),
        "selector": { "matchLabels": labels::selector(stack) },
        "strategy": {
            "type": "RollingUpdate",
            "rollingUpdate": {
                "maxSurge": int_or_string(stack.rollout.max_surge),
                "maxUnavailable": int_or_string(stack.rollout.max_unavailable),
            },
        },
        "template": {
            "metadata": { "labels": labels::of_object(stack), "annotations": scrape_annotations(stack) },
            "spec": pod(stack, facts),
        },
    });
    // With an autoscaler the number of pods is its field: a value here would fight it at each apply.
    if let Replicas::Fixed(replicas) = stack.replicas {
        spec["replicas"] = json!(replicas);
    }
    json!({ "metadata": {}, "spec": spec })
}

/// Puts another image into a rendered Deployment, of which nothing else depends on the image; any other body stays.
pub fn set_image(body: &mut Value, reference: &str) {
    let containers = body.pointer_mut("/spec/template/spec/containers");
    let containers = containers.and_then(Value::as_array_mut);
    let mut containers = containers.into_iter().flatten();
    if let Some(server) = containers.find(|container| container["name"] == CONTAINER) {
        server["image"] = json!(reference);
    }
}

/// Seconds without progress after which Kubernetes calls the rollout stuck.
fn progress_deadline(stack: &Stack) -> u32 {
    stack.probes.startup.budget.seconds + PULL_MARGIN
}

/// Seconds that a whole rollout may take: each batch of pods its deadline, and its predecessors their drain; and once the
/// time that nodes may take to come.
pub fn wait_budget(stack: &Stack) -> u32 {
    let pods = stack.replicas.minimum();
    let (surge, missing) = (stack.rollout.max_surge, stack.rollout.max_unavailable);
    let at_once = (surge.of(pods) + missing.of_rounded_down(pods)).max(1);
    let batches = pods.div_ceil(at_once);
    batches * (progress_deadline(stack) + stack.rollout.drain.seconds + STOP_MARGIN)
        + stack.rollout.wait_for_nodes.seconds
}

fn scrape_annotations(stack: &Stack) -> Value {
    json!({
        "prometheus.io/scrape": "true",
        "prometheus.io/port": stack.service.probed_port().to_string(),
        "prometheus.io/path": "/metrics",
    })
}

fn pod(stack: &Stack, facts: &Facts) -> Value {
    let mut spec = json!({
        "serviceAccountName": stack.name,
        "automountServiceAccountToken": false,
        // The variables of every Service of the namespace would be of no use and could collide with UNINLU_….
        "enableServiceLinks": false,
        "terminationGracePeriodSeconds": stack.rollout.drain.seconds + STOP_MARGIN,
        "securityContext": {
            "runAsNonRoot": true,
            "runAsUser": USER,
            "runAsGroup": USER,
            "seccompProfile": { "type": "RuntimeDefault" },
        },
        "topologySpreadConstraints": [
            spread_over(stack, "kubernetes.io/hostname"),
            spread_over(stack, "topology.kubernetes.io/zone"),
        ],
        "containers": [container(stack, facts)],
        "volumes": volumes(stack),
    });
    let secrets = stack.image.pull_secrets();
    if !secrets.is_empty() {
        spec["imagePullSecrets"] = secrets.iter().map(|name| json!({ "name": name })).collect();
    }
    spec
}

/// Pods of one revision are spread among themselves: counting the old ones would pile up the new ones.
fn spread_over(stack: &Stack, topology: &str) -> Value {
    json!({
        "maxSkew": 1,
        "topologyKey": topology,
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": { "matchLabels": labels::selector(stack) },
        "matchLabelKeys": ["pod-template-hash"],
    })
}

fn container(stack: &Stack, facts: &Facts) -> Value {
    let probes = &stack.probes;
    json!({
        "name": CONTAINER,
        "image": facts.image,
        "imagePullPolicy": "IfNotPresent",
        "ports": ports(stack),
        "env": environment(stack),
        "resources": resources(stack),
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "capabilities": { "drop": ["ALL"] },
            "readOnlyRootFilesystem": true,
        },
        // Startup looks at /ready, so that liveness and readiness begin only when the model is loaded and warm.
        "startupProbe": {
            "httpGet": { "path": "/ready", "port": probed_name(stack) },
            "periodSeconds": probes.startup.period.seconds,
            "timeoutSeconds": probes.startup.timeout.seconds,
            "failureThreshold": probes.startup.failure_threshold(),
        },
        "livenessProbe": probe(stack, "/health", &probes.liveness),
        "readinessProbe": probe(stack, "/ready", &probes.readiness),
        "volumeMounts": volume_mounts(stack),
    })
}

fn ports(stack: &Stack) -> Vec<Value> {
    let port =
        |name: &str, port: u16| json!({ "name": name, "containerPort": port, "protocol": "TCP" });
    let management = stack.service.management_port;
    [port(PORT_NAME, CONTAINER_PORT)]
        .into_iter()
        .chain(management.map(|number| port(MANAGEMENT_NAME, number)))
        .collect()
}

fn probe(stack: &Stack, path: &str, probe: &Probe) -> Value {
    json!({
        "httpGet": { "path": path, "port": probed_name(stack) },
        "periodSeconds": probe.period.seconds,
        "timeoutSeconds": probe.timeout.seconds,
        "failureThreshold": probe.failures,
    })
}

fn environment(stack: &Stack) -> Vec<Value> {
    let fixed = [
        (variables::MODEL, stack.model.mount.clone()),
        (variables::LISTEN, format!("0.0.0.0:{CONTAINER_PORT}")),
        (variables::SETTINGS, variables::DEFAULT_SETTINGS.to_owned()),
        (variables::DRAIN, stack.rollout.drain.to_string()),
    ];
    let on_request = [
        (stack.service.management_port)
            .map(|port| (variables::MANAGEMENT_LISTEN, format!("0.0.0.0:{port}"))),
        stack
            .model
            .warmup
            .clone()
            .map(|text| (variables::WARMUP, text)),
        (stack.engine.precision != Precision::default())
            .then(|| (variables::PRECISION, stack.engine.precision.name().into())),
        // By its number: with `auto` a pod whose GPU fails would answer from the processor, many times slower.
        (stack.engine.gpus > 0).then(|| (variables::DEVICE, "cuda:0".into())),
        (stack.access.api_key.is_some())
            .then(|| (variables::API_KEY_FILE, format!("{SECRETS}/{API_KEY}"))),
        (!stack.access.origins.is_empty())
            .then(|| (variables::CORS_ORIGINS, stack.access.origins.join(","))),
        stack
            .tracing
            .as_ref()
            .map(|collector| (variables::TRACES_ENDPOINT, collector.endpoint.clone())),
        stack
            .tracing
            .as_ref()
            .map(|_| (variables::TRACES_SERVICE, stack.name.clone())),
    ];
    fixed
        .into_iter()
        .chain(on_request.into_iter().flatten())
        .map(|(name, value)| json!({ "name": name, "value": value }))
        .collect()
}

fn resources(stack: &Stack) -> Value {
    let (mut requests, mut limits) = (Map::new(), Map::new());
    for (name, bounds) in [
        ("cpu", &stack.resources.cpu),
        ("memory", &stack.resources.memory),
    ] {
        requests.insert(name.into(), json!(bounds.request.text));
        if let Some(limit) = &bounds.limit {
            limits.insert(name.into(), json!(limit.text));
        }
    }
    if stack.engine.gpus > 0 {
        // A string, as the API server hands quantities back.
        limits.insert(
            "nvidia.com/gpu".into(),
            json!(stack.engine.gpus.to_string()),
        );
    }
    json!({ "requests": requests, "limits": limits })
}

fn volumes(stack: &Stack) -> Vec<Value> {
    let mut volumes = vec![
        json!({ "name": "settings", "configMap": { "name": config_map::name_of(&stack.name) } }),
        // The root is read-only; this is all that the server may write to.
        json!({ "name": "tmp", "emptyDir": { "sizeLimit": "64Mi" } }),
    ];
    if let Some(SecretKey { secret, key }) = &stack.access.api_key {
        volumes.push(json!({
            "name": "secrets",
            "secret": { "secretName": secret, "items": [{ "key": key, "path": API_KEY }] },
        }));
    }
    match &stack.model.source {
        ModelSource::Pvc { claim, .. } => volumes.push(json!({
            "name": "model",
            "persistentVolumeClaim": { "claimName": claim, "readOnly": true },
        })),
        ModelSource::HostPath { path } => volumes.push(json!({
            "name": "model",
            "hostPath": { "path": path, "type": "Directory" },
        })),
        ModelSource::Image { .. } => (),
    }
    volumes
}

fn volume_mounts(stack: &Stack) -> Vec<Value> {
    let mut mounts = vec![
        // The whole folder: a file mounted by `subPath` is never updated in a running pod.
        json!({ "name": "settings", "mountPath": variables::SETTINGS_FOLDER, "readOnly": true }),
        json!({ "name": "tmp", "mountPath": "/tmp" }),
    ];
    if stack.access.api_key.is_some() {
        mounts.push(json!({ "name": "secrets", "mountPath": SECRETS, "readOnly": true }));
    }
    let model = |sub_path: &str| {
        let mut mount =
            json!({ "name": "model", "mountPath": stack.model.mount, "readOnly": true });
        if !sub_path.is_empty() {
            mount["subPath"] = json!(sub_path);
        }
        mount
    };
    match &stack.model.source {
        ModelSource::Pvc { path, .. } => mounts.push(model(path)),
        ModelSource::HostPath { .. } => mounts.push(model("")),
        ModelSource::Image { .. } => (),
    }
    mounts
}

/// The order of the questions is kstatus': each is only meaningful when those before it are answered.
pub(super) fn progress(live: &Value) -> Progress {
    if !is_observed(live) {
        return Progress::Waiting("the deployment controller has not seen the change yet".into());
    }
    if let Some(words) = stuck_by_pause(live) {
        return Progress::Failed(words);
    }
    if let Some((_, "ProgressDeadlineExceeded", message)) = condition(live, "Progressing") {
        return Progress::Failed(message.to_owned());
    }
    let wanted = live["spec"]["replicas"].as_i64().unwrap_or(1);
    let count = |key: &str| live["status"][key].as_i64().unwrap_or(0);
    let (all, updated, available, ready) = (
        count("replicas"),
        count("updatedReplicas"),
        count("availableReplicas"),
        count("readyReplicas"),
    );
    let waiting = |text: String| Progress::Waiting(text);
    if all < wanted {
        waiting(format!("{all} of {wanted} pods exist"))
    } else if updated < wanted {
        waiting(format!("{updated} of {wanted} pods are new"))
    } else if all > wanted {
        waiting(format!("{} old pods are still to go", all - wanted))
    } else if available < updated {
        waiting(format!("{available} of {updated} new pods are available"))
    } else if ready < wanted {
        waiting(format!("{ready} of {wanted} pods are ready"))
    } else {
        settled(live)
    }
}

fn settled(live: &Value) -> Progress {
    match (condition(live, "Progressing"), condition(live, "Available")) {
        (
            Some((_, "NewReplicaSetAvailable" | "DeploymentPaused", _)) | None,
            Some(("True", ..)),
        ) => Progress::Ready,
        (Some((_, reason, message)), Some(("True", ..))) => {
            Progress::Waiting(format!("{reason}: {message}"))
        }
        (_, Some((_, reason, message))) => Progress::Waiting(format!("{reason}: {message}")),
        (_, None) => Progress::Waiting("no word yet on whether it is available".into()),
    }
}

/// That the Deployment is paused, and who paused it when; `None` when it is not.
pub fn pause(live: &Value) -> Option<String> {
    (live["spec"]["paused"] == true).then(|| {
        format!(
            "the Deployment is paused (.spec.paused{}): no pod is replaced",
            pauser(live).unwrap_or_default()
        )
    })
}

/// The command that ends the pause.
pub fn resume(target: &Target) -> String {
    let Target {
        stack,
        namespace,
        context,
        ..
    } = target;
    format!(
        "`kubectl rollout resume deployment/{stack} --namespace {namespace} --context {context}`"
    )
}

fn pauser(live: &Value) -> Option<String> {
    let entries = live["metadata"]["managedFields"].as_array()?.iter();
    let paused = entries.filter(|entry| entry["fieldsV1"]["f:spec"]["f:paused"].is_object());
    let latest = paused.max_by_key(|entry| entry["time"].as_str().unwrap_or_default())?;
    let text = |key: &str| latest[key].as_str();
    Some(format!(
        ", set by {} at {}",
        text("manager")?,
        text("time")?
    ))
}

/// That the Deployment is paused, where pods are to be replaced or made: a paused one is scaled, and no more.
pub(super) fn stuck_by_pause(live: &Value) -> Option<String> {
    let count = |key: &str| live["status"][key].as_i64().unwrap_or(0);
    let wanted = live["spec"]["replicas"].as_i64().unwrap_or(1);
    let (all, updated) = (count("replicas"), count("updatedReplicas"));
    let is_stuck = if all == 0 {
        wanted > 0
    } else {
        updated < all && all >= wanted
    };
    pause(live).filter(|_| is_stuck)
}

/// How many of so many pods may be missing during a rollout.
pub(super) fn allowed_missing(rendered: &Value, wanted: u64) -> u32 {
    let wanted = u32::try_from(wanted).unwrap_or(u32::MAX);
    Count::deserialize(rendered).map_or(0, |count| count.of_rounded_down(wanted))
}
