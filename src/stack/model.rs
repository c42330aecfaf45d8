//! `[model]`: the model folder and how the pods get it.

use std::ops::Range;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;

use super::at::At;
use super::fault::Faults;

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
            .map_or("/app/model", |mount| &mount.value)
            .to_owned();
        if let Some(at) = &self.mount {
            let is_own_folder = mount.starts_with('/')
                && mount.len() > 1
                && !mount.split('/').any(|part| part == "..");
            faults.check(
                is_own_folder,
                &at.span,
                "`mount` is no absolute folder",
                "write a path such as `/app/model`",
            );
        }
        let Some(source) = self.source else {
            faults.add(
                section,
                "the stack does not say where the model comes from: `[model] source` is missing",
                SOURCE_HELP,
            );
            return None;
        };
        Some(Model {
            source: source.value.validate(&source.span, folder, faults)?,
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
            (Some(claim), None, None) => Some(ModelSource::Pvc {
                claim: claim.value,
                path,
            }),
            (None, Some(directory), None) => Some(ModelSource::Image {
                directory: folder.join(directory.value),
            }),
            (None, None, Some(host)) => {
                faults.check(
                    host.value.starts_with('/'),
                    &host.span,
                    "`host-path` is no absolute path on the node",
                    "write a path such as `/srv/models/siamese-uninlu`",
                );
                Some(ModelSource::HostPath { path: host.value })
            }
            _ => {
                faults.add(span, "the model comes from exactly one place", SOURCE_HELP);
                None
            }
        }
    }
}
