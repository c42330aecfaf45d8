//! Walks what is sent to the engine: the context folder, the model, the extra CA certificates.
//!
//! Two folders of the context are reserved for the tool. A Dockerfile may count on their names, and must not fail where
//! they are absent (a plain `docker build .` has neither):
//! - `.uninlu/model/`: the model folder, when the stack puts the model into the image;
//! - `.uninlu/ca-certificates/NNN-name.crt`: extra CA certificates for the build stages.

use std::fs::{File, Metadata};
use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

pub use super::entry::{Content, Entry, FileContent, Source};
use super::entry::{slashed, with_folders};
use super::error::Error;
use super::ignore::Ignore;
use super::links;
use crate::permissions;
use crate::stack::MODEL_FILES;

/// The folder of the context that belongs to the tool; one that lies in the context already is not sent.
const RESERVED: &str = ".uninlu";
/// Where the model lies in the context.
pub const MODEL: &str = ".uninlu/model";
/// Where the extra CA certificates lie in the context.
pub const CERTIFICATES: &str = ".uninlu/ca-certificates";

/// From this size on (bytes, without the model) a context is probably not meant to be so.
const SURPRISING_SIZE: u64 = 100_000_000;

/// The context folder's entries without what `.dockerignore` leaves out, sorted by path.
///
/// The Dockerfile is always there, since the engine reads it from the context. Sockets, pipes and devices are not
/// sent: no image can hold them.
///
/// # Errors
/// What cannot be read, a bad `.dockerignore`, or a missing Dockerfile, each with its path.
pub fn walk(folder: &Path, dockerfile: &str) -> Result<Vec<Entry>, Error> {
    check_dockerfile(folder, dockerfile)?;
    let ignore = read_ignore(folder, dockerfile)?;
    let mut entries = Vec::new();
    let mut walker = WalkDir::new(folder)
        .min_depth(1)
        .sort_by_file_name()
        .into_iter();
    while let Some(found) = walker.next() {
        let found = found.map_err(unreadable)?;
        let path = relative(&found, folder)?;
        if path == RESERVED {
            walker.skip_current_dir();
        } else if path != dockerfile && ignore.excludes(&path) {
            let leads_on =
                ignore.may_take_back_below(&path) || dockerfile.starts_with(&format!("{path}/"));
            if found.file_type().is_dir() && !leads_on {
                walker.skip_current_dir();
            }
        } else {
            entries.extend(entry(path, &found)?);
        }
    }
    links::check_context(folder, &entries)?;
    Ok(with_folders(entries))
}

/// The model folder's files as entries below [`MODEL`], sorted by path.
///
/// Links are followed where they stay in the folder, or in the download cache that it is a snapshot of; hidden files
/// are left out (`.git` holds every large file a second time).
///
/// # Errors
/// What cannot be read, a dangling link, one that leads out, or a folder that is no model.
pub fn walk_model(folder: &Path) -> Result<Vec<Entry>, Error> {
    check_model(folder)?;
    let mut entries = Vec::new();
    let is_shown = |found: &DirEntry| !found.file_name().as_encoded_bytes().starts_with(b".");
    let walker = WalkDir::new(folder)
        .min_depth(1)
        .follow_links(true)
        .sort_by_file_name();
    let mut walker = walker.into_iter().filter_entry(is_shown);
    let (root, mut out) = (links::real(folder)?, Vec::new());
    while let Some(found) = walker.next() {
        let found = found.map_err(unreadable)?;
        let path = relative(&found, folder)?;
        if found.path_is_symlink() && !links::is_own(&root, &links::real(found.path())?) {
            out.push(path);
            if found.file_type().is_dir() {
                walker.skip_current_dir();
            }
        } else {
            entries.extend(entry(format!("{MODEL}/{path}"), &found)?);
        }
    }
    links::check_model(folder, out)?;
    Ok(with_folders(entries))
}

/// The extra CA certificates as entries below [`CERTIFICATES`], in the order of the stack file.
///
/// # Errors
/// A file that cannot be read or holds no PEM certificate.
pub fn certificates(files: &[PathBuf]) -> Result<Vec<Entry>, Error> {
    let mut entries = Vec::new();
    for (index, source) in files.iter().enumerate() {
        let text = std::fs::read(source).map_err(|error| Error::unreadable(source, error))?;
        let marker = b"-----BEGIN CERTIFICATE-----";
        if !text.windows(marker.len()).any(|window| window == marker) {
            return Err(Error::NoCertificate {
                path: source.clone(),
            });
        }
        let name = source.file_stem().unwrap_or_default().to_string_lossy();
        let path = format!("{CERTIFICATES}/{index:03}-{name}.crt");
        let content = Content::File(read_file(source, false)?);
        entries.push(Entry { path, content });
    }
    Ok(with_folders(entries))
}

