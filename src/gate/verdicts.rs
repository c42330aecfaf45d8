//! What the rules say of a stack.

use serde::Serialize;

use crate::rules::{Severity, Waived};

/// One rule's verdict on one matter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Id of the rule, by which a waiver names it.
    pub rule: String,
    /// How bad it is.
    pub severity: Severity,
    /// The keys of the stack file that may be its cause, as dotted paths, likeliest first.
    pub keys: Vec<String>,
    /// What is found.
    pub message: String,
    /// Why it matters.
    pub why: String,
    /// What to do.
    pub fix: String,
    /// Where it is written, once [`Verdicts::locate`] has looked. `None` where the keys have their defaults.
    pub place: Option<Place>,
    /// The waiver that accepts it.
    pub waived: Option<Waived>,
}

/// A key of the stack file and its line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Place {
    /// Dotted path.
    pub key: String,
    /// Counted from 1.
    pub line: usize,
}

/// A rule that could not be checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Unknown {
    /// Id of the rule.
    pub rule: String,
    /// Why.
    pub reason: String,
}

/// What all rules say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Verdicts {
    /// In the order of the rules.
    pub findings: Vec<Finding>,
    /// What was skipped; no reason to refuse.
    pub unknown: Vec<Unknown>,
}

impl Verdicts {
    /// Findings of that severity that nothing accepts.
    pub fn count(&self, severity: Severity) -> usize {
        let counts = |finding: &&Finding| finding.severity == severity && finding.waived.is_none();
        self.findings.iter().filter(counts).count()
    }

    /// Notes where each finding stands, as `find` knows of its keys: the first that is written, and its line.
    pub fn locate(&mut self, find: impl for<'k> Fn(&[&'k str]) -> Option<(&'k str, usize)>) {
        for finding in &mut self.findings {
            let keys: Vec<&str> = finding.keys.iter().map(String::as_str).collect();
            finding.place = find(&keys).map(|(key, line)| Place {
                key: key.to_owned(),
                line,
            });
        }
    }

    /// Whether the gate stays closed: for an error, and if `strict` for a warning too.
    pub fn refuse(&self, strict: bool) -> bool {
        self.count(Severity::Error) > 0 || strict && self.count(Severity::Warning) > 0
    }
}
