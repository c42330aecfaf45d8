//! What is wrong with a stack file: every fault at once, each with its place and its mend.

use std::ops::Range;
use std::path::Path;

use miette::{Diagnostic, NamedSource, SourceSpan};

/// One fault of a stack file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Diagnostic)]
#[error("{message}")]
pub struct Fault {
    /// What is wrong, and why.
    pub message: String,
    /// Where, in bytes of the file.
    #[label("here")]
    pub span: SourceSpan,
    /// What to do.
    #[help]
    pub help: String,
}

/// A stack file with faults.
#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("{file} is no valid stack file ({} fault{})", faults.len(), if faults.len() == 1 { "" } else { "s" })]
pub struct Invalid {
    file: String,
    #[source_code]
    source_code: NamedSource<String>,
    /// The faults, in the order of the file.
    #[related]
    pub faults: Vec<Fault>,
}

impl Invalid {
    /// The faults of `file`, whose text is given for the excerpts.
    pub fn new(file: &Path, text: &str, mut faults: Vec<Fault>) -> Self {
        faults.sort_by_key(|fault| fault.span.offset());
        faults.dedup();
        let file = file.display().to_string();
        let source_code = NamedSource::new(&file, text.to_owned()).with_language("TOML");
        Self {
            file,
            source_code,
            faults,
        }
    }
}

/// Collects faults while a file is read, so that none hides another.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<Fault>);

impl Faults {
    /// Notes a fault.
    pub(super) fn add(
        &mut self,
        span: &Range<usize>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.0.push(Fault {
            message: message.into(),
            span: span.clone().into(),
            help: help.into(),
        });
    }

    /// Notes a fault when `holds` is false; returns `holds`.
    pub(super) fn check(
        &mut self,
        holds: bool,
        span: &Range<usize>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> bool {
        if !holds {
            self.add(span, message, help);
        }
        holds
    }

    /// Whether nothing was found.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What was found.
    pub(super) fn into_vec(self) -> Vec<Fault> {
        self.0
    }
}
