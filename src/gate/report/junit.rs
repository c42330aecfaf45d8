//! JUnit XML, as CI systems read it: a suite for each stack, in it a test case for each rule. There is no one schema;
//! this is what Jenkins, GitLab and GitHub's readers share.

use std::collections::BTreeMap;
use std::io;

use quick_xml::Writer;
use quick_xml::events::BytesText;

use super::{NOT_JUDGED, Told};
use crate::gate::{Finding, Severity, Unknown, rules};

/// What one rule said.
#[derive(Default)]
struct Case<'a> {
    findings: Vec<&'a Finding>,
    unknown: Option<&'a Unknown>,
}

pub(super) fn write_all(all: &[Told]) -> String {
    let mut xml = Writer::new_with_indent(Vec::new(), b' ', 2);
    document(all, &mut xml).expect("a Vec takes everything");
    let body = String::from_utf8(xml.into_inner()).expect("all that is written is text");
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{body}\n")
}

fn document(all: &[Told], xml: &mut Writer<Vec<u8>>) -> io::Result<()> {
    xml.create_element("testsuites")
        .write_inner_content(|xml| {
            let mut suites = all.iter();
            suites.try_for_each(|told| suite(told, xml))
        })?;
    Ok(())
}

fn suite(told: &Told, xml: &mut Writer<Vec<u8>>) -> io::Result<()> {
    let cases = cases(told);
    let fails = |finding: &&Finding| {
        finding.waived.is_none() && (told.strict || finding.severity == Severity::Error)
    };
    let failed = |case: &Case| case.findings.iter().any(&fails);
    let passes_over = |case: &Case| !failed(case) && skipped(case).is_some();
    let count = |is: &dyn Fn(&Case) -> bool| {
        let count = cases.iter().filter(|(_, case)| is(case)).count();
        count.to_string()
    };
    let (all, failures, skips) = (cases.len().to_string(), count(&failed), count(&passes_over));
    let suite = [
        ("name", told.what),
        ("tests", all.as_str()),
        ("failures", failures.as_str()),
        ("errors", "0"),
        ("skipped", skips.as_str()),
    ];
    let element = xml.create_element("testsuite").with_attributes(suite);
    element.write_inner_content(|xml| {
        for (rule, case) in &cases {
            let attributes = [
                ("classname", "uninlu.gate"),
                ("name", *rule),
                ("file", told.file),
            ];
            let element = xml.create_element("testcase").with_attributes(attributes);
            element.write_inner_content(|xml| inside(told, case, fails, xml))?;
        }
        Ok(())
    })?;
    Ok(())
}

/// Every rule that is built in, in their order, and then those that are not. Where nothing was judged none has passed.
fn cases<'a>(told: &'a Told) -> Vec<(&'a str, Case<'a>)> {
    let mut said: BTreeMap<&str, Case> = BTreeMap::new();
    for finding in &told.verdicts.findings {
        said.entry(&finding.rule)
            .or_default()
            .findings
            .push(finding);
    }
    for unknown in &told.verdicts.unknown {
        said.entry(&unknown.rule).or_default().unknown = Some(unknown);
    }
    let is_judged = !said.contains_key(NOT_JUDGED);
    let mut cases: Vec<(&str, Case)> = rules()
        .filter(|_| is_judged)
        .map(|rule| (rule.id, said.remove(rule.id).unwrap_or_default()))
        .collect();
    cases.extend(said);
    cases
}

/// Why a case says nothing of its own.
fn skipped(case: &Case) -> Option<String> {
    let waiver = case
        .findings
        .iter()
        .find_map(|finding| finding.words_of_waiver());
    waiver.or_else(|| Some(format!("not looked at: {}", case.unknown?.reason)))
}

fn inside(
    told: &Told,
    case: &Case,
    fails: impl Fn(&&Finding) -> bool,
    xml: &mut Writer<Vec<u8>>,
) -> io::Result<()> {
    let place = |finding: &Finding| finding.words_of_place(told.file);
    let mut has_failed = false;
    for finding in case
        .findings
        .iter()
        .copied()
        .filter(|finding| fails(finding))
    {
        has_failed = true;
        let attributes = [
            ("type", finding.severity.word()),
            ("message", &finding.message),
        ];
        let text = format!("{}: {}", place(finding), finding.sentences());
        let element = xml.create_element("failure").with_attributes(attributes);
        element.write_text_content(BytesText::new(&text))?;
    }
    if has_failed {
        return Ok(());
    }
    if let Some(reason) = skipped(case) {
        let element = xml.create_element("skipped");
        element
            .with_attribute(("message", reason.as_str()))
            .write_empty()?;
    }
    for finding in case
        .findings
        .iter()
        .filter(|finding| finding.waived.is_none())
    {
        let text = format!("warning: {}: {}", place(finding), finding.sentences());
        xml.create_element("system-out")
            .write_text_content(BytesText::new(&text))?;
    }
    Ok(())
}
