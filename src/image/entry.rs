//! What is in a context.

use std::path::PathBuf;

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
    /// Where it lies on this machine.
    pub source: PathBuf,
    /// The one mode bit that counts; every other is normalised.
    pub executable: bool,
    /// Size in bytes.
    pub size: u64,
    /// Digest of the bytes.
    pub hash: blake3::Hash,
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
