//! What is in a context.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{MAIN_SEPARATOR_STR, Path, PathBuf};

/// One file, folder or link of the context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Path in the context, with `/`.
    pub path: String,
    /// What it is.
    pub content: Content,
}

/// What an [`Entry`] is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A folder.
    Folder,
    /// A symbolic link, kept as one.
    Link {
        /// Where it points to, as written in the link.
        target: String,
    },
    /// A file.
    File(FileContent),
}

/// A file as it was when it was hashed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileContent {
    /// Where its bytes are.
    pub source: Source,
    /// The one mode bit that counts; every other is normalised.
    pub executable: bool,
    /// Size in bytes.
    pub size: u64,
    /// Digest of the bytes.
    pub hash: blake3::Hash,
}

/// Where the bytes of a file are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// In a file of this machine.
    Disk(PathBuf),
    /// In the tool: these bytes of the contents that it carries.
    Carried(Range<usize>),
}

impl Entry {
    /// The file's size in bytes; links and folders have none.
    pub fn size(&self) -> u64 {
        match &self.content {
            Content::File(file) => file.size,
            Content::Folder | Content::Link { .. } => 0,
        }
    }
}

/// A path of the context, with `/` on every machine; none where it is not UTF-8.
pub(super) fn slashed(path: &Path) -> Option<String> {
    Some(path.to_str()?.replace(MAIN_SEPARATOR_STR, "/"))
}

/// The entries and the folders above them, sorted by path. A folder may be left out and yet something in it taken back;
/// the archive has both.
pub(super) fn with_folders(entries: impl IntoIterator<Item = Entry>) -> Vec<Entry> {
    let mut all = BTreeMap::new();
    for entry in entries {
        for (end, _) in entry.path.match_indices('/') {
            let path = entry.path[..end].to_owned();
            let content = Content::Folder;
            all.entry(path.clone()).or_insert(Entry { path, content });
        }
        all.insert(entry.path.clone(), entry);
    }
    all.into_values().collect()
}