/// What to tell when the context is larger than anybody means it to be; `entries` are those without the model.
pub fn surprise(entries: &[Entry]) -> Option<String> {
    let total: u64 = entries.iter().map(Entry::size).sum();
    (total > SURPRISING_SIZE).then(|| {
        let mut largest: Vec<&Entry> = entries.iter().collect();
        largest.sort_by_key(|entry| std::cmp::Reverse(entry.size()));
        let largest: Vec<String> = largest
            .iter()
            .take(3)
            .map(|entry| format!("{} ({})", entry.path, crate::ui::human_bytes(entry.size())))
            .collect();
        format!(
            "the build context has {}; the largest files are {}. What the build does not need belongs into .dockerignore",
            crate::ui::human_bytes(total),
            largest.join(", ")
        )
    })
}

fn check_dockerfile(folder: &Path, dockerfile: &str) -> Result<(), Error> {
    let leaves_the_context = Path::new(dockerfile)
        .components()
        .any(|component| !matches!(component, std::path::Component::Normal(_)));
    let path = folder.join(dockerfile);
    if leaves_the_context || !path.is_file() {
        return Err(Error::NoDockerfile { path });
    }
    Ok(())
}

fn check_model(folder: &Path) -> Result<(), Error> {
    let has = |name: &&str| folder.join(name).is_file();
    let missing: Vec<String> = MODEL_FILES
        .iter()
        .filter(|group| !group.iter().any(has))
        .map(|group| group.join(" or "))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Error::NoModel {
        path: folder.to_owned(),
        missing: missing.join(", "),
    })
}

/// `<Dockerfile>.dockerignore` next to the Dockerfile comes before the context's own.
fn read_ignore(folder: &Path, dockerfile: &str) -> Result<Ignore, Error> {
    let candidates = [
        folder.join(format!("{dockerfile}.dockerignore")),
        folder.join(".dockerignore"),
    ];
    let Some(path) = candidates.into_iter().find(|path| path.is_file()) else {
        return Ok(Ignore::default());
    };
    links::check_inside(folder, &path)?;
    let text = std::fs::read_to_string(&path).map_err(|error| Error::unreadable(&path, error))?;
    Ignore::parse(&text).map_err(|bad| Error::BadIgnore { path, bad })
}

/// None of what no image can hold.
fn entry(path: String, found: &DirEntry) -> Result<Option<Entry>, Error> {
    let metadata = found.metadata().map_err(unreadable)?;
    let content = content(found.path(), &metadata)?;
    Ok(content.map(|content| Entry { path, content }))
}

fn content(path: &Path, metadata: &Metadata) -> Result<Option<Content>, Error> {
    let kind = metadata.file_type();
    if kind.is_dir() {
        Ok(Some(Content::Folder))
    } else if kind.is_symlink() {
        let target = std::fs::read_link(path).map_err(|error| Error::unreadable(path, error))?;
        let target = text(&target)?;
        Ok(Some(Content::Link { target }))
    } else if kind.is_file() {
        let is_program = permissions::is_program(metadata);
        Ok(Some(Content::File(read_file(path, is_program)?)))
    } else {
        Ok(None)
    }
}

fn read_file(path: &Path, executable: bool) -> Result<FileContent, Error> {
    let hash = |path| {
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(File::open(path)?)?;
        Ok((hasher.finalize(), hasher.count()))
    };
    let (hash, size) = hash(path).map_err(|error| Error::unreadable(path, error))?;
    Ok(FileContent {
        source: Source::Disk(path.to_owned()),
        executable,
        size,
        hash,
    })
}

fn relative(found: &DirEntry, folder: &Path) -> Result<String, Error> {
    let path = found
        .path()
        .strip_prefix(folder)
        .expect("the walk stays below the folder where it started");
    text(path)
}

fn text(path: &Path) -> Result<String, Error> {
    slashed(path).ok_or_else(|| Error::NotUtf8 {
        path: path.to_owned(),
    })
}

fn unreadable(error: walkdir::Error) -> Error {
    let path = error.path().unwrap_or(Path::new("")).to_owned();
    Error::unreadable(&path, error.into())
}
