//! What a report shows: a stack, and what the rules say of it.

use crate::document;
use crate::gate::{Finding, Place, Verdicts};
use crate::rules::{self, Rule, STACK_FILE, Severity};
use crate::stack::Invalid;
use crate::ui::{capitalised, counted};

/// A stack, and what the rules say of it.
#[derive(Debug, Clone, Copy)]
pub struct Judgment<'a> {
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

pub(super) fn is_refused(all: &[Judgment]) -> bool {
    all.iter().any(Judgment::is_refused)
}

/// `refused: 1 of 3 stacks`
pub(super) fn summary_of(all: &[Judgment]) -> String {
    let refused = all.iter().filter(|judged| judged.is_refused()).count();
    let (word, count) = match refused {
        0 => ("passed", all.len()),
        refused => ("refused", refused),
    };
    format!("{word}: {count} of {} stacks", all.len())
}

/// The errors of a file that is not a valid stack, as findings.
pub fn errors(invalid: &Invalid) -> Verdicts {
    let rule = rules::all().find(|rule| rule.id == STACK_FILE);
    let why = rule.map_or("", |rule| rule.why);
    let findings = invalid.faults.iter().map(|error| {
        let (line, _) = invalid.position(error);
        refusal(
            STACK_FILE,
            line,
            error.message.clone(),
            why,
            error.help.clone(),
        )
    });
    Verdicts {
        findings: findings.collect(),
        unknown: Vec::new(),
    }
}

/// An error of a file as a whole: its message, why it is one, and how it is fixed.
fn refusal(rule: &str, line: usize, message: String, why: &str, fix: String) -> Finding {
    Finding {
        rule: rule.to_owned(),
        severity: Severity::Error,
        keys: Vec::new(),
        message,
        why: why.to_owned(),
        fix,
        place: Some(Place {
            key: String::new(),
            line,
        }),
        waived: None,
    }
}

/// In the place of a rule's id. No rule has it, so that nothing can accept it.
pub(super) const NOT_JUDGED: &str = "not-judged";

/// What is shown in the place of findings of a stack that could not be judged: no plan could be made, say.
pub fn not_judged(message: String, fix: String) -> Verdicts {
    let why = "what cannot be planned cannot be judged";
    Verdicts {
        findings: vec![refusal(NOT_JUDGED, 1, message, why, fix)],
        unknown: Vec::new(),
    }
}

impl Judgment<'_> {
    pub(super) fn is_refused(&self) -> bool {
        self.verdicts.refuse(self.strict)
    }

    /// `refused: 1 error, 2 warnings, 1 waived`
    pub(super) fn summary(&self) -> String {
        let waived = self.verdicts.findings.iter();
        let waived = waived.filter(|finding| finding.waived.is_some()).count();
        let counts = [
            (self.verdicts.count(Severity::Error), "error"),
            (self.verdicts.count(Severity::Warning), "warning"),
        ]
        .map(|(count, word)| counted(count, word));
        let word = if self.is_refused() {
            "refused"
        } else {
            "passed"
        };
        format!("{word}: {}, {waived} waived", counts.join(", "))
    }

    /// What was skipped, the rules of one reason together.
    pub(super) fn unknown(&self) -> Vec<(&str, Vec<&str>)> {
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
    pub(super) fn word(&self) -> &'static str {
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
    pub(super) fn line(&self) -> usize {
        self.place.as_ref().map_or(1, |place| place.line)
    }

    /// What is found, why it matters, and what to do.
    pub(super) fn sentences(&self) -> String {
        format!(
            "{}. {}. Fix: {}",
            self.message,
            capitalised(&self.why),
            self.fix
        )
    }

    /// The rule's page in the project; rules of one's own have none.
    pub(super) fn page(&self) -> Option<String> {
        let mut rules = rules::all().filter(|rule| rule.id == self.rule);
        rules.next().map(Rule::page)
    }
}
