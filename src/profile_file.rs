//! Profiles as files.

use std::io;
use std::path::{Path, PathBuf};

use miette::Diagnostic;

use crate::profile::Profile;
use crate::{atomic, bounded};

/// Why a file is no profile.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum Unreadable {
    /// It is there and cannot be read.
    #[error("cannot read the profile {}", file.display())]
    #[diagnostic(help("make it readable, or delete it and measure again: `uninlu rehearse`"))]
    Io {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is something else.
    #[error("{} is not a valid profile: {reason}", file.display())]
    #[diagnostic(help("measure again: `uninlu rehearse` writes it"))]
    Malformed {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

/// Reads a profile; `None` when there is no such file.
///
/// # Errors
/// [`Unreadable`], also for another version.
pub fn read(path: &Path) -> Result<Option<Profile>, Unreadable> {
    let file = path.to_owned();
    match bounded::read_text(path) {
        Ok(text) => match Profile::parse(&text) {
            Ok(profile) => Ok(Some(profile)),
            Err(reason) => Err(Unreadable::Malformed { file, reason }),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Unreadable::Io { file, source }),
    }
}

/// The file cannot be written.
#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("cannot write the profile {}", file.display())]
#[diagnostic(help("`--out FILE` writes it elsewhere"))]
pub struct Unwritable {
    /// The file.
    pub file: PathBuf,
    /// Why.
    pub source: io::Error,
}

/// Writes it whole or not at all.
///
/// # Errors
/// [`Unwritable`]; what was there before stays.
pub fn write(profile: &Profile, file: &Path) -> Result<(), Unwritable> {
    atomic::write(file, &profile.text()).map_err(|source| Unwritable {
        file: file.to_owned(),
        source,
    })
}
