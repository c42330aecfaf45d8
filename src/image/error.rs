//! What can go wrong between the files, the engine and the registry: each with its place and its mend.

use std::io;
use std::path::{Path, PathBuf};

use miette::Diagnostic;
use thiserror::Error;

use super::ignore::BadPattern;

/// An error of the image's way into the registry.
#[derive(Debug, Error, Diagnostic)]
#[non_exhaustive]
pub enum Error {
    /// The stack names an image by reference, so there are no inputs.
    #[error("the stack does not build its image: [image] names {reference}")]
    #[diagnostic(help("write `[image] repository = \"…\"` instead of `reference` to build one"))]
    NotBuilt {
        /// The reference of the stack file.
        reference: String,
    },

    /// A file or folder of the context cannot be read.
    #[error("cannot read {}", path.display())]
    #[diagnostic(help("{}", unreadable_help(source)))]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },

    /// Links whose targets are no part of what is sent.
    #[error("links lead out of {}: {links}", folder.display())]
    #[diagnostic(help("{help}"))]
    LeadsOut {
        /// The folder that they leave.
        folder: PathBuf,
        /// All of them, and where they lead.
        links: String,
        /// What to do.
        help: &'static str,
    },

    /// Files for a container cannot be written.
    #[error("cannot write below {}", folder.display())]
    #[diagnostic(help("free some space, or let TMPDIR name another folder"))]
    Unwritable {
        /// The folder for temporary files.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },

    /// A name that an archive for every platform cannot carry.
    #[error("the name {} is not UTF-8", path.display())]
    #[diagnostic(help("rename it, or keep its folder out of the context with .dockerignore"))]
    NotUtf8 {
        /// Which.
        path: PathBuf,
    },

    /// There is no Dockerfile where the stack file says.
    #[error("there is no Dockerfile at {}", path.display())]
    #[diagnostic(help(
        "`[image] dockerfile` is a path below `[image] context`; the context starts at the stack file's folder"
    ))]
    NoDockerfile {
        /// Where it was looked for.
        path: PathBuf,
    },

    /// The model folder is no model.
    #[error("the model folder {} has no {missing}", path.display())]
    #[diagnostic(help(
        "`[model] source = {{ image = \"DIR\" }}` names the folder as it is downloaded: config.json, vocab.txt, and model.safetensors or pytorch_model.bin"
    ))]
    NoModel {
        /// The folder.
        path: PathBuf,
        /// What it lacks.
        missing: String,
    },

    /// A file of `ca-certificates` holds no certificate.
    #[error("{} holds no PEM certificate", path.display())]
    #[diagnostic(help(
        "`[image] ca-certificates` lists PEM files (`-----BEGIN CERTIFICATE-----`); \
        `openssl x509 -inform der -in FILE -out FILE.pem` makes one of a DER file"
    ))]
    NoCertificate {
        /// Which.
        path: PathBuf,
    },

    /// A line of `.dockerignore` is no pattern.
    #[error("{}:{}: `{}` is not a valid pattern: {}", path.display(), bad.line, bad.pattern, bad.fault)]
    #[diagnostic(help(
        "put a backslash before a character that is meant literally, or remove the line"
    ))]
    BadIgnore {
        /// The file.
        path: PathBuf,
        /// The line and its fault.
        bad: BadPattern,
    },

    /// A file is not what was hashed a moment ago.
    #[error("{} changed while the image was being built", path.display())]
    #[diagnostic(help("run the command again when nothing writes to the context any more"))]
    Changed {
        /// Which.
        path: PathBuf,
    },

    /// No engine answers.
    #[error("no Docker engine answers at {endpoint}: {cause}")]
    #[diagnostic(help("{help}"))]
    NoEngine {
        /// `DOCKER_HOST` or the default socket.
        endpoint: String,
        /// The cause at the bottom of the chain.
        cause: String,
        /// The mend.
        help: String,
    },

    /// The engine refused something.
    #[error("the Docker engine failed to {task}: {cause}")]
    #[diagnostic(help("{help}"))]
    Engine {
        /// What was asked for.
        task: String,
        /// The engine's words.
        cause: String,
        /// The mend.
        help: String,
    },

    /// A step of the Dockerfile failed. Its log was printed.
    #[error("the build failed at `{step}`: {cause}")]
    #[diagnostic(help("{help}"))]
    Build {
        /// The step's name.
        step: String,
        /// The builder's words.
        cause: String,
        /// The mend.
        help: String,
    },

    /// The Docker configuration has a credential that cannot be read.
    #[error("cannot get the credential for the registry {registry}: {cause}")]
    #[diagnostic(help(
        "`docker login {registry}` writes it anew; DOCKER_CONFIG names another folder than ~/.docker"
    ))]
    Credential {
        /// The registry's host.
        registry: String,
        /// Why.
        cause: String,
    },

    /// The repository is no image reference.
    #[error("`{reference}` is not an image reference: {cause}")]
    #[diagnostic(help("`[image] repository` is `host/path`, lowercase, without a tag"))]
    BadReference {
        /// As written.
        reference: String,
        /// Why.
        cause: String,
    },

    /// Under our tag is another image: the tag is only the beginning of the digest, and anyone who may push can set it.
    #[error("{place} has another image under {reference}: {found}")]
    #[diagnostic(help("{help}"))]
    Foreign {
        /// `repository:tag`
        reference: String,
        /// `the registry`, `the Docker engine`
        place: &'static str,
        /// What its label says, beside the inputs' digest.
        found: String,
        /// The mend.
        help: String,
    },

    /// The stack writes settings that the image's server does not know.
    #[error("the server of {reference} does not know {settings}")]
    #[diagnostic(help(
        "nothing was changed. Remove the key, or take an image of a server that knows it; this one knows: {known}"
    ))]
    UnknownSettings {
        /// The image.
        reference: String,
        /// Each with its place: `[server] max-work (uninlu.toml:7)`.
        settings: String,
        /// What it knows.
        known: String,
    },

    /// The registry does not answer, or refuses.
    #[error("cannot ask the registry for {reference}: {cause}")]
    #[diagnostic(help("{help}"))]
    Registry {
        /// What was asked for.
        reference: String,
        /// The cause at the bottom of the chain.
        cause: String,
        /// The mend.
        help: String,
    },

    /// The push failed.
    #[error("cannot push {reference}: {cause}")]
    #[diagnostic(help("{help}"))]
    Push {
        /// What was pushed.
        reference: String,
        /// The engine's words.
        cause: String,
        /// The mend.
        help: String,
    },

    /// The push went through, but the registry does not have it.
    #[error("{reference} was pushed, but the registry does not have it")]
    #[diagnostic(help(
        "the Docker engine and this machine see different registries under that name: with a remote DOCKER_HOST, `localhost` is the engine's machine"
    ))]
    Vanished {
        /// What was pushed.
        reference: String,
    },
}

impl Error {
    pub(super) fn unreadable(path: &Path, source: io::Error) -> Self {
        Self::Unreadable {
            path: path.to_owned(),
            source,
        }
    }
}

fn unreadable_help(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::PermissionDenied => {
            "give this user the right to read it, or keep it out of the context with .dockerignore"
        }
        io::ErrorKind::NotFound => {
            "it does not exist: fix the path, or the link to it; if it was deleted just now, run the command again"
        }
        io::ErrorKind::StorageFull => "free some space on this machine",
        _ => "if the build does not need it, keep it out of the context with .dockerignore",
    }
}

/// The first `io::Error` of the chain, for its kind.
pub(super) fn io_kind(error: &(dyn std::error::Error + 'static)) -> Option<io::ErrorKind> {
    let mut next = Some(error);
    while let Some(current) = next {
        if let Some(io) = current.downcast_ref::<io::Error>() {
            return Some(io.kind());
        }
        next = current.source();
    }
    None
}
