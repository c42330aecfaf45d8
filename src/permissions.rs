//! Owners and modes of files. Windows has neither: what is asked of them there has one answer.

use std::fs::{Metadata, OpenOptions, Permissions};
use std::io;
use std::path::Path;

/// User, group and permission bits of a file; none on Windows.
pub(crate) fn owner(metadata: &Metadata) -> Option<(u32, u32, u32)> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        Some((metadata.uid(), metadata.gid(), metadata.mode() & 0o777))
    }
    #[cfg(not(unix))]
    {
        let _ = metadata;
        None
    }
}

/// Whether it is a program. On Windows every file counts as one, as Docker's own client has it.
pub(crate) fn is_program(metadata: &Metadata) -> bool {
    owner(metadata).is_none_or(|(_, _, mode)| mode & 0o111 != 0)
}

/// Lets a container's user, who is another one, read a file or folder.
///
/// # Errors
/// What the file system refuses.
pub(crate) fn open_to_all(path: &Path) -> io::Result<()> {
    let mode = if path.is_dir() { 0o755 } else { 0o644 };
    match permissions(mode) {
        Some(permissions) => std::fs::set_permissions(path, permissions),
        None => Ok(()),
    }
}

/// A new file is its owner's alone. On Windows it has the rights of its folder.
pub(crate) fn only_for_owner(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

/// Those of any file that a person writes, less the umask; none on Windows.
pub(crate) fn usual() -> Option<Permissions> {
    permissions(0o666)
}

fn permissions(mode: u32) -> Option<Permissions> {
    #[cfg(unix)]
    return Some(std::os::unix::fs::PermissionsExt::from_mode(mode));
    #[cfg(not(unix))]
    {
        let _ = mode;
        None
    }
}
