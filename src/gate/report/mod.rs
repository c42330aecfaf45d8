//! The gate's word in the forms that people and CI systems read.

mod github;
mod json;
mod junit;
mod markdown;
mod sarif;
mod text;

use clap::ValueEnum;

pub use json::{Report, Reports};

use super::{Finding, Place, Severity, Verdicts, rules};
use crate::document;
use crate::escape;
use crate::rules::{Rule, STACK_FILE};
use crate::stack::Invalid;
use crate::ui::capitalised;

/// In which form the gate speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// For people
    #[default]
    Text,
    /// For programs
    Json,
    /// JUnit XML: each rule is a test case
    Junit,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// For a pull request's comment
    Markdown,
    /// Workflow commands: GitHub shows them at the stack file's lines
    Github,
}

/// What there is to tell.
#[derive(Debug, Clone, Copy)]
pub struct Told<'a> {
    /// Which stack it is.
    pub place: &'a document::Place,
    /// `siamese-uninlu in namespace nlu of context prod`
    pub what: &'a str,
    /// The stack file, as the reader finds it.
    pub file: &'a str,
    /// What an apply would do, in a line; `None` where no cluster was asked.
    pub plan: Option<&'a str>,
    /// What the rules say.
    pub verdicts: &'a Verdicts,
    /// Whether warnings refuse too.
    pub strict: bool,
}

/// Everything in that form, with a line's end.
pub fn write(format: Format, told: &Told) -> String {
    match format {
        Format::Text => text::write(told),
        Format::Json => json::write(told),
        Format::Junit => junit::write_all(&[*told]),
        Format::Sarif => escape::json(&sarif::write(told)),
        Format::Markdown => markdown::write(told),
        Format::Github => github::write(told),
    }
}

/// The stacks of a folder in that form, as one document.
pub fn write_all(format: Format, folder: &str, all: &[Told]) -> String {
    match format {
        Format::Text => text::write_all(all),
        Format::Json => json::write_all(all),
        Format::Junit => junit::write_all(all),
        Format::Sarif => escape::json(&sarif::write_all(folder, all)),
        Format::Markdown => markdown::write_all(folder, all),
        Format::Github => github::write_all(all),
    }
}

fn is_refused(all: &[Told]) -> bool {
    all.iter().any(Told::is_refused)
}

/// `refused: 1 of 3 stacks`
fn summary_of(all: &[Told]) -> String {
    let refused = all.iter().filter(|told| told.is_refused()).count();
    let (word, count) = match refused {
        0 => ("passed", all.len()),
        refused => ("refused", refused),
    };
    format!("{word}: {count} of {} stacks", all.len())
}

/// The errors of a file that is not a valid stack, as findings.
pub fn faults(invalid: &Invalid) -> Verdicts {
    let rule = rules().find(|rule| rule.id == STACK_FILE);
    let finding = |fault| {
        let (line, _) = invalid.position(fault);
        Finding {
            rule: STACK_FILE.to_owned(),
            severity: Severity::Error,
            keys: Vec::new(),
            message: fault.message.clone(),
            why: rule.map(|rule| rule.why.to_owned()).unwrap_or_default(),
            fix: fault.help.clone(),
            place: Some(Place {
                key: String::new(),
                line,
            }),
            waived: None,
        }
    };
    Verdicts {
        findings: invalid.faults.iter().map(finding).collect(),
        unknown: Vec::new(),
    }
}

/// In the place of a rule's id. No rule has it, so that nothing can accept it.
const NOT_JUDGED: &str = "not-judged";

/// What is told in the place of findings of a stack that could not be judged: no plan could be made, say.
pub fn not_judged(message: String, fix: String) -> Verdicts {
    let finding = Finding {
        rule: NOT_JUDGED.to_owned(),
        severity: Severity::Error,
        keys: Vec::new(),
        message,
        why: "what cannot be planned cannot be judged".to_owned(),
        fix,
        place: Some(Place {
            key: String::new(),
            line: 1,
        }),
        waived: None,
    };
    Verdicts {
        findings: vec![finding],
        unknown: Vec::new(),
    }
}

impl Told<'_> {
    fn is_refused(&self) -> bool {
        self.verdicts.refuse(self.strict)
    }

    /// `refused: 1 error, 2 warnings, 1 waived`
    fn summary(&self) -> String {
        let waived = self.verdicts.findings.iter();
        let waived = waived.filter(|finding| finding.waived.is_some()).count();
        let counts = [
            (self.verdicts.count(Severity::Error), "error"),
            (self.verdicts.count(Severity::Warning), "warning"),
        ]
        .map(|(count, word)| format!("{count} {word}{}", if count == 1 { "" } else { "s" }));
        let word = if self.is_refused() {
            "refused"
        } else {
            "passed"
        };
        format!("{word}: {}, {waived} waived", counts.join(", "))
    }

    /// What was skipped, the rules of one reason together.
    fn unknown(&self) -> Vec<(&str, Vec<&str>)> {
        let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
        for unknown in &self.verdicts.unknown {
            match reasons
                .iter_mut()
                .find(|(reason, _)| *reason == unknown.reason)
            {
                Some((_, rules)) => rules.push(&unknown.rule),
                None => reasons.push((&unknown.reason, vec![&unknown.rule])),
            }
        }
        reasons
    }
}

impl Finding {
    /// `error`, `warning` or `waived`.
    fn word(&self) -> &'static str {
        match self.waived {
            Some(_) => "waived",
            None => self.severity.word(),
        }
    }

    /// `uninlu.toml:7, replicas`; only the likeliest key where all have their defaults.
    pub fn words_of_place(&self, file: &str) -> String {
        match (&self.place, self.keys.first()) {
            (Some(place), _) if place.key.is_empty() => format!("{file}:{}", place.line),
            (Some(place), _) => format!("{file}:{}, {}", place.line, place.key),
            (None, Some(key)) => format!("{key}, by default"),
            (None, None) => "no key sets it".to_owned(),
        }
    }

    /// Where a reader that wants a line is sent: the beginning where nothing is written.
    fn line(&self) -> usize {
        self.place.as_ref().map_or(1, |place| place.line)
    }

    /// What is found, why it matters, and what to do.
    fn sentences(&self) -> String {
        format!(
            "{}. {}. Fix: {}",
            self.message,
            capitalised(&self.why),
            self.fix
        )
    }

    /// The rule's page in the project; rules of one's own have none.
    fn page(&self) -> Option<String> {
        let mut rules = rules().filter(|rule| rule.id == self.rule);
        rules.next().map(Rule::page)
    }
}
