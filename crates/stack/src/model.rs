//! `[model]`: the model folder and how the pods get it.

use std::ops::Range;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;
use uninlu_settings::variables::{DEFAULT_MODEL, SETTINGS_FOLDER};

use super::at::At;
use super::fault::{Faults, Need};
use super::names;

/// The model and its place in the container.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// Where the folder comes from.
    pub source: ModelSource,
    /// Where the container sees it (an absolute path).
    pub mount: String,
    /// Text predicted once before a pod is ready.
    pub warmup: Option<String>,
}

/// Where the model folder (config.json, vocab.txt, weights) comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum ModelSource {
    /// A folder on an existing PersistentVolumeClaim, mounted read-only.
    Pvc {
        /// Name of the claim, in the stack's namespace.
        claim: String,
        /// Folder on the volume; empty means its root.
        path: String,
    },
    /// A folder on this machine that becomes a layer of the image.
    Image {
        /// The folder, absolute.
        directory: PathBuf,
    },
    /// A folder on the node. Not accepted by the PodSecurity level `restricted`.
    HostPath {
        /// The folder on the node, absolute.
        path: String,
    },
}

/// The model folder (config.json, vocab.txt, weights) and its place in the container
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Model")]
pub(super) struct RawModel {
    /// `{ pvc = "CLAIM", path = "FOLDER" }`, `{ image = "DIR" }` or `{ host-path = "DIR" }`
    source: Option<At<RawSource>>,
    /// Where the container sees it (default "/app/model")
    mount: Option<At<String>>,
    /// Text predicted once before a pod is ready
    warmup: Option<At<String>>,
}

/// Where the model folder comes from: exactly one of `pvc`, `image`, `host-path`
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Source")]
struct RawSource {
    /// Name of an existing PersistentVolumeClaim
    pvc: Option<At<String>>,
    /// Folder on the claim's volume (default: its root)
    path: Option<At<String>>,
    /// Folder on this machine, relative to this file, that becomes a layer of the image
    image: Option<At<String>>,
    /// Absolute folder on the node; refused by the PodSecurity level `restricted`
    host_path: Option<At<String>>,
}

/// What a model folder holds; one file of each group, of the weights the first that is there. An index names shards.
pub const MODEL_FILES: [&[&str]; 3] = [
    &["config.json"],
    &["vocab.txt"],
    &[
        "model.safetensors",
        "model.safetensors.index.json",
        "pytorch_model.bin",
        "pytorch_model.bin.index.json",
    ],
];

const SOURCE_HELP: &str = "write one of `source = { pvc = \"CLAIM\", path = \"FOLDER\" }`, `{ image = \"DIR\" }`, `{ host-path = \"/DIR\" }`";

impl RawModel {
    pub(super) fn validate(
        self,
        section: &Range<usize>,
        folder: &Path,
        faults: &mut Faults,
    ) -> Option<Model> {
        let mount = self
            .mount
            .as_ref()
            .map_or(DEFAULT_MODEL, |mount| &mount.value)
            .to_owned();
        if let Some(at) = &self.mount {
            check_mount(at, faults);
        }
        let Some(source) = self.source else {
            faults.add_missing(
                "model.source",
                section,
                "the stack does not say where the model comes from: `[model] source` is missing",
                SOURCE_HELP,
            );
            return None;
        };
        let source = source.value.validate(&source.span, folder, faults)?;
        if let (ModelSource::Image { .. }, Some(at)) = (&source, &self.mount) {
            faults.check(
                at.value == DEFAULT_MODEL,
                &at.span,
                format!("a model in the image is always at {DEFAULT_MODEL}; nothing is mounted"),
                "remove `mount`",
            );
        }
        Some(Model {
            source,
            mount,
            warmup: self.warmup.map(|warmup| warmup.value),
        })
    }
}

impl RawSource {
    fn validate(
        self,
        span: &Range<usize>,
        folder: &Path,
        faults: &mut Faults,
    ) -> Option<ModelSource> {
        let path = self
            .path
            .as_ref()
            .map_or("", |path| &path.value)
            .trim_matches('/')
            .to_owned();
        if let (Some(at), None) = (&self.path, &self.pvc) {
            faults.add(
                &at.span,
                "`path` is a folder on a claim's volume, and no `pvc` is named",
                SOURCE_HELP,
            );
        }
        match (self.pvc, self.image, self.host_path) {
            (Some(claim), None, None) => {
                names::check_subdomain(&claim, "PersistentVolumeClaim", faults);
                check_path_on_volume(&self.path, faults);
                Some(ModelSource::Pvc {
                    claim: claim.value,
                    path,
                })
            }
            (None, Some(directory), None) => {
                let span = directory.span;
                let directory = folder.join(directory.value);
                need_model(&directory, &span, faults);
                Some(ModelSource::Image { directory })
            }
            (None, None, Some(host)) => {
                faults.check(
                    is_absolute(&host.value),
                    &host.span,
                    "`host-path` is not an absolute path on the node",
                    "write a path such as `/srv/models/siamese-uninlu`",
                );
                Some(ModelSource::HostPath { path: host.value })
            }
            (None, None, None) => {
                faults.add_missing(
                    "model.source",
                    span,
                    "the model comes from nowhere",
                    SOURCE_HELP,
                );
                None
            }
            _ => {
                faults.add(span, "the model comes from several places", SOURCE_HELP);
                None
            }
        }
    }
}

fn climbs(path: &str) -> bool {
    path.split('/').any(|part| part == "..")
}

/// Absolute, and without `..`, which Kubernetes refuses in every path of a volume.
fn is_absolute(path: &str) -> bool {
    path.starts_with('/') && !climbs(path)
}

/// Folders of the container that already have a meaning: a volume there would hide them, or be hidden.
const TAKEN: [&str; 4] = ["/", "/tmp", SETTINGS_FOLDER, "/run/secrets/uninlu"];

fn check_mount(at: &At<String>, faults: &mut Faults) {
    let mount = &at.value;
    faults.check(
        is_absolute(mount) && !mount.contains(':'),
        &at.span,
        format!("`{mount}` is not an absolute path"),
        "write a path such as `/app/model`, without `..` and `:`",
    );
    let folder = mount.trim_end_matches('/');
    let is_taken = |taken: &str| folder == taken.trim_end_matches('/');
    faults.check(
        !TAKEN.into_iter().any(is_taken),
        &at.span,
        format!("`{mount}` already has another meaning in the container"),
        "write a folder of its own, such as `/app/model`",
    );
}

fn check_path_on_volume(key: &Option<At<String>>, faults: &mut Faults) {
    if let Some(at) = key {
        faults.check(
            !climbs(&at.value),
            &at.span,
            "`path` climbs out of the volume by `..`, which Kubernetes refuses",
            "write the folder as it is called on the volume, or leave `path` out for its root",
        );
    }
}

fn need_model(directory: &Path, span: &Range<usize>, faults: &mut Faults) {
    let help = "name the model folder as it is downloaded; a relative path starts at the stack file's folder";
    let folder = directory.display();
    faults.need(
        Need::Folder(directory.to_owned()),
        span,
        format!("the model comes from {folder}, which is not a folder"),
        help,
    );
    for files in MODEL_FILES {
        faults.need(
            Need::AnyFile(files.iter().map(|file| directory.join(file)).collect()),
            span,
            format!(
                "{folder} is not a model folder: it has no {}",
                files.join(" and no ")
            ),
            help,
        );
    }
}
