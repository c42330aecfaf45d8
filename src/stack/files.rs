//! The file reads around [`super::parse`]: the only IO of this module.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use miette::Diagnostic;
use serde_json::Value;

use super::fault::Need;
use super::locate::{locate_in, places_in, written_in};
use super::parse::{document_in, parse_every, parse_given};
use super::{Invalid, Stack};
use crate::digest::sha256;

/// Why a stack could not be loaded.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum LoadError {
    /// The file cannot be read.
    #[error("cannot read the stack file {}", file.display())]
    #[diagnostic(help(
        "`uninlu init` writes one; STACK names another file, or a folder that holds uninlu.toml"
    ))]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file has faults.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Invalid(#[from] Box<Invalid>),
}

/// Loads a stack file (or `uninlu.toml` in a folder) with one environment laid over it, and checks that what it names
/// on this machine is there.
///
/// # Errors
/// See [`LoadError`]; an invalid file tells all its faults at once.
pub fn load(path: &Path, environment: Option<&str>) -> Result<Stack, LoadError> {
    let (file, text) = read(path)?;
    Ok(parse_given(&text, &file, environment, is_met)?)
}

/// Loads a stack file as it stands, and once with each of its environments.
///
/// # Errors
/// See [`LoadError`]; the faults of all environments are told at once, each only once.
pub fn load_every(path: &Path) -> Result<Vec<Stack>, LoadError> {
    let (file, text) = read(path)?;
    Ok(parse_every(&text, &file, is_met)?)
}

/// Checks a stack file before it is written, as [`load`] will read it: `file` is where it will be.
///
/// # Errors
/// All its faults at once.
pub fn check(text: &str, file: &Path) -> Result<(), Box<Invalid>> {
    parse_every(text, file, is_met).map(drop)
}

/// The first of the keys (dotted paths) that is written in the stack's file, and its line, counted from 1; `None` when
/// all of them are defaults, or the file went away.
pub fn locate<'k>(stack: &Stack, keys: &[&'k str]) -> Option<(&'k str, usize)> {
    let text = std::fs::read_to_string(&stack.file).ok()?;
    locate_in(&text, stack.environment.as_deref(), keys)
}

/// The stack's file as it is typed, with its environment laid over it and without defaults: what rules of one's own see
/// as `stack`; `None` when the file went away.
pub fn document(stack: &Stack) -> Option<Value> {
    let text = std::fs::read_to_string(&stack.file).ok()?;
    document_in(&text, stack.environment.as_deref())
}

/// What a plan says of the stack's file; `None` when the file went away.
pub fn source(stack: &Stack) -> Option<Source> {
    let text = std::fs::read_to_string(&stack.file).ok()?;
    let name = stack.file.file_name().unwrap_or_default();
    let places = places_in(&text, stack.environment.as_deref());
    let place = |line: usize| format!("{}:{line}", name.display());
    Some(Source {
        digest: sha256(&text),
        places: places
            .into_iter()
            .map(|(key, line)| (key, place(line)))
            .collect(),
    })
}

/// A stack's file, as a plan refers to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// `sha256:…` of its text.
    pub digest: String,
    /// Every key (dotted path) that it writes, and its place, `uninlu.toml:7`.
    pub places: BTreeMap<String, String>,
}

/// The text of a key's value as the stack's file writes it, and its place; `None` when the key has its default.
pub fn written(stack: &Stack, key: &str) -> Option<Written> {
    let text = std::fs::read_to_string(&stack.file).ok()?;
    let environment = stack.environment.as_deref();
    let (value, line, is_of_environment) = written_in(&text, environment, key)?;
    let whose = match environment {
        Some(name) if is_of_environment => format!(", environment {name}"),
        _ => String::new(),
    };
    Some(Written {
        value,
        place: format!("{}:{line}{whose}", stack.file.display()),
    })
}

/// A value as it is typed, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// TOML.
    pub value: String,
    /// `uninlu.toml:7`
    pub place: String,
}

/// The stack file that a path names: itself, or the one in the folder.
pub fn file_at(path: &Path) -> PathBuf {
    if path.is_dir() {
        path.join("uninlu.toml")
    } else {
        path.to_owned()
    }
}

fn read(path: &Path) -> Result<(PathBuf, String), LoadError> {
    let file = file_at(path);
    let unreadable = |source| LoadError::Unreadable {
        file: file.clone(),
        source,
    };
    let absolute = std::path::absolute(&file).map_err(unreadable)?;
    let text = std::fs::read_to_string(&absolute).map_err(unreadable)?;
    Ok((absolute, text))
}

fn is_met(need: &Need) -> bool {
    match need {
        Need::Folder(folder) => folder.is_dir(),
        Need::AnyFile(files) => files.iter().any(|file| file.is_file()),
    }
}
