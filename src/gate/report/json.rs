//! For programs.

use serde_json::{Value, json};

use super::Told;
use crate::gate::Finding;

/// Version of the form; it changes when a reader would have to.
const FORMAT_VERSION: u32 = 1;

pub(super) fn write(told: &Told) -> String {
    let findings: Vec<Value> = told.verdicts.findings.iter().map(finding).collect();
    let report = json!({
        "format_version": FORMAT_VERSION,
        "stack": told.what,
        "file": told.file,
        "plan": told.plan,
        "refused": told.is_refused(),
        "strict": told.strict,
        "summary": told.summary(),
        "findings": findings,
        "not_looked_at": told.verdicts.unknown,
    });
    format!("{report:#}\n")
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
