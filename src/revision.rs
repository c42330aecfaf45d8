//! The git commit that a build or a stack file comes from, where there is one.

use std::path::Path;
use std::process::Command;

/// What git says about a folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Revision {
    /// `git rev-parse HEAD`
    pub(crate) commit: Option<String>,
    /// `git describe --tags --always --dirty`
    pub(crate) version: Option<String>,
}

/// Asks git. No git, or no repository, is no error: the image, or the release, then goes without.
pub(crate) fn of(folder: &Path) -> Revision {
    Revision {
        commit: git(folder, &["rev-parse", "HEAD"]),
        version: version(folder),
    }
}

/// `git describe --tags --always --dirty`
pub(crate) fn version(folder: &Path) -> Option<String> {
    git(folder, &["describe", "--tags", "--always", "--dirty"])
}

fn git(folder: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new("git")
        .arg("-C")
        .arg(folder)
        .args(arguments)
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let text = text.trim();
    (output.status.success() && !text.is_empty()).then(|| text.to_owned())
}
