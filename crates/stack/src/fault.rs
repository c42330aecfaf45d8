//! What is wrong with a stack file: every fault at once, each with its place and its mend.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::{Path, PathBuf};

use miette::{Diagnostic, NamedSource, SourceSpan};

/// One fault of a stack file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Diagnostic)]
#[error("{message}{}", with_environment(environment))]
pub struct Fault {
    /// What is wrong, and why.
    pub message: String,
    /// Where, in bytes of the file.
    #[label("here")]
    pub span: SourceSpan,
    /// What to do.
    #[help]
    pub help: String,
    /// The environment without which the fault would not be.
    pub environment: Option<String>,
}

fn with_environment(environment: &Option<String>) -> String {
    match environment {
        Some(name) => format!(" (with `--env {name}`)"),
        None => String::new(),
    }
}

/// A stack file with faults.
#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("{file} is not a valid stack file ({} error{})", faults.len(), if faults.len() == 1 { "" } else { "s" })]
pub struct Invalid {
    /// The file.
    pub file: String,
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

    /// Line and column at which a fault begins, both counted from 1, the column in characters.
    pub fn position(&self, fault: &Fault) -> (usize, usize) {
        position(self.source_code.inner(), fault.span.offset())
    }
}

/// Line and column of an offset in bytes, both counted from 1, the column in characters.
pub fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = before.matches('\n').count() + 1;
    (line, before[line_start..].chars().count() + 1)
}

/// What a stack file needs of its surroundings: who reads the file checks it.
#[derive(Debug, Clone)]
pub enum Need {
    /// A folder.
    Folder(PathBuf),
    /// At least one of these files.
    AnyFile(Vec<PathBuf>),
    /// No rule that is built in has this id.
    FreeRuleId(String),
}

impl Need {
    fn lies_in(&self, folder: &Path) -> bool {
        match self {
            Need::Folder(path) => path.starts_with(folder),
            Need::AnyFile(files) => files.iter().all(|file| file.starts_with(folder)),
            Need::FreeRuleId(_) => false,
        }
    }
}

/// Collects faults while a file is read, so that none hides another.
#[derive(Debug, Default)]
pub(super) struct Faults {
    found: Vec<Fault>,
    /// Faults that are some only where the need is not met.
    conditional: Vec<(Need, Fault)>,
    /// Keys that were typed and could not be read: that they are missing is no second fault.
    unread: BTreeSet<String>,
}

impl Faults {
    /// Notes a fault.
    pub(super) fn add(
        &mut self,
        span: &Range<usize>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.found.push(fault(span, message, help));
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

    /// Notes that the key with this dotted path is missing from a section, unless something was typed there that could
    /// not be read.
    pub(super) fn add_missing(
        &mut self,
        path: &str,
        section: &Range<usize>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        let was_typed = self
            .unread
            .iter()
            .any(|unread| is_within(path, unread) || is_within(unread, path));
        self.check(was_typed, section, message, help);
    }

    /// Notes a key that was typed and could not be read.
    pub(super) fn add_unread(&mut self, path: String) {
        self.unread.insert(path);
    }

    /// Notes a fault for the case that this machine does not have what is needed.
    pub(super) fn need(
        &mut self,
        need: Need,
        span: &Range<usize>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.conditional.push((need, fault(span, message, help)));
    }

    /// All faults, given which needs are met. Without the folder there is no file in it, and of several unmet needs
    /// at one place the first is enough: neither is a fault of its own.
    pub(super) fn into_vec(self, is_met: impl Fn(&Need) -> bool) -> Vec<Fault> {
        let mut faults = self.found;
        let mut places = BTreeSet::new();
        let mut missing_folders: Vec<PathBuf> = Vec::new();
        for (need, fault) in self.conditional {
            if is_met(&need) || missing_folders.iter().any(|folder| need.lies_in(folder)) {
                continue;
            }
            if places.insert((fault.span.offset(), fault.span.len())) {
                faults.push(fault);
            }
            if let Need::Folder(folder) = need {
                missing_folders.push(folder);
            }
        }
        faults
    }
}

/// Whether the dotted path is `outer`, or lies in it.
fn is_within(path: &str, outer: &str) -> bool {
    path.strip_prefix(outer)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn fault(span: &Range<usize>, message: impl Into<String>, help: impl Into<String>) -> Fault {
    Fault {
        message: message.into(),
        span: span.clone().into(),
        help: help.into(),
        environment: None,
    }
}
