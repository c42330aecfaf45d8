//! `[image]`: where the server's image comes from.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Component, Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;

use super::Quantity;
use super::at::{At, entries};
use super::fault::{Faults, Need};
use super::names;

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
    /// What is built.
    pub context: Context,
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

/// What an image is built from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Context {
    /// The server's sources that the tool carries.
    Carried,
    /// A folder of one's own.
    Folder {
        /// The folder, absolute.
        folder: PathBuf,
        /// The Dockerfile, relative to the folder.
        dockerfile: PathBuf,
    },
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
#[schemars(rename = "Image")]
pub(super) struct RawImage {
    /// Repository to push to, without a tag: the tag is the digest of the build's inputs
    repository: Option<At<String>>,
    /// An existing image by digest (`repository@sha256:…`) instead of a build
    reference: Option<At<String>>,
    /// A folder of your own to build, relative to this file (default: the server's sources that the tool carries)
    context: Option<At<String>>,
    /// Dockerfile of that folder, relative to it (default "Dockerfile")
    dockerfile: Option<At<String>>,
    /// Stage to build (default `server`, or `server-with-model` when the model goes into the image)
    target: Option<At<String>>,
    /// Build arguments
    args: BTreeMap<String, At<String>>,
    /// PEM files with further CA certificates for the build stages; never in the final image
    ca_certificates: Vec<At<String>>,
    /// Budget for the image's size, such as "300Mi"
    max_size: Option<At<Quantity>>,
    /// Names of existing Secrets with the registry's credentials
    pull_secrets: Vec<At<String>>,
}

/// The keys that say what is built, and mean nothing beside `reference`.
pub(super) const BUILD_KEYS: &[&str] = &[
    "repository",
    "context",
    "dockerfile",
    "target",
    "args",
    "ca-certificates",
    "max-size",
];

impl RawImage {
    pub(super) fn validate(
        self,
        section: &Range<usize>,
        folder: &Path,
        faults: &mut Faults,
    ) -> Option<Image> {
        let pull_secrets = validate_secrets(&self.pull_secrets, faults);
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
                faults.add_missing(
                    "image.repository",
                    section,
                    "the stack names no image",
                    "write `[image]` with `repository = \"registry/path\"` to build one, or `reference = \"…@sha256:…\"`",
                );
                None
            }
            (None, Some(reference)) => {
                check_reference(reference, faults);
                self.refuse_build_keys(faults);
                Some(Image::Reference {
                    reference: reference.value.clone(),
                    pull_secrets,
                })
            }
            (Some(repository), None) => {
                check_repository(repository, faults);
                let repository = repository.value.clone();
                Some(Image::Build(self.build(
                    repository,
                    folder,
                    pull_secrets,
                    faults,
                )))
            }
        }
    }

    fn refuse_build_keys(&self, faults: &mut Faults) {
        let first_certificate = self.ca_certificates.first();
        let typed = [
            ("context", self.context.as_ref().map(|at| &at.span)),
            ("dockerfile", self.dockerfile.as_ref().map(|at| &at.span)),
            ("target", self.target.as_ref().map(|at| &at.span)),
            ("args", self.args.values().next().map(|at| &at.span)),
            ("ca-certificates", first_certificate.map(|at| &at.span)),
            ("max-size", self.max_size.as_ref().map(|at| &at.span)),
        ];
        for (key, span) in typed {
            let Some(span) = span else { continue };
            faults.add(
                span,
                format!("`{key}` has no effect beside `reference`: nothing is built"),
                "remove it, or write `repository` instead of `reference`",
            );
        }
    }

    fn build(
        self,
        repository: String,
        folder: &Path,
        pull_secrets: Vec<String>,
        faults: &mut Faults,
    ) -> Build {
        Build {
            repository,
            context: self.context(folder, faults),
            target: self.target.map(|target| target.value),
            args: entries(self.args),
            ca_certificates: validate_certificates(&self.ca_certificates, folder, faults),
            max_size: self.max_size.map(|size| size.value),
            pull_secrets,
        }
    }

    fn context(&self, folder: &Path, faults: &mut Faults) -> Context {
        let Some(context) = &self.context else {
            if let Some(dockerfile) = &self.dockerfile {
                faults.add(
                    &dockerfile.span,
                    "`dockerfile` has no effect without `context`: the tool builds the server's sources that it carries",
                    "write `context = \".\"` to build this file's folder, or remove `dockerfile`",
                );
            }
            return Context::Carried;
        };
        let folder = folder.join(&context.value);
        faults.need(
            Need::Folder(folder.clone()),
            &context.span,
            format!(
                "`context` names {}, which is not a folder",
                folder.display()
            ),
            "name the folder to build, relative to the stack file's folder; without `context` the server's sources that the tool carries are built",
        );
        let (dockerfile, span) = match &self.dockerfile {
            Some(at) => (PathBuf::from(&at.value), &at.span),
            None => (PathBuf::from("Dockerfile"), &context.span),
        };
        if check_inside(&dockerfile, span, faults) {
            let path = folder.join(&dockerfile);
            faults.need(
                Need::AnyFile(vec![path.clone()]),
                span,
                format!("there is no Dockerfile at {}", path.display()),
                "name it by `dockerfile`, relative to `context`; without both the server's sources that the tool carries are built",
            );
        }
        Context::Folder { folder, dockerfile }
    }
}

