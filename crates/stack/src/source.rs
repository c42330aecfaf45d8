//! A stack file's text, read once: the stack, the places of its keys and its digest are all of the same text, also when
//! it came through a pipe.

use std::fmt;
use std::path::{Path, PathBuf};

use uninlu_text::digest::sha256;

/// A stack file as it was read.
#[derive(Clone, PartialEq, Eq)]
pub struct Source {
    /// The file; absolute, where it was read from one.
    pub file: PathBuf,
    /// Where relative paths in it start: the file's folder, or the working directory where the file is a pipe.
    pub folder: PathBuf,
    /// The file's name without its extension, by which the files beside it are called.
    pub stem: String,
    /// What was read.
    pub text: String,
}

impl fmt::Debug for Source {
    /// Only which file: the text is as long as it is.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.file, formatter)
    }
}

impl Source {
    /// The text of a file; reads nothing.
    pub fn new(file: &Path, text: &str) -> Self {
        let stem = file.file_stem().unwrap_or_default();
        Self {
            file: file.to_owned(),
            folder: file.parent().unwrap_or(Path::new("")).to_owned(),
            stem: stem.to_string_lossy().into_owned(),
            text: text.to_owned(),
        }
    }

    /// `sha256:…` of the text.
    pub fn digest(&self) -> String {
        sha256(&self.text)
    }
}
