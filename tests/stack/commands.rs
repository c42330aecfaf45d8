//! `init`, `validate` and `schema` as they are called: exit code, stdout, and what is left on the disk.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

use super::hermetic;

/// A run of the tool in that folder.
pub(super) fn uninlu(arguments: &[&str], folder: &Path) -> Output {
    hermetic::uninlu(folder)
        .args(arguments)
        .output()
        .expect("the binary was built for this test")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// `init` needs nothing there: the tool carries what is built.
fn project() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

pub(super) fn case(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/stack/cases")
        .join(name)
}

const GIVEN: [&str; 5] = [
    "init",
    "--context",
    "prod",
    "--repository",
    "registry.example.com/uninlu",
];

#[test]
fn init_writes_a_file_that_validates() {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/demo-model");
    let model = model.to_str().expect("this repository's path is Unicode");
    for source in [["--claim", "nlu-models"], ["--model", model]] {
        let project = project();
        let written = uninlu(&[&GIVEN[..], &source[..]].concat(), project.path());
        assert_eq!(written.status.code(), Some(0), "{}", stderr(&written));
        let validated = uninlu(&["validate"], project.path());
        assert_eq!(validated.status.code(), Some(0), "{}", stderr(&validated));
    }
}

#[test]
fn init_keeps_what_is_there_unless_forced() {
    let project = project();
    let file = project.path().join("uninlu.toml");
    std::fs::write(&file, "mine").expect("writable");
    let arguments = [&GIVEN[..], &["--claim", "nlu-models"]].concat();
    let refused = uninlu(&arguments, project.path());
    assert_eq!(refused.status.code(), Some(1));
    assert_eq!(
        std::fs::read_to_string(&file).expect("readable"),
        "mine",
        "it must be untouched"
    );
    let forced = uninlu(&[&arguments[..], &["--force"]].concat(), project.path());
    assert_eq!(forced.status.code(), Some(0), "{}", stderr(&forced));
    assert_ne!(std::fs::read_to_string(&file).expect("readable"), "mine");
}

#[test]
fn init_that_fails_leaves_nothing_behind() {
    let project = project();
    for (arguments, told) in [
        (vec!["init"], "--context is not given"),
        (
            [&GIVEN[..], &["--model", "no-such-folder"]].concat(),
            "not a model folder",
        ),
        (
            [&GIVEN[..], &["--claim", "Not A Claim"]].concat(),
            "not a valid name of a PersistentVolumeClaim",
        ),
    ] {
        let output = uninlu(&arguments, project.path());
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(
            stderr(&output).contains(told),
            "{arguments:?} must tell {told:?}: {}",
            stderr(&output)
        );
        let left: Vec<_> = std::fs::read_dir(project.path())
            .expect("readable")
            .flatten()
            .collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

#[test]
fn validate_gives_every_fault_as_data() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = case("quantities.toml");
    let output = uninlu(
        &[
            "validate",
            "--json",
            file.to_str().expect("Unicode"),
            "no-such-file",
        ],
        folder.path(),
    );
    assert_eq!(output.status.code(), Some(1));
    let document: Value = serde_json::from_slice(&output.stdout).expect("stdout is JSON alone");
    assert_eq!(document["valid"], false);
    let faults = document["errors"].as_array().expect("a list");
    let first = &faults[0];
    assert_eq!(
        (&first["line"], &first["column"]),
        (&15.into(), &19.into()),
        "{first}"
    );
    assert!(
        faults
            .iter()
            .any(|fault| fault["environment"] == "thousandths"),
        "{faults:#?}"
    );
    assert!(
        faults.last().is_some_and(|fault| fault["line"].is_null()),
        "a file that cannot be read has no line: {faults:#?}"
    );
}

#[test]
fn validate_talks_to_programs_in_events_alone() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = case("quantities.toml");
    let output = uninlu(
        &[
            "validate",
            "--progress",
            "json",
            file.to_str().expect("Unicode"),
        ],
        folder.path(),
    );
    assert_eq!(output.status.code(), Some(1));
    let talk = stderr(&output);
    let events: Vec<Value> = talk
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    assert!(
        events.iter().any(|event| event["event"] == "error"),
        "{events:#?}"
    );
}

#[test]
fn validate_of_valid_files_has_no_errors() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = case("valid-everything.toml");
    let output = uninlu(
        &["validate", "--json", file.to_str().expect("Unicode")],
        folder.path(),
    );
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let document: Value = serde_json::from_slice(&output.stdout).expect("stdout is JSON alone");
    assert_eq!(document["valid"], true);
    assert_eq!(document["errors"], Value::Array(Vec::new()));
}

#[test]
fn schema_is_json_on_stdout_and_nothing_else() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let output = uninlu(&["schema"], folder.path());
    assert_eq!(output.status.code(), Some(0));
    let schema: Value = serde_json::from_slice(&output.stdout).expect("stdout is JSON alone");
    assert_eq!(schema["title"], "uninlu.toml");
    assert_eq!(stderr(&output), "");
}

#[test]
fn each_shell_gets_completions_of_every_command() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for shell in ["bash", "zsh", "fish"] {
        let output = uninlu(&["completions", shell], folder.path());
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let script = String::from_utf8_lossy(&output.stdout);
        for word in ["rollback", "detailed-exitcode"] {
            assert!(script.contains(word), "{shell} completes no {word}");
        }
    }
    let output = uninlu(&["completions"], folder.path());
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("uninlu completions bash"));
}

#[test]
fn the_manual_has_a_page_of_every_command() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let output = uninlu(&["man", "--out", "man1"], folder.path());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let help = uninlu(&["--help"], folder.path());
    let help = String::from_utf8_lossy(&help.stdout);
    let commands: Vec<&str> = help
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.strip_prefix("  ")?.split_once(' '))
        .map(|(command, _)| command)
        .filter(|command| !command.is_empty() && *command != "help")
        .collect();
    assert!(commands.contains(&"plan"), "{help}");
    for command in commands {
        let page = folder.path().join(format!("man1/uninlu-{command}.1"));
        let page = std::fs::read_to_string(&page).expect("a page");
        assert!(page.contains(".TH"), "{page}");
    }
}

#[test]
fn as_a_plugin_of_kubectl_it_says_how_it_is_called() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let plugin = folder.path().join("kubectl-uninlu");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_uninlu"), &plugin).expect("writable");
    let output = Command::new(&plugin)
        .args(["plan", "--help"])
        .output()
        .expect("the plugin starts");
    let help = String::from_utf8_lossy(&output.stdout);
    assert!(help.contains("Usage: kubectl uninlu plan"), "{help}");
}