fn check_inside(dockerfile: &Path, span: &Range<usize>, faults: &mut Faults) -> bool {
    let climbs = dockerfile
        .components()
        .any(|part| part == Component::ParentDir);
    faults.check(
        dockerfile.is_relative() && !climbs,
        span,
        "`dockerfile` leaves the context, and the engine sees nothing outside of it",
        "write a path inside the folder that `context` names",
    )
}

fn validate_certificates(files: &[At<String>], folder: &Path, faults: &mut Faults) -> Vec<PathBuf> {
    let mut certificates = Vec::new();
    for at in files {
        let certificate = folder.join(&at.value);
        faults.need(
            Need::AnyFile(vec![certificate.clone()]),
            &at.span,
            format!("there is no certificate at {}", certificate.display()),
            "name a PEM file; a relative path starts at the stack file's folder",
        );
        certificates.push(certificate);
    }
    certificates
}

fn validate_secrets(names: &[At<String>], faults: &mut Faults) -> Vec<String> {
    for at in names {
        names::check_subdomain(at, "Secret", faults);
    }
    names.iter().map(|at| at.value.clone()).collect()
}

fn check_reference(reference: &At<String>, faults: &mut Faults) {
    faults.check(
        is_pinned(&reference.value),
        &reference.span,
        "`reference` is not an image by digest; a tag can point to another image tomorrow",
        "write `repository@sha256:` and 64 hexadecimal digits (`docker buildx imagetools inspect` prints them)",
    );
}

fn check_repository(repository: &At<String>, faults: &mut Faults) {
    let last = repository.value.rsplit('/').next().unwrap_or_default();
    let is_bare = faults.check(
        !last.contains([':', '@']),
        &repository.span,
        "`repository` carries a tag or a digest",
        "leave it out: the tag is the digest of the build's inputs, so that an unchanged context builds nothing",
    );
    if !is_bare {
        return;
    }
    faults.check(
        is_repository(&repository.value),
        &repository.span,
        format!("`{}` is not an image repository", repository.value),
        "lower-case letters, digits and `._-` between slashes, such as `registry.example.com/ai/siamese-uninlu`",
    );
}

/// Whether the text is `repository@sha256:…`, with or without a tag between.
fn is_pinned(reference: &str) -> bool {
    let Some((named, digest)) = reference.split_once('@') else {
        return false;
    };
    let hexadecimal = digest.strip_prefix("sha256:").unwrap_or_default();
    let is_digest = hexadecimal.len() == 64
        && hexadecimal
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let repository = match named.rsplit_once(':') {
        Some((repository, tag)) if is_tag(tag) => repository,
        _ => named,
    };
    is_digest && is_repository(repository)
}

