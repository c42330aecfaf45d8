//! A suite for each stack, in it a test case for each rule.

use std::collections::BTreeMap;

use super::Judgment;
use super::judgment::NOT_JUDGED;
use crate::gate::{Finding, Severity, Unknown, rules};
use crate::junit::{self, Case, Failure, Outcome, Suite};

/// What one rule found.
#[derive(Default)]
struct Said<'a> {
    findings: Vec<&'a Finding>,
    unknown: Option<&'a Unknown>,
}

pub(super) fn write_all(all: &[Judgment]) -> String {
    let suites: Vec<Suite> = all.iter().map(suite).collect();
    junit::write(&suites)
}

fn suite(judged: &Judgment) -> Suite {
    let cases = said(judged).into_iter();
    Suite {
        name: judged.what.to_owned(),
        class: "uninlu.gate".to_owned(),
        file: Some(judged.file.to_owned()),
        cases: cases
            .map(|(rule, said)| case(judged, rule, &said))
            .collect(),
    }
}

/// Every rule that is built in, in their order, and then those that are not. Where nothing was judged none has passed.
fn said<'a>(judged: &'a Judgment) -> Vec<(&'a str, Said<'a>)> {
    let mut said: BTreeMap<&str, Said> = BTreeMap::new();
    for finding in &judged.verdicts.findings {
        let of_rule = said.entry(&finding.rule).or_default();
        of_rule.findings.push(finding);
    }
    for unknown in &judged.verdicts.unknown {
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

fn case(judged: &Judgment, rule: &str, said: &Said) -> Case {
    let words = |finding: &Finding| {
        let place = finding.words_of_place(judged.file);
        format!("{place}: {}", finding.sentences())
    };
    let open = || said.findings.iter().filter(|it| it.waived.is_none());
    let failures: Vec<Failure> = open()
        .filter(|finding| judged.strict || finding.severity == Severity::Error)
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
