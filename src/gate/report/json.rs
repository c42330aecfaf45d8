//! For programs.

use serde_json::{Value, json};

use super::{Told, is_refused, summary_of};
use crate::gate::Finding;

/// Version of the form; it changes when a reader would have to.
const FORMAT_VERSION: u32 = 1;

pub(super) fn write(told: &Told) -> String {
    format!("{:#}\n", report(told))
}

pub(super) fn write_all(all: &[Told]) -> String {
    let stacks: Vec<Value> = all.iter().map(report).collect();
    let report = json!({
        "format_version": FORMAT_VERSION,
        "refused": is_refused(all),
        "summary": summary_of(all),
        "stacks": stacks,
    });
    format!("{report:#}\n")
}

fn report(told: &Told) -> Value {
    let findings: Vec<Value> = told.verdicts.findings.iter().map(finding).collect();
    json!({
        "format_version": FORMAT_VERSION,
        "stack": told.what,
        "file": told.file,
        "plan": told.plan,
        "refused": told.is_refused(),
        "strict": told.strict,
        "summary": told.summary(),
        "findings": findings,
        "not_looked_at": told.verdicts.unknown,
    })
}

fn finding(finding: &Finding) -> Value {
    let place = finding.place.as_ref();
    json!({
        "rule": finding.rule,
        "severity": finding.severity,
        "line": place.map(|place| place.line),
        "key": place.map(|place| place.key.as_str()).or(finding.keys.first().map(String::as_str)),
        "message": finding.message,
        "why": finding.why,
        "mend": finding.mend,
        "page": finding.page(),
        "waived": finding.waived,
    })
}
