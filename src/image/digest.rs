//! The digest of a build's inputs, which becomes the image's tag.
//!
//! What is in it: the format's version, platform, Dockerfile, target, build arguments, and of each entry its path,
//! kind, executable bit and content. What is deliberately not:
//! - times, owners and other mode bits: a fresh clone must give the same tag;
//! - the git commit: else every commit would build again. The image's label then names the commit that first built
//!   these inputs;
//! - the extra CA certificates: they open the way to what is downloaded, but are no part of the result. With them, a
//!   laptop and a CI runner behind different proxies would never agree on a tag.

use std::collections::BTreeMap;

use super::context::{Content, Entry};

/// Raise it when the same inputs must give another image than before (how the context is laid out, reserved folders).
const FORMAT: &str = "uninlu image inputs 1";

/// How much of the digest (in hexadecimal characters, 64 bits) becomes the tag.
const TAG_LENGTH: usize = 16;

/// What is built out of the context's entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipe {
    /// `os/architecture` that is built.
    pub platform: &'static str,
    /// The Dockerfile's path in the context.
    pub dockerfile: String,
    /// The stage that is built.
    pub target: String,
    /// Build arguments of the stack file.
    pub args: BTreeMap<String, String>,
}

/// The digest (64 lowercase hexadecimal characters) of a recipe and its entries, which must be sorted by path.
pub fn digest(recipe: &Recipe, entries: &[Entry]) -> String {
    let mut hasher = blake3::Hasher::new();
    for text in [FORMAT, recipe.platform, &recipe.dockerfile, &recipe.target] {
        field(&mut hasher, text.as_bytes());
    }
    hasher.update(&(recipe.args.len() as u64).to_le_bytes());
    for (name, value) in &recipe.args {
        field(&mut hasher, name.as_bytes());
        field(&mut hasher, value.as_bytes());
    }
    for entry in entries {
        add_entry(&mut hasher, entry);
    }
    hasher.finalize().to_hex().to_string()
}

/// The image's tag: the digest's beginning.
pub fn tag(digest: &str) -> String {
    digest.chars().take(TAG_LENGTH).collect()
}

fn add_entry(hasher: &mut blake3::Hasher, entry: &Entry) {
    field(hasher, entry.path.as_bytes());
    match &entry.content {
        Content::Folder => field(hasher, b"folder"),
        Content::Link { target } => {
            field(hasher, b"link");
            field(hasher, target.as_bytes());
        }
        Content::File(file) => {
            field(hasher, if file.executable { b"program" } else { b"file" });
            field(hasher, file.hash.as_bytes());
        }
    }
}

/// Each field with its length before it, so that no two inputs run together into the same bytes.
fn field(hasher: &mut blake3::Hasher, bytes: &[u8]) {
    hasher.update(&(bytes.len() as u64).to_le_bytes());
    hasher.update(bytes);
}
