//! Which keys of the stack file a field of an object comes from, so that a plan can say why it changes.

use super::Kind;

/// The server's container in the Deployment.
macro_rules! server {
    ($field:literal) => {
        concat!(".spec.template.spec.containers[server]", $field)
    };
}

/// Fields by kind and by the beginning of their path, and the keys that set them, likeliest first. The first entry that
/// fits decides, so what is narrower stands first. The empty path is the object itself: why it is there at all.
const CAUSES: &[(Kind, &str, &[&str])] = &[
    (
        Kind::Namespace,
        ".metadata.labels[\"pod-security",
        &["model.source"],
    ),
    (Kind::Namespace, "", &["cluster.create-namespace"]),
    (Kind::ConfigMap, ".data", &["server"]),
    (Kind::NetworkPolicy, ".spec.egress", &["tracing.endpoint"]),
    (
        Kind::NetworkPolicy,
        ".spec.ingress",
        &["network.from-namespaces"],
    ),
    (Kind::NetworkPolicy, "", &["network.policy"]),
    (Kind::Service, ".spec.ports", &["service.port"]),
    (Kind::Service, ".spec.type", &["service.type"]),
    (
        Kind::Service,
        ".metadata.annotations",
        &["service.annotations"],
    ),
    (
        Kind::Deployment,
        ".spec.replicas",
        &["replicas", "autoscaling"],
    ),
    (
        Kind::Deployment,
        ".spec.strategy.rollingUpdate.maxSurge",
        &["rollout.max-surge"],
    ),
    (
        Kind::Deployment,
        ".spec.strategy.rollingUpdate.maxUnavailable",
        &["rollout.max-unavailable"],
    ),
    (
        Kind::Deployment,
        ".spec.progressDeadlineSeconds",
        &["probes.startup.budget"],
    ),
    (
        Kind::Deployment,
        ".spec.template.spec.terminationGracePeriodSeconds",
        &["rollout.drain"],
    ),
    (
        Kind::Deployment,
        ".spec.template.spec.imagePullSecrets",
        &["image.pull-secrets"],
    ),
    (
        Kind::Deployment,
        ".spec.template.spec.volumes[secrets]",
        &["access.api-key"],
    ),
    (
        Kind::Deployment,
        ".spec.template.spec.volumes[model]",
        &["model.source"],
    ),
    (
        Kind::Deployment,
        server!(".image"),
        &["image", "engine.gpus", "model.source.image"],
    ),
    (
        Kind::Deployment,
        server!(".env[UNINLU_MODEL]"),
        &["model.mount"],
    ),
    (
        Kind::Deployment,
        server!(".env[UNINLU_DRAIN]"),
        &["rollout.drain"],
    ),
    (
        Kind::Deployment,
        server!(".env[UNINLU_WARMUP]"),
        &["model.warmup"],
    ),
    (
        Kind::Deployment,
        server!(".env[UNINLU_PRECISION]"),
        &["engine.precision"],
    ),
    (
        Kind::Deployment,
        server!(".env[UNINLU_DEVICE]"),
        &["engine.gpus"],
    ),
    (
        Kind::Deployment,
        server!(".env[UNINLU_API_KEY_FILE]"),
        &["access.api-key"],
    ),
    (
        Kind::Deployment,
        server!(".env[UNINLU_CORS_ORIGINS]"),
        &["access.origins"],
    ),
    (
        Kind::Deployment,
        server!(".env[OTEL_"),
        &["tracing.endpoint"],
    ),
    (
        Kind::Deployment,
        server!(".resources.requests.cpu"),
        &["resources.cpu.request"],
    ),
    (
        Kind::Deployment,
        server!(".resources.limits.cpu"),
        &["resources.cpu.limit"],
    ),
    (
        Kind::Deployment,
        server!(".resources.requests.memory"),
        &["resources.memory.request"],
    ),
    (
        Kind::Deployment,
        server!(".resources.limits.memory"),
        &["resources.memory.limit"],
    ),
    (
        Kind::Deployment,
        server!(".resources"),
        &["engine.gpus", "resources"],
    ),
    (
        Kind::Deployment,
        server!(".startupProbe.periodSeconds"),
        &["probes.startup.period"],
    ),
    (
        Kind::Deployment,
        server!(".startupProbe.timeoutSeconds"),
        &["probes.startup.timeout"],
    ),
    (
        Kind::Deployment,
        server!(".startupProbe.failureThreshold"),
        &["probes.startup.budget", "probes.startup.period"],
    ),
    (
        Kind::Deployment,
        server!(".livenessProbe.periodSeconds"),
        &["probes.liveness.period"],
    ),
    (
        Kind::Deployment,
        server!(".livenessProbe.timeoutSeconds"),
        &["probes.liveness.timeout"],
    ),
    (
        Kind::Deployment,
        server!(".livenessProbe.failureThreshold"),
        &["probes.liveness.failures"],
    ),
    (
        Kind::Deployment,
        server!(".readinessProbe.periodSeconds"),
        &["probes.readiness.period"],
    ),
    (
        Kind::Deployment,
        server!(".readinessProbe.timeoutSeconds"),
        &["probes.readiness.timeout"],
    ),
    (
        Kind::Deployment,
        server!(".readinessProbe.failureThreshold"),
        &["probes.readiness.failures"],
    ),
    (
        Kind::Deployment,
        server!(".volumeMounts[/run/secrets/uninlu]"),
        &["access.api-key"],
    ),
    (
        Kind::Deployment,
        server!(".volumeMounts[secrets]"),
        &["access.api-key"],
    ),
    (
        Kind::Deployment,
        server!(".volumeMounts[model].subPath"),
        &["model.source.path", "model.source"],
    ),
    (
        Kind::Deployment,
        server!(".volumeMounts"),
        &["model.source", "model.mount"],
    ),
    (
        Kind::PodDisruptionBudget,
        ".spec.minAvailable",
        &["disruption.min-available", "disruption.max-unavailable"],
    ),
    (
        Kind::PodDisruptionBudget,
        ".spec.maxUnavailable",
        &["disruption.max-unavailable", "disruption.min-available"],
    ),
    (
        Kind::PodDisruptionBudget,
        "",
        &["disruption", "replicas", "autoscaling.replicas.min"],
    ),
    (
        Kind::HorizontalPodAutoscaler,
        ".spec.minReplicas",
        &["autoscaling.replicas.min"],
    ),
    (
        Kind::HorizontalPodAutoscaler,
        ".spec.maxReplicas",
        &["autoscaling.replicas.max"],
    ),
    (
        Kind::HorizontalPodAutoscaler,
        ".spec.metrics",
        &["autoscaling"],
    ),
    (
        Kind::HorizontalPodAutoscaler,
        ".spec.behavior.scaleUp",
        &["autoscaling.behavior.scale-up"],
    ),
    (
        Kind::HorizontalPodAutoscaler,
        ".spec.behavior.scaleDown",
        &["autoscaling.behavior.scale-down"],
    ),
    (
        Kind::HorizontalPodAutoscaler,
        ".spec.behavior",
        &["autoscaling.behavior"],
    ),
    (
        Kind::HorizontalPodAutoscaler,
        "",
        &["autoscaling.enabled", "autoscaling"],
    ),
];

/// The keys (dotted paths) that set the field of that kind's object at `path`, likeliest first; none where no key does.
pub fn causes(kind: Kind, path: &str) -> &'static [&'static str] {
    if path.contains(".metadata.labels") && kind != Kind::Namespace {
        return &["labels"];
    }
    // An entry for the object itself tells of no field of it.
    let of_object = CAUSES
        .iter()
        .filter(|(of, pattern, _)| *of == kind && pattern.is_empty() == path.is_empty());
    let within = of_object
        .clone()
        .find(|(_, pattern, _)| path.starts_with(pattern));
    within
        .or_else(|| {
            of_object
                .clone()
                .find(|(_, pattern, _)| pattern.starts_with(path))
        })
        .map_or(&[], |(_, _, keys)| keys)
}
