//! What each stack and each section is rendered to. A file as it stands is shown in full, an environment by what it
//! changes: a new default then moves one snapshot and not all of them.

use similar::TextDiff;
use uninlu::kinds::Kind;
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
