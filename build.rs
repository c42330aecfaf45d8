//! Packs what the server's image is built from into the tool (`src/image/carried.rs`).
//!
//! `.dockerignore` says the same of a folder; a test compares both, and what git has.

#![allow(clippy::print_stdout, reason = "cargo reads a build script's stdout")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// Files and folders of the context.
const PACKED: [&str; 9] = [
    "Cargo.lock",
    "Cargo.toml",
    "Dockerfile",
    "crates/settings",
    "server/Cargo.toml",
    "server/benches",
    "server/build.rs",
    "server/src",
    "server/web",
];
/// What the Dockerfile runs or reads besides.
const SCRIPTS: [&str; 3] = [
    "server/image",
    "server/libtorch",
    "server/libtorch-wheels.txt",
];

/// The best that deflate offers: packing is rare, and every download carries the result.
const LEVEL: u8 = 10;

fn main() -> io::Result<()> {
    let mut files = BTreeMap::new();
    for path in PACKED.iter().chain(&SCRIPTS).map(Path::new) {
        add(&mut files, path)?;
    }
    for manifest in manifests()? {
        add(&mut files, &manifest)?;
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    let contents: Vec<u8> = files.values().flatten().copied().collect();
    let packed = miniz_oxide::deflate::compress_to_vec_zlib(&contents, LEVEL);
    fs::write(out.join("context.zlib"), packed)?;
    fs::write(out.join("context.rs"), list(&files))
}

/// The manifests of the crates, which the workspace's names. None is looked for in a folder that is no crate.
fn manifests() -> io::Result<Vec<PathBuf>> {
    println!("cargo::rerun-if-changed=Cargo.lock");
    let folders = fs::read_dir("crates")?.map(|entry| Ok(entry?.path().join("Cargo.toml")));
    let manifests: io::Result<Vec<PathBuf>> = folders.collect();
    Ok(manifests?
        .into_iter()
        .filter(|path| path.is_file())
        .collect())
}

/// cargo runs this again when one of the named changed, and no other file: an edit of a command packs nothing.
fn add(files: &mut BTreeMap<String, Vec<u8>>, path: &Path) -> io::Result<()> {
    println!("cargo::rerun-if-changed={}", path.display());
    read(files, path)
}

fn read(files: &mut BTreeMap<String, Vec<u8>>, path: &Path) -> io::Result<()> {
    let named =
        |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    if path.is_dir() {
        for entry in fs::read_dir(path).map_err(named)? {
            let entry = entry.map_err(named)?;
            if is_source(&entry.file_name().to_string_lossy()) {
                read(files, &entry.path())?;
            }
        }
        return Ok(());
    }
    let text = fs::read(path).map_err(named)?;
    // With `/` also where this is built on Windows.
    let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
    files.insert(parts.join("/"), text);
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
