//! `[image]`: where the server's image comes from.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::Quantity;

/// The server's image.
#[derive(Debug, Clone, PartialEq)]
pub enum Image {
    /// Built here and pushed to a repository.
    Build(Build),
    /// Somebody else's build, by a reference with a digest.
    Reference {
        /// `repository@sha256:…`
        reference: String,
        /// Names of existing Secrets with the registry's credentials, for the kubelet.
        pull_secrets: Vec<String>,
    },
}

/// What is built, and where it goes.
#[derive(Debug, Clone, PartialEq)]
pub struct Build {
    /// Repository to push to, without a tag: the tag is the digest of the build's inputs.
    pub repository: String,
    /// Folder that is built, absolute.
    pub context: PathBuf,
    /// The Dockerfile, relative to the context.
    pub dockerfile: PathBuf,
    /// Stage to build; `None` means `server`, or `server-with-model` when the model goes into the image.
    pub target: Option<String>,
    /// Build arguments.
    pub args: BTreeMap<String, String>,
    /// PEM files with further CA certificates for the build stages, absolute. Never in the final image.
    pub ca_certificates: Vec<PathBuf>,
    /// Budget for the image's size, which the gate holds.
    pub max_size: Option<Quantity>,
    /// Names of existing Secrets with the registry's credentials, for the kubelet.
    pub pull_secrets: Vec<String>,
}

impl Image {
    /// Names of the Secrets with which the kubelet pulls.
    pub fn pull_secrets(&self) -> &[String] {
        match self {
            Image::Build(build) => &build.pull_secrets,
            Image::Reference { pull_secrets, .. } => pull_secrets,
        }
    }
}
