//! Files that are whole or not there.

use std::io::{self, Write};
use std::path::Path;

use crate::permissions;

/// Writes beside the file first and then over it: a full disk leaves what was there, and nobody ever reads half of one.
///
/// # Errors
/// What the file system refuses, such as a folder that does not exist.
pub(crate) fn write(file: &Path, text: &str) -> io::Result<()> {
    let folder = match file.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    if let Some(permissions) = permissions::usual() {
        builder.permissions(permissions);
    }
    let mut temporary = builder.tempfile_in(folder)?;
    temporary.write_all(text.as_bytes())?;
    temporary.persist(file)?;
    Ok(())
}