/// Whether the text is a repository, as the distribution's reference grammar has it: `[host[:port]/]path`.
///
/// oci-client's own parser compiles a regular expression for this, which took 28 of a plan's 42 ms; a test holds both
/// to the same answers.
fn is_repository(text: &str) -> bool {
    let (host, path) = match text.split_once('/') {
        Some((first, rest)) if is_host(first) => (Some(first), rest),
        _ => (None, text),
    };
    text.len() <= LONGEST_REPOSITORY
        && host.is_none_or(is_valid_host)
        && path.split('/').all(is_component)
}

const LONGEST_REPOSITORY: usize = 255;

/// Only a host has a dot, a port, or a capital letter.
fn is_host(first: &str) -> bool {
    first == "localhost"
        || first.contains(['.', ':'])
        || first.contains(|c: char| c.is_ascii_uppercase())
}

fn is_valid_host(host: &str) -> bool {
    let (name, port) = host.split_once(':').unwrap_or((host, "0"));
    let is_label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    name.split('.').all(is_label)
        && !port.is_empty()
        && port.bytes().all(|byte| byte.is_ascii_digit())
}

/// Small letters and digits, with `.`, `_`, `__` or dashes between.
fn is_component(component: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let has_ends = component.bytes().next().is_some_and(is_word)
        && component.bytes().last().is_some_and(is_word);
    let separators = component.split(|c: char| u8::try_from(c).is_ok_and(is_word));
    has_ends
        && separators
            .filter(|separator| !separator.is_empty())
            .all(|separator| {
                matches!(separator, "." | "_" | "__") || separator.bytes().all(|byte| byte == b'-')
            })
}

fn is_tag(tag: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    tag.len() <= 128
        && tag.bytes().next().is_some_and(is_word)
        && tag
            .bytes()
            .all(|byte| is_word(byte) || matches!(byte, b'.' | b'-'))
}

#[cfg(test)]
mod tests {
    use oci_spec::distribution::Reference;

    use super::*;

    const DIGEST: &str = "@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    /// Parts that make good and bad references, put together in every way.
    const PARTS: [&str; 25] = [
        "",
        "a",
        "A",
        "-",
        ".",
        "..",
        "_",
        "__",
        "___",
        "--",
        "a-b",
        "a.b",
        "a_b",
        "a__b",
        "a---b",
        "a..b",
        "a.-b",
        "localhost",
        "example.com",
        "example.com:5000",
        "localhost:",
        "-a.com",
        "[::1]:5000",
        "ä",
        "UP.example.com",
    ];

    #[test]
    fn repositories_are_those_of_the_library() {
        let mut compared = 0;
        for first in PARTS {
            for second in PARTS {
                for third in PARTS {
                    let text = [first, second, third]
                        .into_iter()
                        .filter(|part| !part.is_empty())
                        .collect::<Vec<_>>()
                        .join("/");
                    // A tag is another rule's matter, and an address in brackets is no name of a registry here.
                    let last = text.rsplit('/').next().unwrap_or_default();
                    if last.contains(':') || text.contains('[') {
                        continue;
                    }
                    let library = text.parse::<Reference>().is_ok();
                    assert_eq!(is_repository(&text), library, "{text}");
                    compared += 1;
                }
            }
        }
        assert!(compared > 5_000, "{compared}");
    }

    #[test]
    fn pinned_references_are_those_of_the_library() {
        for repository in ["a", "example.com/a", "localhost:5000/a/b", "A/b", "a//b"] {
            for tag in ["", ":1", ":v1.0-rc_1", ":", ":-1", ":a b"] {
                for digest in [
                    DIGEST,
                    "",
                    "@sha256:0123",
                    "@md5:0123456789abcdef0123456789abcdef",
                    &DIGEST.to_uppercase(),
                ] {
                    let text = format!("{repository}{tag}{digest}");
                    let library = text
                        .parse::<Reference>()
                        .is_ok_and(|parsed| parsed.digest().is_some());
                    assert_eq!(is_pinned(&text), library, "{text}");
                }
            }
        }
    }
}
