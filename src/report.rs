//! Errors as people read them: miette's frame around text that is escaped, since most of it is that of others. And as
//! programs read them.

use std::fmt;

use miette::{
    Diagnostic, LabeledSpan, MietteHandler, MietteHandlerOpts, NamedSource, ReportHandler,
    Severity, SourceCode, SourceSpan,
};

use crate::document::{Detail, Problem};
use crate::escape;
use crate::stack::position;

/// How errors are shown.
pub(crate) struct Handler(MietteHandler);

impl Handler {
    /// A terminal wraps lines by itself; wrapped by us, a command in an error could not be copied, nor found in a log.
    pub(crate) fn new() -> Self {
        Self(MietteHandlerOpts::new().wrap_lines(false).build())
    }

    /// An error, and below it each of those that it is made of: miette puts a bare `Error:` above them.
    fn show(&self, mut error: Shown, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let related = std::mem::take(&mut error.related);
        self.0.debug(&error, formatter)?;
        for one in related {
            self.show(one, formatter)?;
        }
        Ok(())
    }
}

impl ReportHandler for Handler {
    fn debug(&self, error: &dyn Diagnostic, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.show(Shown::of(error, None), formatter)
    }
}

/// The cause that has no further one: the libraries' upper ones repeat it, or only say that something failed.
pub(crate) fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// The error as data.
pub(crate) fn problem(error: &dyn Diagnostic) -> Problem {
    let own = error.source_code().and_then(Whole::read);
    let related = error.related().into_iter().flatten();
    let mut details: Vec<Detail> = related.map(|one| detail(one, own.as_ref())).collect();
    if details.is_empty() && own.is_some() {
        details.push(detail(error, None));
    }
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    Problem {
        message: error.to_string(),
        causes: causes.map(ToString::to_string).collect(),
        help: error.help().map(|help| help.to_string()),
        details,
    }
}

/// `outer` is the text of the error that this one is a part of.
fn detail(error: &dyn Diagnostic, outer: Option<&Whole>) -> Detail {
    let own = error.source_code().and_then(Whole::read);
    let whole = own.as_ref().or(outer);
    let label = error.labels().and_then(|mut labels| labels.next());
    let position = whole
        .zip(label)
        .map(|(whole, label)| position(&whole.text, label.offset()));
    Detail {
        message: error.to_string(),
        help: error.help().map(|help| help.to_string()),
        file: whole.map(|whole| whole.name.clone()),
        line: position.map(|(line, _)| line),
        column: position.map(|(_, column)| column),
    }
}

/// An error whose every word is escaped.
#[derive(Debug)]
struct Shown {
    message: String,
    help: Option<String>,
    severity: Option<Severity>,
    cause: Option<Box<Shown>>,
    /// Whether it is more than a message: as a cause it has its own excerpt.
    is_diagnostic: bool,
    related: Vec<Shown>,
    excerpt: Option<NamedSource<String>>,
    labels: Vec<LabeledSpan>,
}

/// A whole text that an error speaks of.
struct Whole {
    name: String,
    text: String,
}

impl Shown {
    /// `outer` is the text of the error that this one is a part of.
    fn of(error: &dyn Diagnostic, outer: Option<&Whole>) -> Self {
        let own = error.source_code().and_then(Whole::read);
        let whole = own.as_ref().or(outer);
        let labels = error.labels().into_iter().flatten();
        let related = error.related().into_iter().flatten();
        let cause = match (error.diagnostic_source(), error.source()) {
            (Some(cause), _) => Some(Self::of(cause, whole)),
            (None, Some(cause)) => Some(Self::of_plain(cause)),
            (None, None) => None,
        };
        Self {
            message: escape::log(&error.to_string()),
            help: error.help().map(|help| escape::log(&help.to_string())),
            severity: error.severity(),
            cause: cause.map(Box::new),
            is_diagnostic: true,
            related: related.map(|one| Self::of(one, whole)).collect(),
            excerpt: whole.map(Whole::excerpt),
            labels: labels.map(|label| moved(&label, whole)).collect(),
        }
    }

    fn of_plain(error: &dyn std::error::Error) -> Self {
        Self {
            message: escape::log(&error.to_string()),
            help: None,
            severity: None,
            cause: error.source().map(Self::of_plain).map(Box::new),
            is_diagnostic: false,
            related: Vec::new(),
            excerpt: None,
            labels: Vec::new(),
        }
    }
}

impl Whole {
    fn read(code: &dyn SourceCode) -> Option<Self> {
        let all = code
            .read_span(&SourceSpan::from((0, 0)), 0, usize::MAX)
            .ok()?;
        Some(Self {
            name: all.name().unwrap_or_default().to_owned(),
            text: String::from_utf8_lossy(all.data()).into_owned(),
        })
    }

    fn excerpt(&self) -> NamedSource<String> {
        NamedSource::new(escape::log(&self.name), escape::log(&self.text))
    }

    /// Where an offset of the text is in the escaped one.
    fn offset(&self, offset: usize) -> usize {
        let before = self.text.get(..offset).unwrap_or(&self.text);
        // A label may end within a line's end of two bytes.
        escape::log(before.strip_suffix('\r').unwrap_or(before)).len()
    }
}

/// The label in the escaped text.
fn moved(label: &LabeledSpan, whole: Option<&Whole>) -> LabeledSpan {
    let words = label.label().map(escape::log);
    let (start, end) = (label.offset(), label.offset() + label.len());
    let (start, end) = whole.map_or((start, end), |whole| {
        (whole.offset(start), whole.offset(end))
    });
    if label.primary() {
        LabeledSpan::new_primary_with_span(words, (start, end.saturating_sub(start)))
    } else {
        LabeledSpan::new(words, start, end.saturating_sub(start))
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Shown {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        let cause = self.cause.as_deref()?;
        Some(cause)
    }
}

impl Diagnostic for Shown {
    fn severity(&self) -> Option<Severity> {
        self.severity
    }

    fn help(&self) -> Option<Box<dyn fmt::Display + '_>> {
        Some(Box::new(self.help.as_deref()?))
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(self.excerpt.as_ref()?)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let has_labels = !self.labels.is_empty();
        has_labels.then(|| Box::new(self.labels.iter().cloned()) as Box<_>)
    }

    fn related(&self) -> Option<Box<dyn Iterator<Item = &dyn Diagnostic> + '_>> {
        let related = self.related.iter().map(|one| one as &dyn Diagnostic);
        (!self.related.is_empty()).then(|| Box::new(related) as Box<_>)
    }

    fn diagnostic_source(&self) -> Option<&dyn Diagnostic> {
        let cause = self.cause.as_deref()?;
        cause.is_diagnostic.then_some(cause as &dyn Diagnostic)
    }
}
