//! The stacks below a folder: at any depth, in hidden folders and behind links too, each real file once.

use std::collections::{BTreeSet, VecDeque};
use std::fs::DirEntry;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use miette::Diagnostic;

const NAME: &str = "uninlu.toml";
/// Folders that are looked into: a link may lead to the root of this machine.
const BOUND: usize = 100_000;
/// Linux' `ELOOP`: a link that leads to itself leads nowhere.
const LOOP: i32 = 40;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The stack files, in the order of their paths.
    pub(super) files: Vec<PathBuf>,
    /// What could not be looked into: there may be more.
    pub(super) unread: Vec<Unread>,
}

/// A place that could not be looked into.
#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("cannot look for stacks in {}", folder.display())]
#[diagnostic(help("let this user read it, or name the stacks one by one"))]
pub(super) struct Unread {
    pub(super) folder: PathBuf,
    pub(super) source: io::Error,
}

/// Looks for stack files. What cannot be read is a part of the result.
pub(super) fn find(folder: &Path) -> Found {
    let mut walk = Walk {
        folders: vec![folder.to_owned()],
        ..Walk::default()
    };
    // Links come last, so that a file is called by its own path where it has one here.
    loop {
        if let Some(folder) = walk.folders.pop() {
            walk.look_into(folder);
        } else if let Some(link) = walk.links.pop_front() {
            walk.follow(link);
        } else {
            break;
        }
    }
    walk.found.files.sort();
    walk.found
}

#[derive(Default)]
struct Walk {
    found: Found,
    folders: Vec<PathBuf>,
    links: VecDeque<PathBuf>,
    /// Real paths of what was looked at: no link leads there again.
    seen: BTreeSet<PathBuf>,
}

impl Walk {
    fn look_into(&mut self, folder: PathBuf) {
        if self.seen.len() >= BOUND {
            self.folders.clear();
            self.links.clear();
            let reason = format!("there are more than {BOUND} folders; not all were looked into");
            return self.unread(folder, io::Error::other(reason));
        }
        let entries = match self.is_new(&folder) {
            Ok(false) => return,
            Ok(true) => folder.read_dir(),
            Err(error) => Err(error),
        };
        match entries.and_then(Iterator::collect::<io::Result<Vec<DirEntry>>>) {
            Ok(entries) => entries.iter().for_each(|entry| self.note(entry)),
            Err(error) => self.unread(folder, error),
        }
    }

    fn note(&mut self, entry: &DirEntry) {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => self.folders.push(entry.path()),
            Ok(kind) if kind.is_symlink() => self.links.push_back(entry.path()),
            Ok(kind) if entry.file_name() == NAME => self.add(entry.path(), kind.is_file()),
            Ok(_) => (),
            Err(error) => self.unread(entry.path(), error),
        }
    }

    fn follow(&mut self, link: PathBuf) {
        let is_stack = link.ends_with(NAME);
        match link.metadata() {
            Ok(metadata) if metadata.is_dir() => self.folders.push(link),
            Ok(metadata) if is_stack => self.add(link, metadata.is_file()),
            Ok(_) => (),
            // Whoever reads it says why it cannot be read.
            Err(_) if is_stack => self.found.files.push(link),
            Err(error) if leads_nowhere(&error) => (),
            Err(error) => self.unread(link, error),
        }
    }

    /// A pipe of that name would be read until somebody writes into it.
    fn add(&mut self, file: PathBuf, is_file: bool) {
        if !is_file {
            return self.unread(file, io::Error::other("it is not a file"));
        }
        if self.is_new(&file).unwrap_or(true) {
            self.found.files.push(file);
        }
    }

    fn is_new(&mut self, path: &Path) -> io::Result<bool> {
        Ok(self.seen.insert(path.canonicalize()?))
    }

    fn unread(&mut self, folder: PathBuf, source: io::Error) {
        self.found.unread.push(Unread { folder, source });
    }
}

fn leads_nowhere(error: &io::Error) -> bool {
    error.kind() == ErrorKind::NotFound || error.raw_os_error() == Some(LOOP)
}
