//! Plans in files.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use miette::{Diagnostic, Result};

use crate::permissions;
use crate::plan::{Plan, file};
use crate::stack::{self, Source};

/// Why a plan's file cannot be read or written.
#[derive(Debug, thiserror::Error, Diagnostic)]
enum Error {
    #[error("cannot write the plan to {}: {reason}", file.display())]
    #[diagnostic(help("nothing was changed. Is there room, and may you write there?"))]
    Write {
        file: PathBuf,
        reason: std::io::Error,
    },
    #[error("{}: {source}", file.display())]
    #[diagnostic(forward(source))]
    Unreadable {
        file: PathBuf,
        source: file::Unreadable,
    },
}

/// What a file holds that may be applied.
pub(super) enum Given {
    /// A saved plan.
    Plan(Box<Plan>),
    /// A stack file.
    Stack(Arc<Source>),
}

/// Reads the file, once: it may be a pipe.
///
/// # Errors
/// A file that cannot be read; one that was a plan and is none any more.
pub(super) fn read(path: &Path) -> Result<Given> {
    let bytes = stack::read(path)?;
    if !is_plan(path, &bytes) {
        return Ok(Given::Stack(stack::source_of(path, bytes)?));
    }
    let plan = file::read(&String::from_utf8_lossy(&bytes));
    let plan = plan.map_err(|source| Error::Unreadable {
        file: path.to_owned(),
        source,
    })?;
    Ok(Given::Plan(Box::new(plan)))
}

/// TOML never begins with a brace. A plan whose first byte is damaged is still known by its name.
fn is_plan(path: &Path, text: &[u8]) -> bool {
    text.first() == Some(&b'{') || path.extension().is_some_and(|it| it == "json")
}

/// Writes the plan, readable by its owner alone, whole or not at all.
///
/// # Errors
/// A plan whose image is still open, and what the file system refuses.
pub(super) fn write(path: &Path, plan: &Plan) -> Result<()> {
    let text = file::write(plan)?;
    let failed = |reason| Error::Write {
        file: path.to_owned(),
        reason,
    };
    let draft = path.with_extension(format!("{}.part", std::process::id()));
    let written = write_new(&draft, &text).and_then(|()| fs::rename(&draft, path));
    if written.is_err() {
        // What is left of a full disk's file is of no use to anybody.
        let _ = fs::remove_file(&draft);
    }
    Ok(written.map_err(failed)?)
}

fn write_new(path: &Path, text: &str) -> std::io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => (),
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    let mut file = permissions::only_for_owner(&mut options).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
