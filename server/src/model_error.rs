//! Why a model folder cannot be served.

use std::path::Path;

/// Why a model folder cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// A file is missing or cannot be read.
    #[error(
        "{file}: {source}; fix: set UNINLU_MODEL to a folder with config.json, vocab.txt and weights that uid 1001 may read"
    )]
    Unreadable {
        /// The file.
        file: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file is not what it should be.
    #[error("{file}: {reason}")]
    Malformed {
        /// The file.
        file: String,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// Tensors are missing or have another shape.
    #[error("{file}: the weights do not match config.json: {}", problems.join("; "))]
    Tensors {
        /// The file.
        file: String,
        /// What is wrong with each.
        problems: Vec<String>,
    },
    /// The kernel would kill the process while it loads.
    #[error(
        "the model needs at least {needed_mib} MiB of memory, but the limit is {granted_mib} MiB; fix: raise [resources] memory.limit"
    )]
    Memory {
        /// At least, in mebibytes.
        needed_mib: u64,
        /// The control group's bound, in mebibytes.
        granted_mib: u64,
    },
    /// The precision asked for is not for this machine, or not for this model.
    #[error("{0}")]
    Precision(String),
    /// The first predictions failed.
    #[error("the warm-up failed: {0}")]
    Warmup(String),
    /// The network computed something else than numbers.
    #[error(
        "the model's scores are not finite numbers: the weights are damaged, or the precision is too low; fix: download the weights again, or set --precision fp32"
    )]
    NotFinite,
    /// libtorch refused. Its words go on with a stack of the machine that built it: only the first line is of use.
    #[error("libtorch: {}", .0.to_string().lines().next().unwrap_or_default())]
    Torch(#[from] tch::TchError),
}

impl ModelError {
    pub(crate) fn unreadable(file: &Path, source: std::io::Error) -> Self {
        Self::Unreadable {
            file: file.display().to_string(),
            source,
        }
    }

    pub(crate) fn malformed(file: &Path, reason: impl ToString) -> Self {
        Self::Malformed {
            file: file.display().to_string(),
            reason: reason.to_string(),
        }
    }
}
