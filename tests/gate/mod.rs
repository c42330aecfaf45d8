//! The gate: a case is a file in `cases/`, named after the rule that it breaks; its snapshot is what people are told.
//!
//! What a case does not say is fine: `cases/nothing.yaml` says nothing.

mod case;
mod command;
mod formats;
#[path = "../plan/merge.rs"]
mod merge;
mod pages;
mod places;
mod untrusted;

use std::path::Path;

use toml::value::Date;
use uninlu::document::Place;
use uninlu::gate::report::{self, Format, Judgment};
use uninlu::gate::{self, Facts, Finding, Severity, Subject};
use uninlu::plan::{Goal, PlannedImage};
use uninlu::stack::{self, Stack};

use case::Case;

/// A file of the tests.
fn cases() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/gate/cases")
}

/// What the rules find in a stack whose image is pinned, without a cluster.
fn offline(stack: &Stack, today: Date) -> Vec<Finding> {
    let image = PlannedImage {
        reference: format!("registry.test/siamese-uninlu@sha256:{}", "0".repeat(64)),
        to_be_built: None,
    };
    let goal = Goal::of_stack(stack, image, None);
    let facts = Facts {
        document: stack.document(),
        ..Facts::unasked("not here")
    };
    gate::check(&Subject::offline(stack, &goal, &facts, today)).findings
}

#[test]
fn what_people_are_told() {
    let mut settings = insta::Settings::clone_current();
    settings.set_omit_expression(true);
    settings.set_prepend_module_to_snapshot(false);
    settings.bind(|| {
        insta::glob!("cases/*.yaml", |file| {
            let verdicts = Case::read(file).verdicts();
            let told = Judgment {
                place: &Place::NONE,
                what: "siamese-uninlu in namespace nlu of context prod",
                file: "uninlu.toml",
                plan: None,
                verdicts: &verdicts,
                strict: false,
            };
            let text = report::write(Format::Text, &told);
            insta::assert_snapshot!(uninlu::ui::plain(&text));
        });
    });
}

/// A rule without a case that breaks it may never find anything.
#[test]
fn every_rule_finds_what_it_is_for() {
    for rule in gate::rules().filter(|rule| rule.id != "stack-file") {
        let verdicts = Case::read(&cases().join(format!("{}.yaml", rule.id))).verdicts();
        let findings = verdicts.findings.iter();
        let found: Vec<_> = findings.filter(|finding| finding.rule == rule.id).collect();
        assert!(!found.is_empty(), "{} finds nothing in its case", rule.id);
        let is_refused = verdicts.refuse(false);
        if rule.severity == Severity::Error {
            assert!(is_refused, "{} does not refuse", rule.id);
        }
        assert!(
            verdicts.refuse(true),
            "{} is not refused when strict",
            rule.id
        );
    }
}

/// None is named, and none that needs something else is silent about it.
#[test]
fn the_stacks_of_this_repository_pass() {
    insta::glob!("../../stacks", "*/uninlu.toml", |file| {
        for stack in stack::load_every(file).expect("a valid stack") {
            let findings = offline(&stack, gate::today());
            assert!(findings.is_empty(), "{}: {findings:#?}", file.display());
        }
    });
}
