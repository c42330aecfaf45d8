//! The file reads around the parser of `uninlu-stack`.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use miette::Diagnostic;

use uninlu_stack::{Invalid, Need, Source, Stack, parse_every, parse_given};

use crate::{bounded, rules};

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
    stack_of(&source(path)?, environment)
}

/// Loads a stack file as it stands, and once with each of its environments.
///
/// # Errors
/// See [`LoadError`]; the faults of all environments are told at once, each only once.
pub fn load_every(path: &Path) -> Result<Vec<Stack>, LoadError> {
    Ok(parse_every(&source(path)?, is_met)?)
}

/// Checks a stack file before it is written, as [`load`] will read it: `file` is where it will be.
///
/// # Errors
/// All its faults at once.
pub fn check(text: &str, file: &Path) -> Result<(), Box<Invalid>> {
    parse_every(&Arc::new(Source::new(file, text)), is_met).map(drop)
}

/// Reads a stack file, or `uninlu.toml` in a folder.
///
/// # Errors
/// [`LoadError::Unreadable`]
pub fn source(path: &Path) -> Result<Arc<Source>, LoadError> {
    source_of(path, read(path)?)
}

/// What [`read`] gave, as a stack file's text.
///
/// # Errors
/// [`LoadError::Unreadable`]: it is no text.
pub fn source_of(path: &Path, bytes: Vec<u8>) -> Result<Arc<Source>, LoadError> {
    let file = file_at(path);
    let unreadable = |source| LoadError::Unreadable {
        file: file.clone(),
        source,
    };
    let text = bounded::text(bytes).map_err(unreadable)?;
    let source = Source::new(&std::path::absolute(&file).map_err(unreadable)?, &text);
    if !is_pipe(&file) {
        return Ok(Arc::new(source));
    }
    Ok(Arc::new(Source {
        folder: std::env::current_dir().map_err(unreadable)?,
        stem: "uninlu".to_owned(),
        ..source
    }))
}

/// The stack with one environment laid over it; what it names on this machine is there.
///
/// # Errors
/// [`LoadError::Invalid`] with all faults.
pub fn stack_of(source: &Arc<Source>, environment: Option<&str>) -> Result<Stack, LoadError> {
    Ok(parse_given(source, environment, is_met)?)
}

/// The bytes of a file, or of `uninlu.toml` in a folder: a stack's text, or a saved plan.
///
/// # Errors
/// [`LoadError::Unreadable`]
pub fn read(path: &Path) -> Result<Vec<u8>, LoadError> {
    let file = file_at(path);
    bounded::read(&file).map_err(|source| LoadError::Unreadable { file, source })
}

/// The stack file that a path names: itself, or the one in the folder; `-` is standard input.
pub fn file_at(path: &Path) -> PathBuf {
    if path == Path::new("-") {
        PathBuf::from("/dev/stdin")
    } else if path.is_dir() {
        path.join("uninlu.toml")
    } else {
        path.to_owned()
    }
}

/// Whether it is no file in a folder of its own: standard input, a process substitution. A named pipe has a folder.
pub(crate) fn is_pipe(file: &Path) -> bool {
    let descriptors = ["/dev/stdin", "/dev/fd", "/proc"];
    descriptors.iter().any(|place| file.starts_with(place))
}

fn is_met(need: &Need) -> bool {
    match need {
        Need::Folder(folder) => folder.is_dir(),
        Need::AnyFile(files) => files.iter().any(|file| file.is_file()),
        Need::FreeRuleId(id) => !rules::is_known(id),
    }
}
