//! `[image]`: where the server's image comes from.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;

use super::Quantity;
use super::at::At;
use super::fault::Faults;

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

/// The server's image: what is built and pushed, or a reference with a digest
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawImage {
    /// Repository to push to, without a tag: the tag is the digest of the build's inputs
    repository: Option<At<String>>,
    /// An existing image by digest (`repository@sha256:…`) instead of a build
    reference: Option<At<String>>,
    /// Folder that is built, relative to this file (default ".")
    context: Option<At<String>>,
    /// Dockerfile, relative to the context (default "Dockerfile")
    dockerfile: Option<At<String>>,
    /// Stage to build (default `server`, or `server-with-model` when the model goes into the image)
    target: Option<At<String>>,
    /// Build arguments
    args: BTreeMap<String, String>,
    /// PEM files with further CA certificates for the build stages; never in the final image
    ca_certificates: Vec<At<String>>,
    /// Budget for the image's size, such as "300Mi"
    max_size: Option<At<Quantity>>,
    /// Names of existing Secrets with the registry's credentials
    pull_secrets: Vec<String>,
}

impl RawImage {
    pub(super) fn validate(
        self,
        section: &Range<usize>,
        folder: &Path,
        faults: &mut Faults,
    ) -> Option<Image> {
        match (&self.repository, &self.reference) {
            (Some(repository), Some(_)) => {
                faults.add(
                    &repository.span,
                    "`repository` (build) and `reference` (do not build) contradict each other",
                    "keep one of the two",
                );
                None
            }
            (None, None) => {
                faults.add(
                    section,
                    "the stack names no image",
                    "write `[image]` with `repository = \"registry/path\"` to build one, or `reference = \"…@sha256:…\"`",
                );
                None
            }
            (None, Some(reference)) => {
                check_reference(reference, faults);
                Some(Image::Reference {
                    reference: reference.value.clone(),
                    pull_secrets: self.pull_secrets,
                })
            }
            (Some(repository), None) => {
                check_repository(repository, faults);
                let repository = repository.value.clone();
                Some(Image::Build(self.build(repository, folder)))
            }
        }
    }

    fn build(self, repository: String, folder: &Path) -> Build {
        let text = |key: Option<At<String>>, default: &str| {
            key.map_or(default.to_owned(), |key| key.value)
        };
        Build {
            repository,
            context: folder.join(text(self.context, ".")),
            dockerfile: text(self.dockerfile, "Dockerfile").into(),
            target: self.target.map(|target| target.value),
            args: self.args,
            ca_certificates: self
                .ca_certificates
                .iter()
                .map(|file| folder.join(&file.value))
                .collect(),
            max_size: self.max_size.map(|size| size.value),
            pull_secrets: self.pull_secrets,
        }
    }
}

fn check_reference(reference: &At<String>, faults: &mut Faults) {
    let digest = reference
        .value
        .split_once("@sha256:")
        .map(|(_, digest)| digest);
    faults.check(
        digest.is_some_and(|digest| digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit())),
        &reference.span,
        "`reference` has no digest, so that it could mean another image tomorrow",
        "write `repository@sha256:` and 64 hexadecimal digits (`docker buildx imagetools inspect` tells them)",
    );
}

/// A repository: an optional host with a port, and lower-case path components; no tag, no digest.
fn check_repository(repository: &At<String>, faults: &mut Faults) {
    let path = repository.value.as_str();
    let last = path.rsplit('/').next().unwrap_or_default();
    faults.check(
        !path.contains('@') && !last.contains(':'),
        &repository.span,
        "`repository` carries a tag or a digest",
        "leave it out: the tag is the digest of the build's inputs, so that an unchanged context builds nothing",
    );
    let is_component = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|byte| {
                byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-:".contains(&byte)
            })
    };
    faults.check(
        path.split('/').enumerate().all(|(index, part)| is_component(part) || index == 0 && is_component(&part.to_lowercase())),
        &repository.span,
        "`repository` is no image repository",
        "lower-case letters, digits and `._-` between slashes, such as `registry.example.com/ai/siamese-uninlu`",
    );
}
