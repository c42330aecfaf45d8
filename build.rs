//! Packs what the server's image is built from into the tool (`src/image/carried.rs`).
//!
//! `.dockerignore` says the same of a folder; a test compares both, and what git has.

#![allow(clippy::print_stdout, reason = "cargo reads a build script's stdout")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// Files and folders of the context, besides manifests and the server.
const PACKED: [&str; 4] = ["Cargo.lock", "Cargo.toml", "Dockerfile", "crates/settings"];
/// What of the server's folder no image needs.
const LEFT_OUT: [&str; 3] = ["cargo", "fuzz", "tests"];

/// The best that deflate offers: packing is rare, and every download carries the result.
const LEVEL: u8 = 10;

fn main() -> io::Result<()> {
    let mut files = BTreeMap::new();
    let manifests = below(Path::new("crates"))?.map(|path| path.join("Cargo.toml"));
    let manifests = manifests.filter(|path| path.is_file());
    let server = below(Path::new("server"))?
        .filter(|path| !LEFT_OUT.iter().any(|name| path.ends_with(name)));
    let packed = PACKED.iter().map(PathBuf::from);
    for path in packed.chain(manifests).chain(server) {
        // cargo runs this again when one of these changed, and for no other file: an edit of a command packs nothing.
        println!("cargo::rerun-if-changed={}", path.display());
        read(&mut files, &path)?;
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    let contents: Vec<u8> = files.values().flatten().copied().collect();
    let packed = miniz_oxide::deflate::compress_to_vec_zlib(&contents, LEVEL);
    fs::write(out.join("context.zlib"), packed)?;
    fs::write(out.join("context.rs"), list(&files))
}

/// What lies in a folder.
fn below(folder: &Path) -> io::Result<impl Iterator<Item = PathBuf>> {
    let entries: io::Result<Vec<_>> = fs::read_dir(folder)?.collect();
    let is_source = |entry: &fs::DirEntry| is_source(&entry.file_name().to_string_lossy());
    Ok(entries?
        .into_iter()
        .filter(is_source)
        .map(|entry| entry.path()))
}

fn read(files: &mut BTreeMap<String, Vec<u8>>, path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return below(path)?.try_for_each(|path| read(files, &path));
    }
    let content = fs::read(path)
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?;
    // With `/` also where this is built on Windows.
    let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
    files.insert(parts.join("/"), content);
    Ok(())
}

/// Whether git would have it: what editors and tools leave behind is no source.
fn is_source(name: &str) -> bool {
    let left_behind = [".snap.new", ".pending-snap", "~"];
    !name.starts_with('.') && name != "target" && !left_behind.iter().any(|end| name.ends_with(end))
}

/// Rust: each file's path, whether it is a program, its size, and the digest of its content, in the order in which their
/// contents are packed.
fn list(files: &BTreeMap<String, Vec<u8>>) -> String {
    let mut list = String::from("&[\n");
    for (path, content) in files {
        let program = content.starts_with(b"#!");
        let (size, hash) = (content.len(), blake3::hash(content));
        let hash = hash.as_bytes();
        let _ = writeln!(
            list,
            "File {{ path: {path:?}, program: {program}, size: {size}, hash: {hash:?} }},"
        );
    }
    list + "]\n"
}
