//! Checks for people, for programs and for CI systems.

use serde_json::{Value, json};

use super::{Check, Evidence, Verdict, failed};
use crate::junit::{self, Case, Outcome};
use crate::stack::Stack;
use crate::ui::{DIM, GREEN, RED, paint};

/// A line for each check, and its evidence below it; what several pods told alike is one line.
pub fn text(checks: &[Check]) -> String {
    checks.iter().map(check_text).collect()
}

fn check_text(check: &Check) -> String {
    let head = |mark: String| format!("{mark} {}  {}\n", check.id, check.promise);
    match check.verdict {
        Verdict::Skipped(why) => {
            let line = format!("- {}  skipped: {why}", check.id);
            format!("{}\n", paint(DIM, line))
        }
        Verdict::Passed => head(paint(GREEN, "✓")) + &evidence_text(&check.evidence),
        Verdict::Failed => {
            let mend = format!("    mend: {}\n", check.mend);
            head(paint(RED, "✗")) + &evidence_text(&check.evidence) + &mend
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
    let count = |is: fn(Verdict) -> bool| checks.iter().filter(|check| is(check.verdict)).count();
    format!(
        "{} passed, {} failed, {} skipped",
        count(|verdict| verdict == Verdict::Passed),
        count(|verdict| verdict == Verdict::Failed),
        count(|verdict| matches!(verdict, Verdict::Skipped(_))),
    )
}

/// The form that docs/verify.md describes.
pub fn json(stack: &Stack, checks: &[Check]) -> Value {
    json!({
        "format_version": 1,
        "stack": stack.name,
        "namespace": stack.namespace,
        "context": stack.cluster.context,
        "environment": stack.environment,
        "passed": failed(checks).is_empty(),
        "checks": checks.iter().map(check_json).collect::<Vec<_>>(),
    })
}

fn check_json(check: &Check) -> Value {
    let (mend, reason) = match check.verdict {
        Verdict::Passed => (None, None),
        Verdict::Failed => (Some(check.mend), None),
        Verdict::Skipped(why) => (None, Some(why)),
    };
    json!({
        "id": check.id,
        "promise": check.promise,
        "result": check.verdict.word(),
        "reason": reason,
        "mend": mend,
        "evidence": check.evidence,
    })
}

/// A test suite with a case for each check.
pub fn junit(stack: &Stack, checks: &[Check]) -> String {
    let cases: Vec<Case> = checks.iter().map(case).collect();
    junit::junit(&format!("uninlu verify {}", stack.name), &cases)
}

fn case(check: &Check) -> Case {
    let outcome = match check.verdict {
        Verdict::Passed => Outcome::Passed,
        Verdict::Skipped(why) => Outcome::Skipped(why.to_owned()),
        Verdict::Failed => {
            let failing = check.evidence.iter().filter(|one| !one.holds);
            let words: Vec<String> = failing.map(Evidence::to_string).collect();
            Outcome::Failed(format!("{}; mend: {}", words.join("; "), check.mend))
        }
    };
    let evidence: Vec<String> = check.evidence.iter().map(Evidence::to_string).collect();
    Case {
        name: check.id.to_owned(),
        outcome,
        output: evidence.join("\n"),
    }
}

impl std::fmt::Display for Evidence {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}, {}: {}", self.of, self.asked, self.seen)
    }
}
