//! Links that lead out of a folder: what a checkout links to may be anything on this machine.

use std::path::{Path, PathBuf};

use super::entry::{Content, Entry};
use super::error::Error;

/// Refuses links of the context that lead out of it. They are not followed, so nothing is sent; but each machine has
/// another place there, and so would get another tag.
///
/// # Errors
/// [`Error::LeadsOut`] with all of them.
pub(super) fn check_context(folder: &Path, entries: &[Entry]) -> Result<(), Error> {
    let out = entries.iter().filter_map(|entry| match &entry.content {
        Content::Link { target } if climbs(&entry.path, target) => {
            Some(format!("{} -> {target}", entry.path))
        }
        _ => None,
    });
    refuse(folder, out.collect(), CONTEXT)
}

/// Refuses a file of the context that is read here, and is a link out of it: an error about it would show its lines.
///
/// # Errors
/// [`Error::LeadsOut`]; what cannot be read.
pub(super) fn check_inside(folder: &Path, file: &Path) -> Result<(), Error> {
    if real(file)?.starts_with(real(folder)?) {
        return Ok(());
    }
    let name = file.strip_prefix(folder).unwrap_or(file);
    refuse(folder, vec![name.display().to_string()], CONTEXT)
}

const CONTEXT: &str = "copy into the context what it needs, keep the link out by .dockerignore, or make it in the Dockerfile (`RUN ln -s`)";
const MODEL: &str = "copy the files there (`cp -rL`), or name the folder in which they are; only a download cache may link to its own `blobs`";

/// Refuses links out of a model folder, given as they are called.
///
/// # Errors
/// [`Error::LeadsOut`], if there are any.
pub(super) fn check_model(folder: &Path, out: Vec<String>) -> Result<(), Error> {
    refuse(folder, out, MODEL)
}

fn refuse(folder: &Path, out: Vec<String>, help: &'static str) -> Result<(), Error> {
    if out.is_empty() {
        return Ok(());
    }
    Err(Error::LeadsOut {
        folder: folder.to_owned(),
        links: out.join(", "),
        help,
    })
}

/// Whether a link at that path of the context is written to lead out of it.
fn climbs(path: &str, target: &str) -> bool {
    let above = Path::new(path).parent().unwrap_or(Path::new(""));
    let place = path_clean::clean(above.join(target));
    place.is_absolute() || place.starts_with("..")
}

/// Whether what a link of a model leads to belongs to the model: it is in its folder, or it is a blob of the download
/// cache whose snapshot the folder is. All paths are real ones.
///
/// Hugging Face's cache is `models--ORG--NAME/snapshots/REVISION/FILE -> ../../blobs/HASH` (its documentation, "Hub
/// Local Cache"); ModelScope's has real files, or that form.
pub(super) fn is_own(folder: &Path, target: &Path) -> bool {
    let snapshots = folder
        .ancestors()
        .find(|above| above.ends_with("snapshots"));
    let cache = snapshots.and_then(Path::parent);
    let is_blob = cache.is_some_and(|cache| target.parent() == Some(&cache.join("blobs")));
    target.starts_with(folder) || is_blob
}

/// The path without links.
pub(super) fn real(path: &Path) -> Result<PathBuf, Error> {
    path.canonicalize()
        .map_err(|error| Error::unreadable(path, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_of_a_context_stay_in_it() {
        for (path, target, leads_out) in [
            ("a", "b", false),
            ("a/b", "../c", false),
            ("a/b", "../../c", true),
            ("a", "../c", true),
            ("a", "b/../../c", true),
            ("a", "/etc/passwd", true),
            ("a", "..", true),
            ("a/b", "..", false),
            ("a", "..b", false),
        ] {
            assert_eq!(climbs(path, target), leads_out, "{path} -> {target}");
        }
    }

    #[test]
    fn only_a_cache_has_its_model_in_two_folders() {
        let snapshot = "/c/models--o--n/snapshots/abc";
        for (folder, target, is_owned) in [
            (snapshot, "/c/models--o--n/blobs/0123", true),
            (
                snapshot,
                "/c/models--o--n/snapshots/abc/sub/config.json",
                true,
            ),
            (snapshot, "/c/models--o--n/blobs/deep/0123", false),
            (snapshot, "/c/models--o--other/blobs/0123", false),
            (snapshot, "/c/models--o--n/snapshots/def/config.json", false),
            (snapshot, "/root/.ssh/id_rsa", false),
            ("/m", "/m/config.json", true),
            ("/m", "/model/config.json", false),
            ("/x/m", "/x/blobs/0123", false),
        ] {
            let found = is_own(Path::new(folder), Path::new(target));
            assert_eq!(found, is_owned, "{folder} -> {target}");
        }
    }
}
