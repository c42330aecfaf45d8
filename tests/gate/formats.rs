//! One gate's word in every form.

use std::path::Path;

use quick_xml::Reader;
use quick_xml::events::Event;
use serde_json::Value;
use uninlu::document;
use uninlu::gate::report::{self, Format, Judgment};
use uninlu::gate::{self, Finding, Place, Severity, Unknown, Verdicts, Waived};

use super::case::Case;
use super::cases;
use crate::project::pattern;

/// An error, a warning, one that is waived, one that is not looked at; and words that mean something in some form.
fn verdicts() -> Verdicts {
    let mut verdicts = Case::read(&cases().join("waived.yaml")).verdicts();
    verdicts.findings.push(Finding {
        rule: "own:<rule>".into(),
        severity: Severity::Error,
        keys: vec!["gate.rule.0".into()],
        message: "Deployment nlu/a: 100 % | <b>\"never\" & 'ever'</b>,\nin two lines".into(),
        why: "this stack's own rule: a < b && c > d".into(),
        fix: "change the keys that set it, or the rule".into(),
        place: Some(Place {
            key: "gate.rule.0".into(),
            line: 12,
        }),
        waived: None,
    });
    verdicts.findings.push(Finding {
        rule: "topology-spread".into(),
        severity: Severity::Warning,
        keys: Vec::new(),
        message: "nothing spreads the pods".into(),
        why: "the scheduler may put all of them on one node".into(),
        fix: "spread them".into(),
        place: None,
        waived: None,
    });
    for rule in ["metric-missing", "pod-security"] {
        verdicts.unknown.push(Unknown {
            rule: rule.into(),
            reason: "not allowed to look".into(),
        });
    }
    verdicts
}

fn judgment(verdicts: &Verdicts) -> Judgment<'_> {
    Judgment {
        place: &document::Place::NONE,
        what: "siamese-uninlu in namespace nlu of context prod",
        file: "stacks/my stack/uninlu.toml",
        plan: Some("1 to create, 0 to update, 0 to replace, 0 to delete, 5 to keep"),
        verdicts,
        strict: false,
    }
}

const FORMATS: [(&str, Format); 6] = [
    ("text", Format::Text),
    ("json", Format::Json),
    ("junit", Format::Junit),
    ("sarif", Format::Sarif),
    ("markdown", Format::Markdown),
    ("github", Format::Github),
];

#[test]
fn every_form_says_the_same() {
    let verdicts = verdicts();
    for (name, format) in FORMATS {
        let text = report::write(format, &judgment(&verdicts));
        insta::assert_snapshot!(name, shown(format, &text));
    }
}

/// The form without the rules that found nothing, so that a new rule changes no snapshot; that they are listed in their
/// order is asserted.
fn shown(format: Format, text: &str) -> String {
    let plain = uninlu::ui::plain(text);
    match format {
        Format::Junit => without_passed(&plain),
        Format::Sarif => without_unused(&plain),
        _ => plain,
    }
}

fn without_passed(junit: &str) -> String {
    let passed = pattern("    <testcase [^>]*name=\"([^\"]+)\"[^>]*>\n    </testcase>\n");
    let rest = passed.replace_all(junit, "");
    let hidden: Vec<&str> = passed
        .captures_iter(junit)
        .filter_map(|case| Some(case.get(1)?.as_str()))
        .collect();
    let ids = gate::rules().map(|rule| rule.id);
    let expected = ids.filter(|id| !rest.contains(&format!("name=\"{id}\"")));
    assert_eq!(hidden, expected.collect::<Vec<_>>());
    // The stack has one rule of its own.
    let count = format!("tests=\"{}\"", gate::rules().count() + 1);
    rest.replace(&count, "tests=\"EVERY RULE\"")
}

fn without_unused(sarif: &str) -> String {
    let mut sarif: Value = serde_json::from_str(sarif).expect("JSON");
    let run = &mut sarif["runs"][0];
    let results = run["results"].as_array().expect("results").clone();
    let has_result = |id: &Value| results.iter().any(|result| result["ruleId"] == *id);
    let driver = &mut run["tool"]["driver"];
    driver["version"] = "VERSION".into();
    let rules = driver["rules"].as_array_mut().expect("rules");
    let hidden: Vec<Value> = rules
        .extract_if(.., |rule| !has_result(&rule["id"]))
        .map(|rule| rule["id"].clone())
        .collect();
    let ids = gate::rules().map(|rule| Value::from(rule.id));
    let expected = ids.filter(|id| !has_result(id));
    assert_eq!(hidden, expected.collect::<Vec<_>>());
    format!("{sarif:#}")
}

/// A stack that is judged and one that could not be, in one document that a reader of the form takes.
#[test]
fn a_folder_of_stacks_is_one_document() {
    let (judged, failed) = (verdicts(), not_judged());
    let all = [judgment(&judged), other_judgment(&failed)];
    for (name, format) in FORMATS {
        let text = report::write_all(format, "stacks", &all);
        insta::assert_snapshot!(format!("folder-{name}"), shown(format, &text));
    }
    let junit = report::write_all(Format::Junit, "stacks", &all);
    let mut reader = Reader::from_str(&junit);
    while reader.read_event().expect("well-formed") != Event::Eof {}
}

