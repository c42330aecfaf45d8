//! Files that others wrote, read up to a bound: what a checkout calls `uninlu.toml` may lead to a device that never ends.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Bytes of a stack file, a plan or a profile at most: a hundred times what the largest of them has.
const BOUND: u64 = 16 << 20;

/// Reads the file once, from its beginning to its end: a pipe is as good as a file.
///
/// # Errors
/// What the file system refuses, and more than 16 MiB.
pub(crate) fn read(file: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(file)?.take(BOUND + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > BOUND {
        return Err(io::Error::other("it has more than 16 MiB"));
    }
    Ok(bytes)
}

/// As [`read`], of a text.
///
/// # Errors
/// Those of [`read`], and bytes that are no UTF-8.
pub(crate) fn read_text(file: &Path) -> io::Result<String> {
    text(read(file)?)
}

/// Bytes as text.
///
/// # Errors
/// Bytes that are no UTF-8.
pub(crate) fn text(bytes: Vec<u8>) -> io::Result<String> {
    String::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}
