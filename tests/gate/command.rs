//! `uninlu gate --offline` as it is called: exit codes, stdout, and files.

use std::path::Path;
use std::process::Output;

use serde_json::Value;
use tempfile::TempDir;

use super::hermetic;

/// A run without a Docker engine.
fn gate(folder: &Path, arguments: &[&str]) -> Output {
    hermetic::uninlu(folder)
        .args([&["gate", "--offline"], arguments].concat())
        .env("DOCKER_HOST", "unix:///nonexistent/docker.sock")
        .output()
        .expect("the binary was built for this test")
}

/// A folder with a stack of which the rules find nothing, and that in it.
fn folder(sections: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let text = format!(
        "name = \"nlu\"\nnamespace = \"nlu\"\n[cluster]\ncontext = \"prod\"\n[image]\n\
         reference = \"registry.test/nlu@sha256:{}\"\n[model]\nsource = {{ pvc = \"models\" }}\n{sections}\n",
        "0".repeat(64)
    );
    std::fs::write(folder.path().join("uninlu.toml"), text).expect("writable");
    folder
}

const NEVER: &str = "[[gate.rule]]\nid = \"never\"\nexpression = \"false\"\nmessage = \"never\"";
const WARNS: &str = "[rollout]\nmax-unavailable = \"100%\"";

#[track_caller]
fn expect(output: &Output, code: i32) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{stdout}\n{stderr}");
    (stdout, stderr)
}

#[test]
fn an_error_refuses_and_a_warning_only_when_strict() {
    for (sections, arguments, code) in [
        ("", &[][..], 0),
        ("", &["--strict"], 0),
        (WARNS, &[], 0),
        (WARNS, &["--strict"], 3),
        (NEVER, &[], 3),
    ] {
        let folder = folder(sections);
        let (stdout, _) = expect(&gate(folder.path(), arguments), code);
        let word = if code == 3 { "refused: " } else { "passed: " };
        assert!(stdout.contains(word), "{stdout}");
        assert!(
            stdout.contains("no cluster was asked (--offline)"),
            "{stdout}"
        );
    }
}

/// An expression that is none is a fault of the file, and told in every form with its line; nothing else is.
#[test]
fn a_stack_that_is_none_is_an_error_and_not_a_refusal() {
    let folder = folder(&NEVER.replace("false", "object.(kind"));
    let (stdout, stderr) = expect(&gate(folder.path(), &["--format", "sarif"]), 1);
    let sarif: Value = serde_json::from_str(&stdout).expect("JSON");
    let result = &sarif["runs"][0]["results"][0];
    assert_eq!(result["ruleId"], "stack-file");
    let place = &result["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "uninlu.toml");
    assert_eq!(place["region"]["startLine"], 11);
    assert!(stderr.contains("the expression is no CEL"), "{stderr}");
}

#[test]
fn a_report_goes_to_a_file_and_people_are_told_all_the_same() {
    let folder = folder(NEVER);
    let arguments = ["--format", "junit", "--out", "gate.xml"];
    let (stdout, _) = expect(&gate(folder.path(), &arguments), 3);
    assert!(
        stdout.contains("error never (uninlu.toml:9, gate.rule.0)"),
        "{stdout}"
    );
    let xml = std::fs::read_to_string(folder.path().join("gate.xml")).expect("written");
    assert!(xml.contains("<failure type=\"error\""), "{xml}");
    let (_, stderr) = expect(&gate(folder.path(), &["--out", "missing/gate.xml"]), 1);
    assert!(stderr.contains("cannot write missing/gate.xml"), "{stderr}");
}

/// It lies beside the stack file, and one that is none is no reason to go on without.
#[test]
fn a_profile_that_is_none_is_told() {
    let folder = folder("");
    std::fs::write(folder.path().join("uninlu.profile.json"), "{}").expect("writable");
    let (_, stderr) = expect(&gate(folder.path(), &[]), 1);
    assert!(
        stderr.contains("uninlu.profile.json is no profile: missing field `version`"),
        "{stderr}"
    );
}
