//! The server's build context as the tool carries it: `build.rs` packs it, and its digests with it, so that a plan
//! unpacks nothing.

use std::sync::LazyLock;

use super::entry::{Content, Entry, FileContent, Source};

/// A file of the context. Their contents follow each other in [`PACKED`], in this order.
struct File {
    path: &'static str,
    program: bool,
    size: usize,
    hash: [u8; 32],
}

const FILES: &[File] = include!(concat!(env!("OUT_DIR"), "/context.rs"));
const PACKED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/context.zlib"));

/// The Dockerfile's path in it.
pub const DOCKERFILE: &str = "Dockerfile";
/// The commit that the tool was built from, where who built it said so.
pub const COMMIT: Option<&str> = option_env!("UNINLU_COMMIT");

/// Its files and the folders above them, sorted by path.
pub fn entries() -> Vec<Entry> {
    let mut start = 0;
    let files = FILES.iter().map(|file| {
        let bytes = start..start + file.size;
        start = bytes.end;
        let content = Content::File(FileContent {
            source: Source::Carried(bytes),
            executable: file.program,
            size: file.size as u64,
            hash: blake3::Hash::from_bytes(file.hash),
        });
        let path = file.path.to_owned();
        Entry { path, content }
    });
    super::entry::with_folders(files)
}

/// The contents, one after the other.
pub(super) fn contents() -> &'static [u8] {
    static CONTENTS: LazyLock<Vec<u8>> = LazyLock::new(|| {
        miniz_oxide::inflate::decompress_to_vec_zlib(PACKED).expect("the build script packed it")
    });
    &CONTENTS
}
