//! `explain` and `diff`: offline, for people.

use std::path::Path;

use super::commands::{self, case};
use super::generated;

/// Exit code, stdout, stderr.
fn uninlu(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = commands::uninlu(arguments, Path::new("/"));
    let text = |bytes| String::from_utf8(bytes).expect("the tool writes UTF-8");
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn a_key_is_explained_with_its_value_and_its_place() {
    let file = case("valid-everything.toml");
    let text = std::fs::read_to_string(&file).expect("readable");
    let line = text.lines().position(|line| line.starts_with("on-failure"));
    let place = format!("valid-everything.toml:{}", line.expect("the key") + 1);
    let file = file.to_str().expect("UTF-8");
    for (key, words) in [
        (
            "rollout.max-surge",
            &["Pods above the wanted number", "(default 1)"][..],
        ),
        ("rollout", &["rollout.max-surge", "here: a section with"]),
        ("rollout.on-failure", &["here: \"rollback\"", &place]),
    ] {
        let (code, stdout, stderr) = uninlu(&["explain", file, key]);
        assert_eq!(code, Some(0), "{stderr}");
        let earlier = uninlu(&["explain", key, "--stack", file]);
        assert_eq!(earlier, (code, stdout.clone(), stderr), "the earlier form");
        for words in words {
            assert!(stdout.contains(words), "no `{words}` in {stdout}");
        }
    }
}

#[test]
fn without_a_stack_file_the_key_itself_is_explained() {
    let (code, stdout, _) = uninlu(&[
        "explain",
        "resources.memory.limit",
        "--stack",
        "/nowhere/uninlu.toml",
    ]);
    assert_eq!(code, Some(0));
    assert!(stdout.contains("no stack file"), "{stdout}");
}

#[test]
fn a_key_that_does_not_exist_names_the_nearest() {
    let (code, _, stderr) = uninlu(&["explain", "rollout.max-surges"]);
    assert_eq!(code, Some(1));
    assert!(
        stderr.contains("did you mean `rollout.max-surge`?"),
        "{stderr}"
    );
}

/// Nothing that the file may hold is without a word on what it does.
#[test]
fn every_key_is_described() {
    let (code, stdout, _) = uninlu(&["explain"]);
    assert_eq!(code, Some(0));
    assert!(stdout.lines().count() > 80, "{stdout}");
    let silent: Vec<&str> = stdout
        .lines()
        .filter(|line| line.trim_end().ends_with("a section"))
        .collect();
    assert!(silent.is_empty(), "{silent:#?}");
}

pub(super) const TWO: &str = r#"name = "nlu"
namespace = "nlu"
[cluster]
context = "nowhere"
[image]
reference = "registry.test/siamese-uninlu@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
[model]
source = { pvc = "models" }
[env.staging]
namespace = "nlu-staging"
[env.large]
replicas = 5
"#;

#[test]
fn two_environments_are_compared() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("uninlu.toml");
    std::fs::write(&file, TWO).expect("writable");
    let file = file.to_str().expect("UTF-8");
    let (code, stdout, stderr) = uninlu(&["diff", file, "-", "large"]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert_eq!(stdout, "Deployment nlu\n    .spec.replicas: 2 → 5\n");
    let (_, stdout, _) = uninlu(&["diff", file, "large", "large"]);
    assert_eq!(stdout, "no differences\n");
    let (code, _, stderr) = uninlu(&["diff", "-", "larg", "--stack", file]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("did you mean `large`?"), "{stderr}");
}

#[test]
fn the_page_of_the_stack_file_is_what_explain_prints() {
    let (code, printed, _) = uninlu(&["explain", "--markdown"]);
    assert_eq!(code, Some(0));
    generated::compare("docs/stack-file.md", &printed, "--test stack explain");
}
