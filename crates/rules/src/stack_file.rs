//! The stack file itself, and its waivers.

use uninlu_stack::Waiver;

use super::waivers::holds;
use super::{Check, Rule, Subject, Verdict};

pub(super) const RULES: [Rule; 3] = [
    Rule {
        id: STACK_FILE,
        title: "the stack file is valid",
        why: "nothing can be planned from a file with errors",
        fix: "`uninlu validate` reports every error with its place and its fix",
        checks: &[Check::Planned(valid)],
        ..Rule::ERROR
    },
    Rule {
        id: "waiver-expired",
        title: "every waiver still holds",
        why: "what was accepted for a time is no longer accepted, and was to be reviewed by now",
        fix: "fix what it accepted, or review it and move `until`",
        keys: &["gate.allow"],
        checks: &[Check::Planned(expired)],
        ..Rule::WARNING
    },
    Rule {
        id: "waiver-unknown",
        title: "every waiver names a rule",
        why: "a waiver for a rule that does not exist accepts nothing; a misspelt one leaves its finding",
        fix: "write the id as findings show it; docs/rules lists those that are built in",
        keys: &["gate.allow"],
        checks: &[Check::Waivers(unknown)],
        ..Rule::WARNING
    },
];

/// Id of the errors that keep a stack from being read.
pub const STACK_FILE: &str = "stack-file";

/// What is checked is a valid stack; the command reports the errors of one that is not.
fn valid(_: &Subject) -> Verdict {
    Verdict::default()
}

fn expired(subject: &Subject) -> Verdict {
    of_waivers(subject, |waiver| {
        let until = waiver.until.filter(|_| !holds(waiver, subject.today))?;
        Some(format!("the waiver of `{}` ended on {until}", waiver.rule))
    })
}

fn unknown(subject: &Subject, is_known: fn(&str) -> bool) -> Verdict {
    let own = &subject.stack.gate.rules;
    of_waivers(subject, |waiver| {
        let is_rule = is_known(&waiver.rule) || own.iter().any(|rule| rule.id == waiver.rule);
        (!is_rule).then(|| format!("no rule is called `{}`", waiver.rule))
    })
}

/// What is wrong with waivers, each at its own line.
fn of_waivers(subject: &Subject, wrong: impl Fn(&Waiver) -> Option<String>) -> Verdict {
    let waivers = subject.stack.gate.allow.iter().enumerate();
    Verdict::at(
        waivers.filter_map(|(index, waiver)| Some((format!("gate.allow.{index}"), wrong(waiver)?))),
    )
}
