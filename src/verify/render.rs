//! Checks for people, for programs and for CI systems.

use schemars::JsonSchema;
use serde::Serialize;

use super::{Check, Evidence, Verdict, failed};
use crate::junit::{self, Case, Failure, Outcome, Suite};
use crate::rules::Severity;
use crate::stack::Stack;
use crate::ui::{DIM, GREEN, RED, paint};

/// A line for each check, and its evidence below it; equal answers of several pods are one line.
pub fn text(checks: &[Check]) -> String {
    checks.iter().map(check_text).collect()
}

fn check_text(check: &Check) -> String {
    let head = |mark: String| format!("{mark} {}  {}\n", check.id, check.promise);
    match &check.verdict {
        Verdict::Skipped(why) => {
            let line = format!("- {}  skipped: {why}", check.id);
            format!("{}\n", paint(DIM, line))
        }
        Verdict::Waived(waived) => {
            let line = format!("- {}  {waived}", check.id);
            format!("{}\n", paint(DIM, line)) + &evidence_text(&check.evidence)
        }
        Verdict::Passed => head(paint(GREEN, "✓")) + &evidence_text(&check.evidence),
        Verdict::Failed => {
            let fix = format!("    fix: {}\n", check.fix);
            head(paint(RED, "✗")) + &evidence_text(&check.evidence) + &fix
        }
    }
}

fn evidence_text(evidence: &[Evidence]) -> String {
    let mut groups: Vec<(Vec<&str>, &Evidence)> = Vec::new();
    for one in evidence {
        let is_alike = |first: &Evidence| (&first.asked, &first.seen) == (&one.asked, &one.seen);
        match groups.iter_mut().find(|(_, first)| is_alike(first)) {
            Some((names, _)) => names.push(&one.of),
            None => groups.push((vec![&one.of], one)),
        }
    }
    let lines = groups.into_iter().map(|(names, one)| {
        let mark = if one.holds { "" } else { "✗ " };
        format!("    {mark}{}, {}: {}\n", who(&names), one.asked, one.seen)
    });
    lines.collect()
}

fn who(names: &[&str]) -> String {
    match names {
        [one] => (*one).to_owned(),
        _ => format!("{} pods", names.len()),
    }
}

/// How many passed, failed and were skipped.
pub fn summary(checks: &[Check]) -> String {
    let count = |is: fn(&Verdict) -> bool| checks.iter().filter(|check| is(&check.verdict)).count();
    let waived = match count(|verdict| matches!(verdict, Verdict::Waived(_))) {
        0 => String::new(),
        waived => format!(", {waived} waived"),
    };
    format!(
        "{} passed, {} failed, {} skipped{waived}",
        count(|verdict| *verdict == Verdict::Passed),
        count(|verdict| *verdict == Verdict::Failed),
        count(|verdict| matches!(verdict, Verdict::Skipped(_))),
    )
}

/// The checks as data; docs/verify.md describes it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Report<'a> {
    /// Whether every check passed or was skipped.
    passed: bool,
    checks: Vec<CheckReport<'a>>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct CheckReport<'a> {
    id: &'a str,
    /// What must hold.
    promise: &'a str,
    /// `passed`, `failed`, `skipped` or `waived`.
    result: &'a str,
    /// Why it was skipped or waived.
    reason: Option<String>,
    /// What to do when it failed.
    help: Option<&'a str>,
    evidence: &'a [Evidence],
}

/// The checks for programs.
pub fn json(checks: &[Check]) -> Report<'_> {
    Report {
        passed: failed(checks).is_empty(),
        checks: checks.iter().map(check_json).collect(),
    }
}

fn check_json(check: &Check) -> CheckReport<'_> {
    let (help, reason) = match &check.verdict {
        Verdict::Passed => (None, None),
        Verdict::Failed => (Some(check.fix), None),
        Verdict::Skipped(why) => (None, Some((*why).to_owned())),
        Verdict::Waived(waived) => (None, Some(waived.to_string())),
    };
    CheckReport {
        id: check.id,
        promise: check.promise,
        result: check.verdict.word(),
        reason,
        help,
        evidence: &check.evidence,
    }
}

/// A test suite with a case for each check.
pub fn junit(stack: &Stack, checks: &[Check]) -> String {
    let name = format!("uninlu verify {}", stack.name);
    junit::write(&[Suite {
        class: name.clone(),
        name,
        file: None,
        cases: checks.iter().map(case).collect(),
    }])
}

fn case(check: &Check) -> Case {
    let outcome = match &check.verdict {
        Verdict::Passed => Outcome::Passed,
        Verdict::Skipped(why) => Outcome::Skipped((*why).to_owned()),
        Verdict::Waived(waived) => Outcome::Skipped(waived.to_string()),
        Verdict::Failed => {
            let failing = check.evidence.iter().filter(|one| !one.holds);
            let words: Vec<String> = failing.map(Evidence::to_string).collect();
            Outcome::Failed(vec![Failure {
                kind: Severity::Error.word(),
                message: words.join("; "),
                text: format!("fix: {}", check.fix),
            }])
        }
    };
    Case {
        name: check.id.to_owned(),
        outcome,
        output: check.evidence.iter().map(Evidence::to_string).collect(),
    }
}
