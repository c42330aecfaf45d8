//! What each stack and each section is rendered to. A file as it stands is shown in full, an environment by what it
//! changes: a new default then moves one snapshot and not all of them.

use similar::TextDiff;
use uninlu::kinds::{self, Kind};
use uninlu::plan::diff::diff;
use uninlu::stack::{self, Stack};

use super::stacks::{desired, repository, variants};

fn yaml(stack: &Stack) -> String {
    let documents: Vec<String> = desired(stack)
        .values()
        .map(|object| serde_saphyr::to_string(object).expect("JSON is YAML"))
        .collect();
    documents.join("---\n")
}

/// A unified difference without line numbers, which would move with every line above.
fn difference(before: &str, after: &str) -> String {
    let difference = TextDiff::from_lines(before, after);
    let hunks = difference.unified_diff().context_radius(4).to_string();
    let (words, numbers): (Vec<&str>, Vec<&str>) =
        hunks.lines().partition(|line| !line.starts_with("@@"));
    if numbers.is_empty() {
        "as it stands\n".into()
    } else {
        words.join("\n") + "\n"
    }
}

#[test]
fn stacks_and_their_environments() {
    insta::glob!("../../stacks", "*/uninlu.toml", |file| {
        let stacks = stack::load_every(file).expect("a valid stack");
        let as_it_stands = yaml(&stacks[0]);
        insta::assert_snapshot!("as-it-stands", as_it_stands);
        for environment in &stacks[1..] {
            let name = environment.environment.as_deref().unwrap_or_default();
            insta::assert_snapshot!(name, difference(&as_it_stands, &yaml(environment)));
        }
    });
}

#[test]
fn every_section_changes_what_it_says() {
    let stacks = variants();
    let as_it_stands = yaml(&stacks[0]);
    for variant in &stacks[1..] {
        let name = variant.environment.as_deref().unwrap_or_default();
        insta::assert_snapshot!(name, difference(&as_it_stands, &yaml(variant)));
    }
}

#[test]
fn the_local_stack_is_six_objects() {
    let stack = stack::load(&repository("stacks/local"), None).expect("a valid stack");
    let kinds: Vec<Kind> = desired(&stack).keys().map(|id| id.kind).collect();
    assert_eq!(
        kinds,
        [
            Kind::Namespace,
            Kind::ServiceAccount,
            Kind::ConfigMap,
            Kind::Service,
            Kind::Deployment,
            Kind::PodDisruptionBudget,
        ]
    );
}

/// Whatever an environment changes is explained by a key that the environment writes.
#[test]
fn every_change_is_explained_by_its_key() {
    let stacks = variants();
    let file = repository("tests/kinds/variants.toml");
    let text = std::fs::read_to_string(file).expect("readable");
    let document: toml::Table = toml::from_str(&text).expect("TOML");
    let before = desired(&stacks[0]);
    let mut unexplained = Vec::new();
    for variant in &stacks[1..] {
        let environment = variant.environment.as_deref().unwrap_or_default();
        let after = desired(variant);
        let find = |objects: &kinds::Desired, kind: Kind, name: &str| {
            let mut found = objects.iter();
            found
                .find(|(id, _)| id.kind == kind && id.name == name)
                .map(|(_, body)| body.clone())
        };
        for id in before.keys().chain(after.keys()) {
            let (from, to) = (
                find(&before, id.kind, &id.name),
                find(&after, id.kind, &id.name),
            );
            let paths: Vec<String> = match (from, to) {
                (Some(from), Some(to)) => diff(&from, &to).into_iter().map(|it| it.path).collect(),
                _ => vec![String::new()],
            };
            for path in paths.iter().filter(|path| *path != ".metadata.namespace") {
                let causes = kinds::causes(id.kind, path);
                let overlay = &document["env"][environment];
                if !causes.iter().any(|key| is_written(overlay, key)) {
                    let kind = id.kind.name();
                    unexplained.push(format!("{environment}: {kind} {path}: {causes:?}"));
                }
            }
        }
    }
    assert!(unexplained.is_empty(), "{unexplained:#?}");
}

fn is_written(table: &toml::Value, path: &str) -> bool {
    path.split('.')
        .try_fold(table, |value, key| value.get(key))
        .is_some()
}
