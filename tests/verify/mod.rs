//! Promises without a cluster: a file in `cases/` is a case, its snapshot what a user reads, and adding one adds no Rust.
//!
//! A case says in what the stack (`base.toml`) and the facts (`base.yaml`) differ from one where all is well.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value};
use toml::value::Datetime;
use uninlu::stack::{self, Stack};
use uninlu::verify::{self, Check, Facts, render};

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Case {
    /// A stack file instead of `base.toml`.
    stack: Option<String>,
    /// A merge patch over `base.yaml`; a list is patched by index.
    facts: Value,
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/verify")
        .join(name)
}

fn read(name: &str) -> String {
    fs::read_to_string(file(name)).expect("readable")
}

fn checks(case: &Case) -> (Stack, Vec<Check>) {
    let text = case.stack.clone().unwrap_or_else(|| read("base.toml"));
    let stack = stack::parse(&text, Path::new("uninlu.toml"), None).expect("a valid stack");
    let mut facts: Value = serde_saphyr::from_str(&read("base.yaml")).expect("YAML");
    for pod in facts["pods"].as_array_mut().into_iter().flatten() {
        pod["metrics"]["Ok"]["body"] = read("metrics.txt").into();
    }
    merge(&mut facts, &case.facts);
    let facts: Facts = serde_json::from_value(facts).expect("facts");
    let today = "2026-06-15".parse::<Datetime>().ok();
    let today = today.and_then(|today| today.date).expect("a date");
    let checks = verify::check(&stack, &facts, today);
    (stack, checks)
}

#[test]
fn promises_of_the_cases() {
    let (_, kept) = checks(&Case::default());
    let mut settings = insta::Settings::clone_current();
    settings.set_omit_expression(true);
    settings.set_prepend_module_to_snapshot(false);
    settings.bind(|| {
        insta::glob!("cases/*.yaml", |file| {
            let text = fs::read_to_string(file).expect("readable");
            let case: Case = serde_saphyr::from_str(&text).expect("a case");
            let (_, checks) = checks(&case);
            let (summary, may_settle) = (render::summary(&checks), verify::may_settle(&checks));
            let differ = checks.into_iter().filter(|check| !kept.contains(check));
            insta::assert_snapshot!(format!(
                "{}\n{summary}; worth another look: {may_settle}",
                told(&differ.collect::<Vec<_>>())
            ));
        });
    });
}

/// Without colours.
fn told(checks: &[Check]) -> String {
    uninlu::ui::plain(&render::text(checks))
}

/// What a user reads where everything is as it should be; the cases show only what differs from it.
#[test]
fn every_promise_kept() {
    let (_, checks) = checks(&Case::default());
    insta::assert_snapshot!("kept", told(&checks));
    assert!(verify::failed(&checks).is_empty());
}

/// The forms for programs, of a case with all three results.
#[test]
fn checks_for_programs() {
    let case: Case = serde_saphyr::from_str(&read("cases/settings-late.yaml")).expect("a case");
    let (stack, checks) = checks(&case);
    insta::assert_snapshot!("json", pretty(&render::json(&checks)));
    insta::assert_snapshot!("junit", render::junit(&stack, &checks));
}

fn pretty(report: &render::Report) -> String {
    serde_json::to_string_pretty(report).expect("it is JSON")
}

/// RFC 7386, but for lists: an object patches the items of a list by their index.
fn merge(target: &mut Value, patch: &Value) {
    match (target, patch) {
        (Value::Array(target), Value::Object(patch)) => {
            for (index, value) in patch {
                let index: usize = index.parse().expect("a list is patched by index");
                merge(&mut target[index], value);
            }
        }
        (target, Value::Object(patch)) => {
            if !target.is_object() {
                *target = Value::Object(Map::new());
            }
            for (key, value) in patch {
                match value {
                    Value::Null => drop(target.as_object_mut().map(|object| object.remove(key))),
                    value => merge(&mut target[key.as_str()], value),
                }
            }
        }
        (_, Value::Null) => (),
        (target, patch) => *target = patch.clone(),
    }
}
