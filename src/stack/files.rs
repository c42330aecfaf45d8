//! The file reads around [`super::parse`]: the only IO of this module.

use std::io;
use std::path::{Path, PathBuf};

use miette::Diagnostic;

use super::{Image, Invalid, ModelSource, Stack, parse};

/// Why a stack could not be loaded.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum LoadError {
    /// The file cannot be read.
    #[error("cannot read the stack file {}", file.display())]
    #[diagnostic(help(
        "`uninlu init` writes one; STACK names another file, or a folder that holds uninlu.toml"
    ))]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file has faults.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Invalid(#[from] Box<Invalid>),
    /// The file names something on this machine that is not there.
    #[error("{key} of {} names {}, {fault}", file.display(), path.display())]
    #[diagnostic(help("{help}"))]
    Missing {
        /// The stack file.
        file: PathBuf,
        /// The key, such as `[image] context`.
        key: &'static str,
        /// What it names.
        path: PathBuf,
        /// What is wrong with it.
        fault: &'static str,
        /// What to do.
        help: &'static str,
    },
}

/// Reads a stack file (or `uninlu.toml` in a folder) and its text.
///
/// # Errors
/// [`LoadError::Unreadable`]
pub fn read(path: &Path) -> Result<(PathBuf, String), LoadError> {
    let file = if path.is_dir() {
        path.join("uninlu.toml")
    } else {
        path.to_owned()
    };
    let unreadable = |source| LoadError::Unreadable {
        file: file.clone(),
        source,
    };
    let absolute = std::path::absolute(&file).map_err(unreadable)?;
    let text = std::fs::read_to_string(&absolute).map_err(unreadable)?;
    Ok((absolute, text))
}

/// Loads a stack file with one environment laid over it, and checks that what it names on this machine is there.
///
/// # Errors
/// See [`LoadError`]; an invalid file tells all its faults at once.
pub fn load(path: &Path, environment: Option<&str>) -> Result<Stack, LoadError> {
    let (file, text) = read(path)?;
    let stack = parse(&text, &file, environment)?;
    check_files(&stack)?;
    Ok(stack)
}

fn check_files(stack: &Stack) -> Result<(), LoadError> {
    let missing = |key, path: &Path, fault, help| LoadError::Missing {
        file: stack.file.clone(),
        key,
        path: path.to_owned(),
        fault,
        help,
    };
    if let Image::Build(build) = &stack.image {
        if !build.context.is_dir() {
            return Err(missing(
                "[image] context",
                &build.context,
                "which is no folder",
                "relative paths start at the stack file's folder",
            ));
        }
        let dockerfile = build.context.join(&build.dockerfile);
        if !dockerfile.is_file() {
            return Err(missing(
                "[image] dockerfile",
                &dockerfile,
                "which is no file",
                "the path is relative to `context`",
            ));
        }
        for certificate in &build.ca_certificates {
            if !certificate.is_file() {
                return Err(missing(
                    "[image] ca-certificates",
                    certificate,
                    "which is no file",
                    "name PEM files",
                ));
            }
        }
    }
    if let ModelSource::Image { directory } = &stack.model.source {
        for file in ["config.json", "vocab.txt"] {
            if !directory.join(file).is_file() {
                return Err(missing(
                    "[model] source",
                    &directory.join(file),
                    "which is not there",
                    "name the model folder as it is downloaded",
                ));
            }
        }
    }
    Ok(())
}
