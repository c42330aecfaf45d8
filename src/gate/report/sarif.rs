//! SARIF 2.1.0 (OASIS), as code scanning reads it.

use serde_json::{Value, json};

use super::{Told, page};
use crate::gate::{Finding, Severity, rules};

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

pub(super) fn write(told: &Told) -> String {
    let results: Vec<Value> = told
        .verdicts
        .findings
        .iter()
        .map(|finding| result(told.file, finding))
        .collect();
    let notes: Vec<Value> = told.unknown().into_iter().map(notification).collect();
    let report = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "uninlu",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules_of(told),
            } },
            "automationDetails": { "id": format!("uninlu-gate/{}", told.what) },
            "invocations": [{ "executionSuccessful": true, "toolExecutionNotifications": notes }],
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    });
    format!("{report:#}\n")
}

/// Every rule that is built in, and those of one's own that were found broken.
fn rules_of(told: &Told) -> Vec<Value> {
    let mut known: Vec<Value> = rules()
        .map(|rule| {
            json!({
                "id": rule.id,
                "shortDescription": { "text": rule.title },
                "fullDescription": { "text": rule.why },
                "help": { "text": rule.mend },
                "helpUri": page(rule.id),
                "defaultConfiguration": { "level": level(rule.severity) },
            })
        })
        .collect();
    for finding in &told.verdicts.findings {
        if known.iter().all(|rule| rule["id"] != finding.rule.as_str()) {
            known.push(json!({
                "id": finding.rule,
                "shortDescription": { "text": finding.why },
                "defaultConfiguration": { "level": level(finding.severity) },
            }));
        }
    }
    known
}

const fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

fn result(file: &str, finding: &Finding) -> Value {
    let mut result = json!({
        "ruleId": finding.rule,
        "level": level(finding.severity),
        "message": { "text": finding.sentences() },
        "locations": [{ "physicalLocation": {
            "artifactLocation": { "uri": uri(file) },
            "region": { "startLine": finding.line() },
        } }],
    });
    if let Some(waiver) = finding.words_of_waiver() {
        result["suppressions"] =
            json!([{ "kind": "inSource", "status": "accepted", "justification": waiver }]);
    }
    result
}

fn notification((reason, rules): (&str, Vec<&str>)) -> Value {
    json!({
        "level": "note",
        "message": { "text": format!("not looked at ({}): {reason}", rules.join(", ")) },
    })
}

/// A path as a URI: what is no unreserved character of RFC 3986 is written by its bytes.
fn uri(path: &str) -> String {
    let mut uri = String::new();
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                uri.push(char::from(byte));
            }
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    if path.starts_with('/') {
        uri.insert_str(0, "file://");
    }
    uri
}
