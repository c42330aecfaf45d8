//! A suite for each stack, in it a test case for each rule.

use std::collections::BTreeMap;

use super::{NOT_JUDGED, Told};
use crate::gate::{Finding, Severity, Unknown, rules};
use crate::junit::{self, Case, Failure, Outcome, Suite};

/// What one rule found.
#[derive(Default)]
struct Said<'a> {
    findings: Vec<&'a Finding>,
    unknown: Option<&'a Unknown>,
}

pub(super) fn write_all(all: &[Told]) -> String {
    let suites: Vec<Suite> = all.iter().map(suite).collect();
    junit::write(&suites)
}

fn suite(told: &Told) -> Suite {
    let cases = said(told).into_iter();
    Suite {
        name: told.what.to_owned(),
        class: "uninlu.gate".to_owned(),
        file: Some(told.file.to_owned()),
        cases: cases.map(|(rule, said)| case(told, rule, &said)).collect(),
    }
}

/// Every rule that is built in, in their order, and then those that are not. Where nothing was judged none has passed.
fn said<'a>(told: &'a Told) -> Vec<(&'a str, Said<'a>)> {
    let mut said: BTreeMap<&str, Said> = BTreeMap::new();
    for finding in &told.verdicts.findings {
        let of_rule = said.entry(&finding.rule).or_default();
        of_rule.findings.push(finding);
    }
    for unknown in &told.verdicts.unknown {
        said.entry(&unknown.rule).or_default().unknown = Some(unknown);
    }
    let is_judged = !said.contains_key(NOT_JUDGED);
    let mut cases: Vec<(&str, Said)> = rules()
        .filter(|_| is_judged)
        .map(|rule| (rule.id, said.remove(rule.id).unwrap_or_default()))
        .collect();
    cases.extend(said);
    cases
}

fn case(told: &Told, rule: &str, said: &Said) -> Case {
    let words = |finding: &Finding| {
        let place = finding.words_of_place(told.file);
        format!("{place}: {}", finding.sentences())
    };
    let open = || said.findings.iter().filter(|it| it.waived.is_none());
    let failures: Vec<Failure> = open()
        .filter(|finding| told.strict || finding.severity == Severity::Error)
        .map(|finding| Failure {
            kind: finding.severity.word(),
            message: finding.message.clone(),
            text: words(finding),
        })
        .collect();
    if !failures.is_empty() {
        return Case {
            name: rule.to_owned(),
            outcome: Outcome::Failed(failures),
            output: Vec::new(),
        };
    }
    Case {
        name: rule.to_owned(),
        outcome: skipped(said).map_or(Outcome::Passed, Outcome::Skipped),
        output: open()
            .map(|finding| format!("warning: {}", words(finding)))
            .collect(),
    }
}

/// Why a rule has no finding of its own.
fn skipped(said: &Said) -> Option<String> {
    let waived = said.findings.iter().find_map(|it| it.waived.as_ref());
    let unknown = || Some(said.unknown?.reason.clone());
    waived.map(ToString::to_string).or_else(unknown)
}
