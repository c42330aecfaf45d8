//! Whether settings and model reach the pods as they are meant to.

use serde_json::Value;
use uninlu_helm_template::yaml::step;
use uninlu_text::words::human_bytes;

use super::fields::Fields;
use super::{Access, Check, Objects, Pod, Rule, Spot, Subject, Verdict};

pub(super) const RULES: [Rule; 5] = [
    Rule {
        id: "settings-sub-path",
        aliases: &["sub-path-config-map"],
        title: "hot settings reach running pods",
        why: "the kubelet never updates a ConfigMap that is mounted with `subPath`: pods keep the settings that they started with",
        fix: "mount the ConfigMap as a folder; the server watches it",
        keys: &["server"],
        checks: &[Check::Pod(sub_path)],
        ..Rule::ERROR
    },
    Rule {
        id: "checksum-annotation",
        title: "a change of the settings restarts no pod",
        why: "each change of the configuration changes the pods' template, so a rolling update restarts all pods and each loads the model again",
        fix: "leave it out: the stack's hot settings (`[server]`) reach running pods without a restart",
        keys: &["server"],
        checks: &[Check::Objects(checksum)],
        ..Rule::WARNING
    },
    Rule {
        id: "config-map-size",
        aliases: &["config-map-too-large"],
        title: "no ConfigMap or Secret is too large",
        why: "a ConfigMap or Secret holds 1 MiB: the API server refuses a larger one, and a model never fits in one",
        fix: "bring the model by `[model] source`: a claim, an image layer or a host path; put other large files on a volume or into the image",
        keys: &["server", "model.source"],
        checks: &[Check::Objects(config_map_size)],
        ..Rule::ERROR
    },
    Rule {
        id: "model-in-config-map",
        title: "the model does not come from a ConfigMap",
        why: "a ConfigMap holds 1 MiB at most, the model's weights are 390 MB: the API server refuses such an object, and without the weights the server does not start",
        fix: "put the model on a PersistentVolumeClaim (`[model] source = { pvc = … }`) or into the image (`{ image = … }`)",
        keys: &["model.source"],
        checks: &[Check::Pod(model_in_config_map)],
        ..Rule::ERROR
    },
    Rule {
        id: "model-unreadable",
        title: "the model can be read by the uid that the server runs as",
        why: "without its model the server ends at once: no pod becomes ready",
        fix: "`chmod -R a+rX` on the folder, or give it to that uid; in the place of a link that leads out of it, put the file",
        keys: &["model.source.host-path", "model.source"],
        checks: &[Check::Planned(model_unreadable)],
        ..Rule::ERROR
    },
];

/// The name of the ConfigMap of a volume, plain or projected.
fn config_map_of(volume: &Value) -> Option<&str> {
    let projected = volume["projected"]["sources"].as_array();
    let projected = projected.into_iter().flatten();
    let sources = [volume].into_iter().chain(projected);
    let mut maps = sources.map(|source| &source["configMap"]);
    let map = maps.find(|map| map.is_object())?;
    Some(map["name"].as_str().unwrap_or_default())
}

fn sub_path<'a>(pod: &Pod<'a>) -> Vec<Spot<'a>> {
    Spot::in_containers(pod, |at, _| {
        let mounts = pod.object.items(&format!("{at}/volumeMounts")).into_iter();
        mounts.filter_map(|(pointer, mount)| {
            let (_, volume) = pod.volume(mount["name"].as_str()?)?;
            let map = config_map_of(volume)?;
            let path = mount["mountPath"].as_str().unwrap_or_default();
            let is_part = mount["subPath"].is_string() || mount["subPathExpr"].is_string();
            let what = format!("has the ConfigMap `{map}` at {path} by `subPath`");
            is_part.then_some((pointer, what))
        })
    })
}

fn checksum<'a>(objects: &Objects<'a>) -> Vec<Spot<'a>> {
    let annotations = "/spec/template/metadata/annotations";
    let is_digest = |key: &&String| {
        let key = key.to_lowercase();
        key.contains("checksum") || key.contains("config-hash") || key.contains("confighash")
    };
    let entries = objects.deployment.entries(annotations);
    entries
        .keys()
        .filter(is_digest)
        .map(|key| {
            let what = format!("the annotation `{key}` is a digest of the configuration");
            Spot::at(objects.deployment, &step(annotations, key), what)
        })
        .collect()
}

/// etcd's limit, which the API server holds.
const LARGEST: usize = 1 << 20;

fn config_map_size<'a>(objects: &Objects<'a>) -> Vec<Spot<'a>> {
    let maps = objects.all.iter().copied();
    let maps = maps.filter(|object| matches!(object.kind(), "ConfigMap" | "Secret"));
    let large = maps.filter_map(|map| {
        let fields = ["/data", "/binaryData", "/stringData"];
        let sizes = fields.map(|data| map.entries(data).values().map(String::len).sum::<usize>());
        let size: usize = sizes.into_iter().sum();
        let what = format!("it holds {}", human_bytes(size as u64));
        (size > LARGEST).then(|| Spot::at(map, "/data", what))
    });
    large.collect()
}

fn model_in_config_map<'a>(pod: &Pod<'a>) -> Vec<Spot<'a>> {
    let spot = || {
        let (_, mount) = pod.model_mount()?;
        let (pointer, volume) = pod.volume(mount["name"].as_str()?)?;
        let what = format!(
            "the model's folder {} comes from the ConfigMap `{}`",
            mount["mountPath"].as_str().unwrap_or_default(),
            config_map_of(volume)?
        );
        Some(Spot::at(pod.object, &pointer, what))
    };
    spot().into_iter().collect()
}

fn model_unreadable(subject: &Subject) -> Verdict {
    let files = &subject.facts.model;
    if files.is_empty() {
        return Verdict::default();
    }
    let pod = subject.pod();
    let id = |key| {
        let id = pod.object.int(&pod.security(&pod.server, key))?;
        u64::try_from(id).ok()
    };
    let (Some(user), Some(group)) = (id("runAsUser"), id("runAsGroup")) else {
        return Verdict::unknown("the pods do not say as which user and group they run");
    };
    let obstacles = files.iter().filter_map(|file| {
        let access = file.access.as_ref().ok()?;
        let obstacle = obstacle(access, user, group)?;
        Some(format!("{} {obstacle}", file.path.display()))
    });
    let unknown = files.iter().find_map(|file| {
        let reason = file.access.as_ref().err()?;
        Some(format!("{}: {reason}", file.path.display()))
    });
    Verdict {
        unknown,
        ..obstacles.collect()
    }
}

/// Why a process of that user and group cannot use the file, or the folder.
fn obstacle(access: &Access, user: u64, group: u64) -> Option<String> {
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
