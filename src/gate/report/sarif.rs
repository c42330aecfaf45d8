//! SARIF 2.1.0 (OASIS), as code scanning reads it.

use serde_json::{Value, json};

use super::Judgment;
use crate::escape;
use crate::gate::{Finding, Severity, rules};

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

pub(super) fn write(judged: &Judgment) -> String {
    document(judged.what, &[*judged], results(judged), notes(judged))
}

/// One run for all: code scanning refuses a file with several of one tool and category. Whose each result is, its
/// properties say.
pub(super) fn write_all(folder: &str, all: &[Judgment]) -> String {
    let of_each = |list: fn(&Judgment) -> Vec<Value>| {
        let lists = all.iter().flat_map(|judged| {
            let list = list(judged).into_iter();
            list.map(|mut entry| {
                entry["properties"] = json!({ "stack": judged.what });
                entry
            })
        });
        lists.collect()
    };
    document(folder, all, of_each(results), of_each(notes))
}

fn document(what: &str, all: &[Judgment], results: Vec<Value>, notes: Vec<Value>) -> String {
    let report = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "uninlu",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules_of(all),
            } },
            "automationDetails": { "id": format!("uninlu-gate/{what}") },
            "invocations": [{ "executionSuccessful": true, "toolExecutionNotifications": notes }],
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    });
    format!("{report:#}\n")
}

fn results(judged: &Judgment) -> Vec<Value> {
    let findings = judged.verdicts.findings.iter();
    findings
        .map(|finding| result(judged.file, finding))
        .collect()
}

fn notes(judged: &Judgment) -> Vec<Value> {
    judged.unknown().into_iter().map(notification).collect()
}

/// Every rule that is built in, and those of one's own that were found broken.
fn rules_of(all: &[Judgment]) -> Vec<Value> {
    let mut known: Vec<Value> = rules()
        .map(|rule| {
            json!({
                "id": rule.id,
                "shortDescription": { "text": rule.title },
                "fullDescription": { "text": rule.why },
                "help": { "text": rule.fix },
                "helpUri": rule.page(),
                "defaultConfiguration": { "level": level(rule.severity) },
            })
        })
        .collect();
    for finding in all.iter().flat_map(|judged| &judged.verdicts.findings) {
        if known.iter().all(|rule| rule["id"] != finding.rule.as_str()) {
            known.push(json!({
                "id": finding.rule,
                "shortDescription": { "text": message(&finding.why) },
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
        "message": { "text": message(&finding.sentences()) },
        "locations": [{ "physicalLocation": {
            "artifactLocation": { "uri": uri(file) },
            "region": { "startLine": finding.line() },
        } }],
    });
    if let Some(waiver) = finding.waived.as_ref() {
        let waiver = message(&waiver.to_string());
        result["suppressions"] =
            json!([{ "kind": "inSource", "status": "accepted", "justification": waiver }]);
    }
    result
}

/// Even plain text may hold links here (SARIF 3.11.6): text of others holds none.
fn message(text: &str) -> String {
    escape::visible(text).replace("](", "] (")
}

fn notification((reason, rules): (&str, Vec<&str>)) -> Value {
    json!({
        "level": "note",
        "message": { "text": message(&format!("skipped ({}): {reason}", rules.join(", "))) },
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
