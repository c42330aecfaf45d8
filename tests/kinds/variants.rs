//! What each stack and each section is rendered to. `stacks/minimal` is shown in full, every other stack and every
//! environment as a difference.

use uninlu::kinds::{self, Kind};
use uninlu::plan::diff::diff;
use uninlu::stack::{self, Stack};

use super::difference::difference;
use super::stacks::{desired, repository, variants};

fn yaml(stack: &Stack) -> String {
    let documents: Vec<String> = desired(stack)
        .values()
        .map(|object| serde_saphyr::to_string(object).expect("JSON is YAML"))
        .collect();
    documents.join("---\n")
}

#[test]
fn stacks_and_their_environments() {
    let minimal = repository("stacks/minimal/uninlu.toml");
    let default = yaml(&stack::load(&minimal, None).expect("a valid stack"));
    insta::assert_snapshot!("default", default);
    insta::glob!("../../stacks", "*/uninlu.toml", |file| {
        let stacks = stack::load_every(file).expect("a valid stack");
        let base = yaml(&stacks[0]);
        insta::assert_snapshot!("base", difference(&default, &base));
        for environment in &stacks[1..] {
            let name = environment.environment.as_deref().unwrap_or_default();
            insta::assert_snapshot!(name, difference(&base, &yaml(environment)));
        }
    });
}

#[test]
fn every_section_changes_what_it_says() {
    let stacks = variants();
    let base = yaml(&stacks[0]);
    for variant in &stacks[1..] {
        let name = variant.environment.as_deref().unwrap_or_default();
        insta::assert_snapshot!(name, difference(&base, &yaml(variant)));
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
