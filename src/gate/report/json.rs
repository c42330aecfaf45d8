//! For programs.

use schemars::JsonSchema;
use serde::Serialize;

use super::Judgment;
use super::judgment::{is_refused, summary_of};
use crate::document::{Document, Place};
use crate::gate::{self, Severity, Unknown, Waived};
use crate::ui::json_text;

pub(super) fn write(judged: &Judgment) -> String {
    json_text(&Document::new("gate", judged.place.clone(), report(judged)))
}

pub(super) fn write_all(all: &[Judgment]) -> String {
    let stacks = all.iter().map(|judged| OfStack {
        place: judged.place.clone(),
        report: report(judged),
    });
    let report = Reports {
        refused: is_refused(all),
        summary: summary_of(all),
        stacks: stacks.collect(),
    };
    json_text(&Document::new("gate", Place::NONE, report))
}

/// What the gate says of a stack.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Report<'a> {
    /// The stack file.
    file: &'a str,
    /// What an apply does, in a line; null where no cluster was asked.
    plan: Option<&'a str>,
    refused: bool,
    /// Whether warnings refuse too.
    strict: bool,
    summary: String,
    findings: Vec<Finding<'a>>,
    /// Rules that were skipped, and why.
    skipped: &'a [Unknown],
}

/// What the gate says of a folder's stacks.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Reports<'a> {
    /// Whether one of them is refused.
    refused: bool,
    summary: String,
    stacks: Vec<OfStack<'a>>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct OfStack<'a> {
    #[serde(flatten)]
    place: Place,
    #[serde(flatten)]
    report: Report<'a>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Finding<'a> {
    rule: &'a str,
    severity: Severity,
    /// Line of the stack file; null where the key has its default.
    line: Option<usize>,
    /// Key that may be the cause.
    key: Option<&'a str>,
    message: &'a str,
    why: &'a str,
    help: &'a str,
    /// The rule's page in the project; rules of one's own have none.
    page: Option<String>,
    /// The waiver that accepts it.
    waived: Option<&'a Waived>,
}

fn report<'a>(judged: &Judgment<'a>) -> Report<'a> {
    Report {
        file: judged.file,
        plan: judged.plan,
        refused: judged.is_refused(),
        strict: judged.strict,
        summary: judged.summary(),
        findings: judged.verdicts.findings.iter().map(finding).collect(),
        skipped: &judged.verdicts.unknown,
    }
}

fn finding(finding: &gate::Finding) -> Finding<'_> {
    let place = finding.place.as_ref();
    let likeliest = finding.keys.first();
    Finding {
        rule: &finding.rule,
        severity: finding.severity,
        line: place.map(|place| place.line),
        key: place
            .map(|place| &place.key)
            .or(likeliest)
            .map(String::as_str),
        message: &finding.message,
        why: &finding.why,
        help: &finding.fix,
        page: finding.page(),
        waived: finding.waived.as_ref(),
    }
}