fn not_judged() -> Verdicts {
    let message = "the API server of context prod does not answer".into();
    report::not_judged(message, "is the VPN up?".into())
}

fn other_judgment(verdicts: &Verdicts) -> Judgment<'_> {
    Judgment {
        place: &document::Place::NONE,
        what: "other in namespace nlu of context prod",
        file: "stacks/other/uninlu.toml",
        plan: None,
        verdicts,
        strict: false,
    }
}

/// Every text that was put in comes out of a parser as it was, and the counts are those of the elements.
#[test]
fn junit_is_well_formed() {
    let verdicts = verdicts();
    for strict in [false, true] {
        let xml = report::write(
            Format::Junit,
            &Judgment {
                strict,
                ..judgment(&verdicts)
            },
        );
        let mut reader = Reader::from_str(&xml);
        let mut open: Vec<String> = Vec::new();
        let mut counts = std::collections::BTreeMap::<String, usize>::new();
        let mut messages = Vec::new();
        let mut suite = None;
        loop {
            let event = reader.read_event().expect("well-formed");
            let (element, is_empty) = match &event {
                Event::Eof => break,
                Event::Start(element) => (element, false),
                Event::Empty(element) => (element, true),
                Event::End(element) => {
                    let name = element.name().as_ref().to_owned();
                    assert_eq!(open.pop(), Some(name));
                    continue;
                }
                _ => continue,
            };
            let name = element.name().as_ref().to_owned();
            *counts.entry(name.clone()).or_default() += 1;
            let attribute = |key: &str| {
                let attribute = element.try_get_attribute(key).expect("well-formed")?;
                let value = attribute.normalized_value(quick_xml::XmlVersion::Implicit1_0);
                Some(value.expect("escaped").into_owned())
            };
            if name == "testsuite" {
                suite =
                    Some(["tests", "failures", "skipped"].map(|key| attribute(key).expect(key)));
            }
            if name == "failure" {
                messages.extend(attribute("message"));
            }
            if !is_empty {
                open.push(name);
            }
        }
        assert!(open.is_empty(), "{open:?}");
        let count = |name: &str| counts.get(name).copied().unwrap_or_default().to_string();
        let suite = suite.expect("a suite");
        assert_eq!(
            suite,
            [count("testcase"), count("failure"), count("skipped")]
        );
        let failures = if strict { 2 } else { 1 };
        assert_eq!(messages.len(), failures, "{messages:?}");
        // An attribute's line end is a space, as XML has it.
        let expected = verdicts.findings[2].message.replace('\n', " ");
        assert!(
            messages
                .iter()
                .any(|message| *message == expected || *message == verdicts.findings[2].message),
            "{messages:?}"
        );
    }
}

/// What OASIS' schema asks of the parts that we write.
#[test]
fn sarif_holds_together() {
    let verdicts = verdicts();
    let text = report::write(Format::Sarif, &judgment(&verdicts));
    let sarif: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(sarif["version"], "2.1.0");
    let run = &sarif["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().expect("rules");
    let ids: Vec<&str> = rules
        .iter()
        .filter_map(|rule| rule["id"].as_str())
        .collect();
    let unique: std::collections::BTreeSet<&&str> = ids.iter().collect();
    assert_eq!(unique.len(), rules.len(), "each rule once, with its id");
    for rule in rules {
        let text = rule["shortDescription"]["text"]
            .as_str()
            .unwrap_or_default();
        assert!(!text.is_empty(), "{rule:#}");
        if let Some(page) = rule["helpUri"].as_str() {
            let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(page);
            assert!(file.is_file(), "{page} is no page");
        }
    }
    let results = run["results"].as_array().expect("results");
    assert_eq!(results.len(), verdicts.findings.len());
    for (result, finding) in results.iter().zip(&verdicts.findings) {
        assert!(
            ids.contains(&result["ruleId"].as_str().expect("an id")),
            "{result:#}"
        );
        assert!(["error", "warning", "note"].contains(&result["level"].as_str().expect("a level")));
        assert!(
            result["message"]["text"]
                .as_str()
                .is_some_and(|text| text.contains(&finding.message))
        );
        let place = &result["locations"][0]["physicalLocation"];
        assert_eq!(
            place["artifactLocation"]["uri"],
            "stacks/my%20stack/uninlu.toml"
        );
        assert!(
            place["region"]["startLine"]
                .as_u64()
                .is_some_and(|line| line >= 1)
        );
        let is_suppressed = result["suppressions"][0]["kind"] == "inSource";
        assert_eq!(is_suppressed, finding.waived.is_some(), "{result:#}");
    }
}

#[test]
fn a_waiver_without_an_end_is_shown_as_such() {
    let mut verdicts = verdicts();
    verdicts.findings.retain(|finding| finding.waived.is_some());
    assert_eq!(
        verdicts.findings[1].waived,
        Some(Waived {
            reason: "the cluster has no storage".into(),
            until: None
        })
    );
    let text = report::write(Format::Markdown, &judgment(&verdicts));
    assert!(
        text.contains("accepted until 2026-06-15: one node"),
        "{text}"
    );
    assert!(
        text.contains("accepted: the cluster has no storage"),
        "{text}"
    );
}
