//! What a plan shows of a Deployment that is created.

use serde_json::Value;

use super::pod::{PROBE_FAILURES, PROBE_PERIOD};
use super::summary::{Line, amounts, items, join, scalar};

pub(super) fn lines(object: &Value) -> Vec<Line> {
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

fn container_ports(container: &Value) -> String {
    let ports = items(&container["ports"]);
    let ports = ports.map(|port| {
        let protocol = port["protocol"].as_str().unwrap_or("TCP");
        format!(
            "{} {}/{protocol}",
            scalar(&port["name"]),
            scalar(&port["containerPort"])
        )
    });
    join(ports)
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
    let variables = items(&container["env"]);
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
    join(words)
}

fn volumes(container: &Value, volumes: &Value) -> String {
    let mounts = items(&container["volumeMounts"]);
    let words = mounts.map(|mount| {
        let volume = items(volumes).find(|volume| volume["name"] == mount["name"]);
        let source = volume.map_or_else(String::new, volume_source);
        let access = match mount["readOnly"].as_bool() {
            Some(true) => ", read-only",
            _ => "",
        };
        format!("{} ({source}{access})", scalar(&mount["mountPath"]))
    });
    join(words)
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
    let read_only = items(&pod["containers"])
        .all(|container| container["securityContext"]["readOnlyRootFilesystem"] == true);
    let user = pod["securityContext"]["runAsUser"]
        .as_u64()
        .map(|user| format!("user {user}"));
    let root = read_only.then(|| "read-only root file system".to_owned());
    join(user.into_iter().chain(root))
}
