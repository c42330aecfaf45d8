//! The git commit that a build comes from, where there is one.

use std::path::Path;
use std::process::Command;

/// What git says about the context.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Revision {
    /// `git rev-parse HEAD`
    pub(super) commit: Option<String>,
    /// `git describe --tags --always --dirty`
    pub(super) version: Option<String>,
}

/// Asks git. No git, or no repository, is no error: the image then goes without.
pub(super) fn of(folder: &Path) -> Revision {
    Revision {
        commit: git(folder, &["rev-parse", "HEAD"]),
        version: git(folder, &["describe", "--tags", "--always", "--dirty"]),
    }
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
