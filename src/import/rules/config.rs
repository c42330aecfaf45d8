//! What is mounted from ConfigMaps.

use serde_json::Value;

use super::{Rule, Spot};
use crate::gate::Severity;
use crate::import::view::{POD, View};

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "model-in-config-map",
        severity: Severity::Error,
        why: "a ConfigMap holds 1 MiB at most, the model's weights are 390 MB: the API server refuses such an object, and without the weights the server does not start",
        mend: "put the model on a PersistentVolumeClaim (`[model] source = { pvc = … }`) or into the image (`{ image = … }`)",
        find: model_in_config_map,
    },
    Rule {
        id: "config-map-too-large",
        severity: Severity::Error,
        why: "a ConfigMap or Secret holds 1 MiB at most: the API server refuses it",
        mend: "put large files on a volume or into the image",
        find: too_large,
    },
    Rule {
        id: "sub-path-config-map",
        severity: Severity::Warning,
        why: "the kubelet never updates a file that is mounted by `subPath`: a running pod keeps what it started with, so a \"hot update\" changes nothing",
        mend: "mount the folder; the stack's `[server]` settings are such a folder, and the server reloads them",
        find: sub_path,
    },
    Rule {
        id: "checksum-annotation",
        severity: Severity::Warning,
        why: "each change of the configuration changes the pods' template, so all pods are replaced and each loads the model again",
        mend: "leave it out: the stack's hot settings (`[server]`) reach running pods without a restart",
        find: checksum,
    },
];

fn model_in_config_map(view: &View<'_>) -> Vec<Spot> {
    let Some((_, mount)) = view.model_mount() else {
        return Vec::new();
    };
    let name = mount["name"].as_str().unwrap_or_default();
    let Some((pointer, volume)) = view.volume(name) else {
        return Vec::new();
    };
    let Some(map) = config_map_of(volume) else {
        return Vec::new();
    };
    let what = format!(
        "the model's folder {} comes from the ConfigMap `{map}`",
        mount["mountPath"].as_str().unwrap_or_default()
    );
    vec![Spot::at(view.deployment, &pointer, what)]
}

/// The name of the ConfigMap of a volume, plain or projected.
fn config_map_of(volume: &Value) -> Option<String> {
    let projected = volume["projected"]["sources"]
        .as_array()
        .into_iter()
        .flatten();
    let mut names = [&volume["configMap"]["name"]]
        .into_iter()
        .chain(projected.map(|source| &source["configMap"]["name"]));
    names.find_map(|name| name.as_str().map(str::to_owned))
}

/// Bytes that a ConfigMap or Secret may hold.
const MOST_BYTES: usize = 1 << 20;

fn too_large(view: &View<'_>) -> Vec<Spot> {
    let maps = view
        .source
        .objects
        .iter()
        .filter(|object| matches!(object.kind(), "ConfigMap" | "Secret"));
    maps.filter_map(|map| {
        let sizes = ["/data", "/binaryData", "/stringData"]
            .map(|data| map.entries(data).values().map(String::len).sum::<usize>());
        let size: usize = sizes.into_iter().sum();
        (size > MOST_BYTES).then(|| Spot::at(map, "/data", format!("it holds {size} bytes")))
    })
    .collect()
}

fn sub_path(view: &View<'_>) -> Vec<Spot> {
    let mounts = view.mounts().into_iter();
    mounts
        .filter_map(|(pointer, mount)| {
            let path = mount["subPath"]
                .as_str()
                .or(mount["subPathExpr"].as_str())?;
            let (_, volume) = view.volume(mount["name"].as_str()?)?;
            let map = config_map_of(volume)?;
            let what = format!(
                "`{path}` of the ConfigMap `{map}` is mounted by `subPath` at {}",
                mount["mountPath"].as_str().unwrap_or_default()
            );
            Some(Spot::at(view.deployment, &pointer, what))
        })
        .collect()
}

fn checksum(view: &View<'_>) -> Vec<Spot> {
    let annotations = format!("{}/metadata/annotations", POD.trim_end_matches("/spec"));
    let entries = view.deployment.entries(&annotations);
    entries
        .keys()
        .filter(|key| {
            let key = key.to_lowercase();
            key.contains("checksum") || key.contains("config-hash") || key.contains("confighash")
        })
        .map(|key| {
            let pointer = crate::import::yaml::step(&annotations, key);
            Spot::at(
                view.deployment,
                &pointer,
                format!("the annotation `{key}` is a digest of the configuration"),
            )
        })
        .collect()
}
