//! What an object that is created holds, in a few lines for people. All its fields: [`super::diff::fields_of`].

use serde_json::Value;

use uninlu_objects::pod::{PROBE_FAILURES, PROBE_PERIOD};
use uninlu_objects::{Kind, written};

/// A label and what stands behind it: `("ports", "http 7860/TCP")`. None for a kind whose name says all.
pub(super) fn lines(kind: Kind, object: &Value) -> Vec<(&'static str, String)> {
    let lines = match kind {
        Kind::ConfigMap => vec![("data", config_map(object))],
        Kind::NetworkPolicy => network_policy(object),
        Kind::Service => vec![("ports", service(object))],
        Kind::Deployment => deployment(object),
        Kind::PodDisruptionBudget => vec![("budget", budget(object))],
        Kind::HorizontalPodAutoscaler => vec![("scales", autoscaler(object))],
        Kind::Namespace | Kind::ServiceAccount => Vec::new(),
    };
    let has_words = |line: &(&'static str, String)| !line.1.is_empty();
    lines.into_iter().filter(has_words).collect()
}

fn config_map(object: &Value) -> String {
    let data = object["data"].as_object().into_iter().flatten();
    let files = data.map(
        |(name, text)| match text.as_str().unwrap_or_default().trim() {
            "" => format!("{name} is empty: the server uses its defaults"),
            text => format!("{name}: {}", text.lines().collect::<Vec<_>>().join("; ")),
        },
    );
    join(files, ", ")
}

fn network_policy(object: &Value) -> Vec<(&'static str, String)> {
    let types = items(&object["spec"]["policyTypes"]);
    let has = |direction: &str| types.contains(&&Value::from(direction));
    let ports = items(&object["spec"]["ingress"])
        .into_iter()
        .flat_map(|rule| items(&rule["ports"]));
    let ports = join(
        ports.map(|port| format!("{}/{}", scalar(&port["port"]), scalar(&port["protocol"]))),
        ", ",
    );
    let sources = items(&object["spec"]["ingress"])
        .into_iter()
        .flat_map(|rule| items(&rule["from"]));
    let sources = match sources.count() {
        0 => "from everywhere".to_owned(),
        count => format!("from {count} sources"),
    };
    let egress = match items(&object["spec"]["egress"]).len() {
        _ if !has("Egress") => String::new(),
        0 => "none".to_owned(),
        count => format!("{count} rules"),
    };
    vec![
        ("ingress", format!("{ports} {sources}")),
        ("egress", egress),
    ]
}

fn service(object: &Value) -> String {
    let spec = &object["spec"];
    let ports = items(&spec["ports"]).into_iter().map(|port| {
        format!(
            "{} {} → {}",
            scalar(&port["name"]),
            scalar(&port["port"]),
            scalar(&port["targetPort"])
        )
    });
    format!("{} ({})", join(ports, ", "), scalar(&spec["type"]))
}

fn budget(object: &Value) -> String {
    let spec = &object["spec"];
    let bounds = [
        ("minAvailable", "at least", "available"),
        ("maxUnavailable", "at most", "unavailable"),
    ];
    let bounds = bounds.into_iter().filter(|(key, ..)| !spec[key].is_null());
    let words = bounds.map(|(key, bound, state)| {
        format!(
            "{bound} {} {state} while nodes are drained",
            scalar(&spec[key])
        )
    });
    join(words, ", ")
}

/// The autoscaler in a sentence.
fn autoscaler(object: &Value) -> String {
    let spec = &object["spec"];
    let metrics = items(&spec["metrics"])
        .into_iter()
        .map(|metric| match metric["type"].as_str() {
            Some("Resource") => format!(
                "{} % {}",
                scalar(&metric["resource"]["target"]["averageUtilization"]),
                scalar(&metric["resource"]["name"])
            ),
            _ => format!(
                "{} {} per pod",
                scalar(&metric["pods"]["target"]["averageValue"]),
                scalar(&metric["pods"]["metric"]["name"])
            ),
        });
    format!(
        "{} to {} pods, so that each metric stays at its target: {}",
        scalar(&spec["minReplicas"]),
        scalar(&spec["maxReplicas"]),
        join(metrics, ", ")
    )
}

fn deployment(object: &Value) -> Vec<(&'static str, String)> {
    let spec = &object["spec"];
    let pod = &spec["template"]["spec"];
    let mut lines = vec![
        ("replicas", replicas(&spec["replicas"])),
        ("rollout", rollout(&spec["strategy"])),
    ];
    for container in items(&pod["containers"]) {
        lines.extend([
            ("image", scalar(&container["image"])),
            ("requests", amounts(&container["resources"]["requests"])),
            ("limits", amounts(&container["resources"]["limits"])),
            ("ports", container_ports(container)),
            ("startup", probe(&container["startupProbe"])),
            ("liveness", probe(&container["livenessProbe"])),
            ("readiness", probe(&container["readinessProbe"])),
            ("environment", environment(container)),
            ("volumes", volumes(container, &pod["volumes"])),
        ]);
    }
    lines.push(("security", security(pod)));
    lines
}

fn replicas(replicas: &Value) -> String {
    match replicas {
        Value::Null => "set by the autoscaler".to_owned(),
        replicas => scalar(replicas),
    }
}

fn rollout(strategy: &Value) -> String {
    let rolling = &strategy["rollingUpdate"];
    match strategy["type"].as_str() {
        Some("RollingUpdate") => format!(
            "rolling update, max surge {}, max unavailable {}",
            scalar(&rolling["maxSurge"]),
            scalar(&rolling["maxUnavailable"])
        ),
        other => other.unwrap_or_default().to_owned(),
    }
}

fn amounts(of: &Value) -> String {
    let of = of.as_object().into_iter().flatten();
    join(
        of.map(|(name, amount)| format!("{name} {}", scalar(amount))),
        ", ",
    )
}

fn container_ports(container: &Value) -> String {
    let ports = items(&container["ports"]).into_iter();
    let ports = ports.map(|port| {
        let protocol = port["protocol"].as_str().unwrap_or("TCP");
        format!(
            "{} {}/{protocol}",
            scalar(&port["name"]),
            scalar(&port["containerPort"])
        )
    });
    join(ports, ", ")
}

fn probe(probe: &Value) -> String {
    let number = |key: &str, default: u32| probe[key].as_u64().unwrap_or(default.into());
    let period = number("periodSeconds", PROBE_PERIOD);
    let failures = number("failureThreshold", PROBE_FAILURES);
    match probe["httpGet"]["path"].as_str() {
        Some(path) => format!(
            "{path} every {period} s, fails after {failures} tries ({} s)",
            period * failures
        ),
        None => String::new(),
    }
}

fn environment(container: &Value) -> String {
    let variables = items(&container["env"]).into_iter();
    let words = variables.map(|variable| {
        let name = scalar(&variable["name"]);
        match variable["valueFrom"]
            .as_object()
            .and_then(|from| from.keys().next())
        {
            Some(source) => format!(
                "{name} (from {})",
                source.trim_end_matches("Ref").trim_end_matches("Key")
            ),
            None => format!("{name}={}", scalar(&variable["value"])),
        }
    });
    join(words, ", ")
}

fn volumes(container: &Value, volumes: &Value) -> String {
    let volumes = items(volumes);
    let mounts = items(&container["volumeMounts"]).into_iter();
    let words = mounts.map(|mount| {
        let volume = volumes
            .iter()
            .find(|volume| volume["name"] == mount["name"]);
        let source = volume.map_or_else(String::new, |volume| volume_source(volume));
        let access = match mount["readOnly"].as_bool() {
            Some(true) => ", read-only",
            _ => "",
        };
        format!("{} ({source}{access})", scalar(&mount["mountPath"]))
    });
    join(words, ", ")
}

fn volume_source(volume: &Value) -> String {
    let named = |kind: &str, name: &Value| format!("{kind} {}", scalar(name));
    let found = [
        ("configMap", "ConfigMap", "name"),
        ("secret", "Secret", "secretName"),
        ("persistentVolumeClaim", "claim", "claimName"),
        ("hostPath", "host path", "path"),
    ];
    let found = found.into_iter().find(|(key, ..)| volume[key].is_object());
    match found {
        Some((key, kind, name)) => named(kind, &volume[key][name]),
        None => "emptyDir".to_owned(),
    }
}

fn security(pod: &Value) -> String {
    let contexts = items(&pod["containers"])
        .into_iter()
        .map(|container| &container["securityContext"]);
    let read_only = contexts
        .clone()
        .all(|context| context["readOnlyRootFilesystem"] == true);
    let user = pod["securityContext"]["runAsUser"]
        .as_u64()
        .map(|user| format!("user {user}"));
    let root = read_only.then(|| "read-only root file system".to_owned());
    join(user.into_iter().chain(root), ", ")
}

fn items(list: &Value) -> Vec<&Value> {
    list.as_array().into_iter().flatten().collect()
}

/// Nothing for a field that is not there.
fn scalar(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        value => written(value),
    }
}

fn join(words: impl Iterator<Item = String>, between: &str) -> String {
    words.collect::<Vec<_>>().join(between)
}
