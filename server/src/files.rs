//! The files of a model folder, and what often stands in a file's place: a copied link, a pointer, an error page.

use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path;

use crate::model_error::ModelError;

/// Bytes that tell a stand-in from the file itself.
const HEAD: u64 = 512;

/// Whether something has this name, be it a link to nowhere.
pub(crate) fn stands(file: &Path) -> bool {
    file.symlink_metadata().is_ok()
}

/// Reads a file whole.
///
/// # Errors
/// A file that cannot be read, or something else in its place.
pub(crate) fn read(file: &Path) -> Result<Vec<u8>, ModelError> {
    let mut bytes = Vec::new();
    open(file)?
        .read_to_end(&mut bytes)
        .map_err(|source| ModelError::unreadable(file, source))?;
    Ok(bytes)
}

/// Opens a file, at its first byte.
///
/// # Errors
/// A file that cannot be read, or something else in its place.
pub(crate) fn open(file: &Path) -> Result<File, ModelError> {
    let unreadable = |source| ModelError::unreadable(file, source);
    if let Some(reason) = not_a_file(file) {
        return Err(ModelError::malformed(file, reason));
    }
    let mut handle = File::open(file).map_err(unreadable)?;
    let mut head = Vec::new();
    let mut part = handle.by_ref().take(HEAD);
    part.read_to_end(&mut head).map_err(unreadable)?;
    if let Some(reason) = stand_in(&head) {
        return Err(ModelError::malformed(file, reason));
    }
    handle.rewind().map_err(unreadable)?;
    Ok(handle)
}

fn not_a_file(file: &Path) -> Option<String> {
    if file.is_dir() {
        return Some("this is a folder, not a file; fix: download the file itself".into());
    }
    let target = file.read_link().ok()?;
    (!file.exists()).then(|| {
        format!(
            "this is a link to {}, which does not exist; fix: copy the folder with `cp -rL`, which follows links",
            target.display()
        )
    })
}

fn stand_in(head: &[u8]) -> Option<&'static str> {
    let text = head.trim_ascii_start().to_ascii_lowercase();
    if head.is_empty() {
        Some("the file is empty; fix: download it again")
    } else if text.starts_with(b"version https://git-lfs") {
        Some("this is a Git LFS pointer, not the file itself; fix: `git lfs pull`")
    } else if text.starts_with(b"<!doctype") || text.starts_with(b"<html") {
        Some("this is an HTML page, not the file itself; fix: download the file from its own URL")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn reason(bytes: &[u8]) -> Option<&'static str> {
        stand_in(bytes)
    }

    #[test]
    fn each_stand_in_is_named_for_what_it_is() {
        let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n";
        assert!(reason(pointer).is_some_and(|reason| reason.contains("Git LFS")));
        for page in [
            "<!DOCTYPE html><title>403</title>",
            "\n <HTML lang=en>",
            "<html>",
        ] {
            assert!(reason(page.as_bytes()).is_some_and(|reason| reason.contains("HTML")));
        }
        assert!(reason(b"").is_some_and(|reason| reason.contains("empty")));
        for file in [&b"{}"[..], b"PK\x03\x04", b"[PAD]\n<html>\n"] {
            assert_eq!(reason(file), None);
        }
    }

    #[test]
    fn links_and_folders_are_named() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let named = |name: &str| folder.path().join(name);
        symlink("../../blobs/4f1c", named("link")).expect("a link");
        symlink("link", named("chain")).expect("a link");
        symlink("loop", named("loop")).expect("a link");
        std::fs::create_dir(named("folder")).expect("a folder");
        std::fs::write(named("file"), "{}").expect("a file");
        symlink("file", named("good")).expect("a link");
        let error = |name: &str| read(&named(name)).expect_err(name).to_string();
        assert!(
            error("link").contains("a link to ../../blobs/4f1c"),
            "{}",
            error("link")
        );
        assert!(
            error("chain").contains("a link to link"),
            "{}",
            error("chain")
        );
        assert!(
            error("loop").contains("a link to loop"),
            "{}",
            error("loop")
        );
        assert!(
            error("folder").contains("is a folder"),
            "{}",
            error("folder")
        );
        assert!(
            error("nothing").contains("UNINLU_MODEL"),
            "{}",
            error("nothing")
        );
        assert_eq!(read(&named("good")).expect("the link's file"), b"{}");
        assert!(stands(&named("link")) && !stands(&named("nothing")));
    }
}
