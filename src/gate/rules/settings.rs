//! Whether settings and model reach the pods as they are meant to.

use serde_json::Value;

use crate::gate::subject::name;
use crate::gate::{Rule, Severity, Subject, Verdict};
use crate::kinds::Kind;
use crate::ui::human_bytes;

pub(super) const RULES: [Rule; 2] = [
    Rule {
        id: "settings-sub-path",
        severity: Severity::Error,
        title: "hot settings reach running pods",
        why: "the kubelet never updates a ConfigMap that is mounted with `subPath`: pods keep the settings that they started with",
        mend: "mount the ConfigMap as a folder; the server watches it",
        keys: &["server"],
        check: settings_sub_path,
    },
    Rule {
        id: "config-map-size",
        severity: Severity::Error,
        title: "no ConfigMap is too large",
        why: "a ConfigMap holds 1 MiB; a model never fits in one",
        mend: "bring the model by `[model] source`: a claim, an image layer or a host path",
        keys: &["server", "model.source"],
        check: config_map_size,
    },
];

fn settings_sub_path(subject: &Subject) -> Verdict {
    let volumes = subject.pod()["volumes"].as_array();
    let is_config_map = |mount: &Value| {
        let mut volumes = volumes.into_iter().flatten();
        volumes.any(|volume| volume["name"] == mount["name"] && volume["configMap"].is_object())
    };
    let mut found = Vec::new();
    for container in subject.containers() {
        let mounts = container["volumeMounts"].as_array().into_iter().flatten();
        for mount in mounts.filter(|mount| mount["subPath"].is_string() && is_config_map(mount)) {
            let (name, path) = (
                name(container),
                mount["mountPath"].as_str().unwrap_or_default(),
            );
            found.push(format!(
                "container `{name}` has a ConfigMap at {path} by `subPath`"
            ));
        }
    }
    found.into_iter().collect()
}

/// etcd's limit, which the API server holds.
const LARGEST: usize = 1 << 20;

fn config_map_size(subject: &Subject) -> Verdict {
    let sizes = subject
        .objects
        .iter()
        .filter(|(id, _)| id.kind == Kind::ConfigMap)
        .map(|(id, body)| (id, size(&body["data"]) + size(&body["binaryData"])));
    sizes
        .filter(|(_, size)| *size > LARGEST)
        .map(|(id, size)| format!("{id} holds {}", human_bytes(size as u64)))
        .collect()
}

/// Bytes of a ConfigMap's values.
fn size(data: &Value) -> usize {
    let values = data.as_object().into_iter().flatten();
    values
        .filter_map(|(_, value)| Some(value.as_str()?.len()))
        .sum()
}
