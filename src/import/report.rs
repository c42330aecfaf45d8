//! What was found, for people and for programs.

use schemars::JsonSchema;
use serde::Serialize;

use super::write::{Effect, Imported, Noted};
use super::{Finding, Left, Place, Source};
use crate::rules::Severity;
use crate::ui::{BOLD, RED, YELLOW, counted, paint};

/// For people: findings first, then what became of what was read.
pub fn text(findings: &[Finding], imported: &Imported, source: &Source) -> String {
    let mut text = String::new();
    for group in findings.chunk_by(|one, other| one.rule == other.rule) {
        push_group(&mut text, group);
    }
    let (errors, warnings): (Vec<_>, Vec<_>) = findings
        .iter()
        .partition(|it| it.severity == Severity::Error);
    text.push_str(&format!(
        "{}, {}\n",
        counted(errors.len(), "error"),
        counted(warnings.len(), "warning")
    ));
    list(
        &mut text,
        "other Deployments, which the stack is not made of (`--name NAME` takes one of them instead)",
        imported.other_deployments.iter().cloned(),
    );
    list(
        &mut text,
        "to set before an apply",
        imported
            .to_set
            .iter()
            .map(|it| format!("{}: {}", it.key, it.note)),
    );
    list(
        &mut text,
        "fixed",
        imported
            .fixed
            .iter()
            .map(|it| format!("{}: {}", it.key, it.note)),
    );
    let not_taken = imported
        .not_taken
        .iter()
        .map(|it| with_places(&it.what, &it.places, &it.why));
    list(&mut text, "not taken", not_taken);
    let gaps = source
        .gaps
        .iter()
        .map(|(place, why)| format!("{place}: {why}"));
    list(
        &mut text,
        "not understood (`helm template DIR > FILE`, then `uninlu import yaml FILE`, reads what Helm makes of it)",
        gaps,
    );
    let effects = imported.first_apply.iter().map(|effect| {
        let fields: String = effect
            .fields
            .iter()
            .map(|field| format!("\n      {field}"))
            .collect();
        format!(
            "{}: {}; {}{fields}",
            effect.object,
            effect.action.word(),
            effect.why
        )
    });
    list(&mut text, "at the first apply", effects);
    text
}

/// What one rule found: why and fix are said once.
fn push_group(text: &mut String, group: &[Finding]) {
    let Some(first) = group.first() else { return };
    let style = match first.severity {
        Severity::Error => RED,
        Severity::Warning => YELLOW,
    };
    text.push_str(&format!(
        "{} {}\n",
        paint(style, first.severity.word()),
        paint(BOLD, first.rule)
    ));
    for finding in group {
        let subject: Vec<&str> = [&finding.object, &finding.field]
            .into_iter()
            .flatten()
            .map(String::as_str)
            .collect();
        let heads = [places(&finding.places), subject.join(" ")];
        let heads: Vec<String> = heads.into_iter().filter(|part| !part.is_empty()).collect();
        text.push_str(&format!("  - {}\n    {}\n", heads.join("  "), finding.what));
    }
    text.push_str(&format!("    why: {}\n    fix: {}\n", first.why, first.fix));
}

fn places(places: &[Place]) -> String {
    let places: Vec<String> = places.iter().map(Place::to_string).collect();
    places.join(", ")
}

fn with_places(what: &str, at: &[Place], why: &str) -> String {
    match at {
        [] => format!("{what}: {why}"),
        at => format!("{what} ({}): {why}", places(at)),
    }
}

fn list(text: &mut String, title: &str, items: impl Iterator<Item = String>) {
    let items: Vec<String> = items.collect();
    if items.is_empty() {
        return;
    }
    text.push_str(&format!("{}\n", paint(BOLD, format_args!("{title}:"))));
    for item in items {
        text.push_str(&format!("  - {item}\n"));
    }
}

/// Stack file and findings as data; docs/import.md describes it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Report<'a> {
    /// Text of the stack file.
    stack_file: &'a str,
    findings: Vec<FindingReport<'a>>,
    /// Keys that hold a placeholder.
    to_set: &'a [Noted],
    /// Keys whose values differ from what was read.
    fixed: &'a [Noted],
    /// What has no place in a stack.
    not_taken: &'a [Left],
    /// Templates that could not be read as Helm reads them.
    not_understood: Vec<Gap<'a>>,
    /// Deployments that were not chosen.
    other_deployments: &'a [String],
    /// What the first apply does.
    first_apply: &'a [Effect],
}

#[derive(Debug, Serialize, JsonSchema)]
struct FindingReport<'a> {
    rule: &'a str,
    severity: Severity,
    object: Option<&'a str>,
    field: Option<&'a str>,
    places: &'a [Place],
    message: &'a str,
    why: &'a str,
    help: &'a str,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Gap<'a> {
    place: &'a Place,
    why: &'a str,
}

/// The report for programs.
pub fn json<'a>(findings: &'a [Finding], imported: &'a Imported, source: &'a Source) -> Report<'a> {
    let gaps = source.gaps.iter().map(|(place, why)| Gap { place, why });
    Report {
        stack_file: &imported.stack,
        findings: findings.iter().map(finding_json).collect(),
        to_set: &imported.to_set,
        fixed: &imported.fixed,
        not_taken: &imported.not_taken,
        not_understood: gaps.collect(),
        other_deployments: &imported.other_deployments,
        first_apply: &imported.first_apply,
    }
}

fn finding_json(finding: &Finding) -> FindingReport<'_> {
    FindingReport {
        rule: finding.rule,
        severity: finding.severity,
        object: finding.object.as_deref(),
        field: finding.field.as_deref(),
        places: &finding.places,
        message: &finding.what,
        why: finding.why,
        help: finding.fix,
    }
}
