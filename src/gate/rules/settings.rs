//! Whether settings and model reach the pods as they are meant to.

use serde_json::Value;

use super::security::setting;
use crate::gate::subject::name;
use crate::gate::{Access, Rule, Severity, Subject, Verdict};
use crate::kinds::Kind;
use crate::ui::human_bytes;

pub(super) const RULES: [Rule; 3] = [
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
    Rule {
        id: "model-unreadable",
        severity: Severity::Error,
        title: "the model can be read by the uid that the server runs as",
        why: "without its model the server ends at once: no pod becomes ready",
        mend: "`chmod -R a+rX` on the folder, or give it to that uid; in the place of a link that leads out of it, put the file",
        keys: &["model.source.host-path", "model.source"],
        check: model_unreadable,
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

fn model_unreadable(subject: &Subject) -> Verdict {
    let files = &subject.facts.model;
    if files.is_empty() {
        return Verdict::default();
    }
    let id = |key| setting(subject.pod(), subject.server(), key).as_u64();
    let (Some(user), Some(group)) = (id("runAsUser"), id("runAsGroup")) else {
        return Verdict::unknown("the pods do not say as which user and group they run");
    };
    let faults = files.iter().filter_map(|file| {
        let access = file.access.as_ref().ok()?;
        let fault = fault(access, user, group)?;
        Some(format!("{} {fault}", file.path.display()))
    });
    let unknown = files.iter().find_map(|file| {
        let reason = file.access.as_ref().err()?;
        Some(format!("{}: {reason}", file.path.display()))
    });
    Verdict {
        unknown,
        ..faults.collect()
    }
}

/// Why a process of that user and group cannot use the file, or the folder.
fn fault(access: &Access, user: u64, group: u64) -> Option<String> {
    if access.leads_out {
        return Some("is a link to what is outside of the folder, which pods do not see".into());
    }
    let (bit, verb) = match access.is_folder {
        true => (0o1, "entered"),
        false => (0o4, "read"),
    };
    // As the kernel has it, the first that fits decides alone: an owner gets nothing by what others may.
    let shift = if u64::from(access.owner) == user {
        6
    } else if u64::from(access.group) == group {
        3
    } else {
        0
    };
    (access.mode >> shift & bit == 0).then(|| {
        let Access {
            owner, group, mode, ..
        } = access;
        format!(
            "cannot be {verb} by uid {user}: it belongs to {owner}:{group}, with mode {mode:04o}"
        )
    })
}
