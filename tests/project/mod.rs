//! The project's own files, for tests of what they say.

use std::path::{Path, PathBuf};

use regex::Regex;
use walkdir::WalkDir;

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The text of a file of the project.
pub(crate) fn text(file: &str) -> String {
    std::fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// A page with another text between the comment `begin` and the next `<!-- / -->`.
pub(crate) fn filled(page: &str, begin: &str, inner: &str) -> String {
    let (before, rest) = page.split_once(begin).expect("the comment before it");
    let end = rest.find("<!-- / -->").expect("the comment behind it");
    format!("{before}{begin}{inner}{}", &rest[end..])
}

/// The files below a folder with one of these extensions, in the order of their names.
pub(crate) fn files_below(folder: &str, extensions: &[&str]) -> Vec<PathBuf> {
    let entries = WalkDir::new(root().join(folder)).sort_by_file_name();
    let files = entries.into_iter().flatten();
    let files = files.map(walkdir::DirEntry::into_path).filter(|path| {
        let extension = path.extension().and_then(|it| it.to_str());
        extension.is_some_and(|it| extensions.contains(&it))
    });
    files.collect()
}

pub(crate) fn pattern(pattern: &str) -> Regex {
    Regex::new(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}"))
}
