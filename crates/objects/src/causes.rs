//! Which keys of the stack file a field of an object comes from, so that a plan can say why it changes.

use super::Kind;

/// The server's container in the Deployment.
macro_rules! server {
    ($field:literal) => {
        concat!(".spec.template.spec.containers[server]", $field)
    };
}

/// A kind's fields by the beginning of their path, and the keys that set them, likeliest first. The first entry that fits
/// decides, so what is narrower stands first. The empty path is the object itself: why it is there at all.
type Causes = &'static [(&'static str, &'static [&'static str])];

const fn of_kind(kind: Kind) -> Causes {
    match kind {
        Kind::Namespace => &[
            (".metadata.labels[\"pod-security", &["model.source"]),
            ("", &["cluster.create-namespace"]),
        ],
        Kind::ConfigMap => &[(".data", &["server"])],
        Kind::NetworkPolicy => &[
            (".spec.egress", &["tracing.endpoint"]),
            (
                ".spec.ingress",
                &["network.from-namespaces", "service.management-port"],
            ),
            ("", &["network.policy"]),
        ],
        Kind::Service => &[
            (
                ".spec.ports[management",
                &["service.management-port", "service.port"],
            ),
            (".spec.ports", &["service.port", "service.management-port"]),
            (".spec.type", &["service.type"]),
            (".metadata.annotations", &["service.annotations"]),
        ],
        Kind::Deployment => &[
            (".spec.replicas", &["replicas", "autoscaling"]),
            (
                ".spec.strategy.rollingUpdate.maxSurge",
                &["rollout.max-surge"],
            ),
            (
                ".spec.strategy.rollingUpdate.maxUnavailable",
                &["rollout.max-unavailable"],
            ),
            (".spec.progressDeadlineSeconds", &["probes.startup.budget"]),
            (
                ".spec.template.spec.terminationGracePeriodSeconds",
                &["rollout.drain"],
            ),
            (
                ".spec.template.spec.imagePullSecrets",
                &["image.pull-secrets"],
            ),
            (".spec.template.spec.volumes[secrets]", &["access.api-key"]),
            (".spec.template.spec.volumes[model]", &["model.source"]),
            (
                server!(".image"),
                &["image", "engine.gpus", "model.source.image"],
            ),
            (
                ".spec.template.metadata.annotations",
                &["service.management-port"],
            ),
            (server!(".ports"), &["service.management-port"]),
            (
                server!(".env[UNINLU_MANAGEMENT_LISTEN]"),
                &["service.management-port"],
            ),
            (server!(".env[UNINLU_MODEL]"), &["model.mount"]),
            (server!(".env[UNINLU_DRAIN]"), &["rollout.drain"]),
            (server!(".env[UNINLU_WARMUP]"), &["model.warmup"]),
            (server!(".env[UNINLU_PRECISION]"), &["engine.precision"]),
            (server!(".env[UNINLU_DEVICE]"), &["engine.gpus"]),
            (server!(".env[UNINLU_API_KEY_FILE]"), &["access.api-key"]),
            (server!(".env[UNINLU_CORS_ORIGINS]"), &["access.origins"]),
            (server!(".env[OTEL_"), &["tracing.endpoint"]),
            (
                server!(".resources.requests.cpu"),
                &["resources.cpu.request"],
            ),
            (server!(".resources.limits.cpu"), &["resources.cpu.limit"]),
            (
                server!(".resources.requests.memory"),
                &["resources.memory.request"],
            ),
            (
                server!(".resources.limits.memory"),
                &["resources.memory.limit"],
            ),
            (server!(".resources"), &["engine.gpus", "resources"]),
            (
                server!(".startupProbe.httpGet"),
                &["service.management-port"],
            ),
            (
                server!(".livenessProbe.httpGet"),
                &["service.management-port"],
            ),
            (
                server!(".readinessProbe.httpGet"),
                &["service.management-port"],
            ),
            (
                server!(".startupProbe.periodSeconds"),
                &["probes.startup.period"],
            ),
            (
                server!(".startupProbe.timeoutSeconds"),
                &["probes.startup.timeout"],
            ),
            (
                server!(".startupProbe.failureThreshold"),
                &["probes.startup.budget", "probes.startup.period"],
            ),
            (
                server!(".livenessProbe.periodSeconds"),
                &["probes.liveness.period"],
            ),
            (
                server!(".livenessProbe.timeoutSeconds"),
                &["probes.liveness.timeout"],
            ),
            (
                server!(".livenessProbe.failureThreshold"),
                &["probes.liveness.failures"],
            ),
            (
                server!(".readinessProbe.periodSeconds"),
                &["probes.readiness.period"],
            ),
            (
                server!(".readinessProbe.timeoutSeconds"),
                &["probes.readiness.timeout"],
            ),
            (
                server!(".readinessProbe.failureThreshold"),
                &["probes.readiness.failures"],
            ),
            (
                server!(".volumeMounts[/run/secrets/uninlu]"),
                &["access.api-key"],
            ),
            (server!(".volumeMounts[secrets]"), &["access.api-key"]),
            (
                server!(".volumeMounts[model].subPath"),
                &["model.source.path", "model.source"],
            ),
            (server!(".volumeMounts"), &["model.source", "model.mount"]),
        ],
        Kind::PodDisruptionBudget => &[
            (
                ".spec.minAvailable",
                &["disruption.min-available", "disruption.max-unavailable"],
            ),
            (
                ".spec.maxUnavailable",
                &["disruption.max-unavailable", "disruption.min-available"],
            ),
            ("", &["disruption", "replicas", "autoscaling.replicas.min"]),
        ],
        Kind::HorizontalPodAutoscaler => &[
            (".spec.minReplicas", &["autoscaling.replicas.min"]),
            (".spec.maxReplicas", &["autoscaling.replicas.max"]),
            (".spec.metrics", &["autoscaling"]),
            (".spec.behavior.scaleUp", &["autoscaling.behavior.scale-up"]),
            (
                ".spec.behavior.scaleDown",
                &["autoscaling.behavior.scale-down"],
            ),
            (".spec.behavior", &["autoscaling.behavior"]),
            ("", &["autoscaling.enabled", "autoscaling"]),
        ],
        Kind::ServiceAccount => &[],
    }
}

/// The keys (dotted paths) that set the field of that kind's object at `path`, likeliest first; none where no key does.
pub fn causes(kind: Kind, path: &str) -> &'static [&'static str] {
    if path.contains(".metadata.labels") && kind != Kind::Namespace {
        return &["labels"];
    }
    // An entry for the object itself tells of no field of it.
    let of_object = of_kind(kind)
        .iter()
        .filter(|(pattern, _)| pattern.is_empty() == path.is_empty());
    let within = of_object
        .clone()
        .find(|(pattern, _)| path.starts_with(pattern));
    within
        .or_else(|| {
            of_object
                .clone()
                .find(|(pattern, _)| pattern.starts_with(path))
        })
        .map_or(&[], |(_, keys)| keys)
}
