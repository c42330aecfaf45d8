//! `[model]`: the model folder and how the pods get it.

use std::path::PathBuf;

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
