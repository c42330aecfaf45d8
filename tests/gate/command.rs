//! `uninlu gate --offline` as it is called: exit codes, stdout, and files.

use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Output;

use serde_json::Value;
use tempfile::TempDir;

use crate::hermetic;

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
    write(folder.path(), sections);
    folder
}

fn write(folder: &Path, sections: &str) {
    let text = format!(
        "name = \"nlu\"\nnamespace = \"nlu\"\n[cluster]\ncontext = \"prod\"\n[image]\n\
         reference = \"registry.test/nlu@sha256:{}\"\n[model]\nsource = {{ pvc = \"models\" }}\n{sections}\n",
        "0".repeat(64)
    );
    std::fs::create_dir_all(folder).expect("writable");
    std::fs::write(folder.join("uninlu.toml"), text).expect("writable");
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
    assert!(
        stderr.contains("the expression is not valid CEL"),
        "{stderr}"
    );
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
        stderr
            .contains("uninlu.profile.json is not a valid profile: missing field `format_version`"),
        "{stderr}"
    );
}

/// Modes by which owner, group and others are alike: who runs the tests does not count.
#[test]
fn a_model_on_this_machine_is_looked_at() {
    let folder = folder("");
    let (model, stack) = (
        folder.path().join("model"),
        folder.path().join("uninlu.toml"),
    );
    let text = std::fs::read_to_string(&stack).expect("readable");
    let host = format!("host-path = \"{}\"", model.display());
    std::fs::write(&stack, text.replace("pvc = \"models\"", &host)).expect("writable");
    let (stdout, _) = expect(&gate(folder.path(), &[]), 0);
    assert!(
        stdout.contains("skipped (model-unreadable): ")
            && stdout.contains("/model: it is not on this machine"),
        "{stdout}"
    );

    let allow = |path: &Path, mode| {
        std::fs::set_permissions(path, Permissions::from_mode(mode)).expect("it is ours");
    };
    std::fs::create_dir(&model).expect("writable");
    for name in ["config.json", "vocab.txt", "pytorch_model.bin"] {
        std::fs::write(model.join(name), name).expect("writable");
        allow(&model.join(name), 0o444);
    }
    allow(&model, 0o555);
    let (stdout, _) = expect(&gate(folder.path(), &[]), 0);
    assert!(!stdout.contains("model-unreadable"), "{stdout}");

    allow(&model, 0o755);
    allow(&model.join("vocab.txt"), 0o000);
    std::fs::rename(model.join("config.json"), folder.path().join("config.json")).expect("ours");
    symlink("../config.json", model.join("config.json")).expect("writable");
    let (stdout, _) = expect(&gate(folder.path(), &[]), 3);
    let found: Vec<&str> = stdout
        .lines()
        .filter_map(|line| line.strip_prefix("error model-unreadable "))
        .collect();
    let [link, vocabulary] = found[..] else {
        panic!("{stdout}")
    };
    assert!(
        link.contains("/config.json is a link to what is outside"),
        "{link}"
    );
    assert!(
        vocabulary.contains("/vocab.txt cannot be read by uid 1001"),
        "{vocabulary}"
    );
    assert!(vocabulary.ends_with("with mode 0000"), "{vocabulary}");

    allow(&model, 0o000);
    let (stdout, _) = expect(&gate(folder.path(), &[]), 3);
    allow(&model, 0o755);
    assert!(
        stdout.contains("/model cannot be entered by uid 1001"),
        "{stdout}"
    );
}

/// Of each that is found first comes what is worse: one that passes, one that warns, one that is refused, and two of
/// which nobody knows.
const STACKS: [(&str, &str, i32); 5] = [
    ("a", "", 0),
    ("b", WARNS, 0),
    ("c", NEVER, 3),
    ("d", "[grate]", 1),
    ("e", "", 1),
];

/// A folder with the first of [`STACKS`].
fn stacks(count: usize) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, sections, _) in &STACKS[..count] {
        write(&folder.path().join("stacks").join(name), sections);
    }
    if count == STACKS.len() {
        let profile = folder.path().join("stacks/e/uninlu.profile.json");
        std::fs::write(profile, "{}").expect("writable");
    }
    folder
}

/// `uninlu plan DIR` is about the stack in DIR; the gate is about all that a merge would bring.
#[test]
fn a_stack_in_the_folder_itself_hides_none_below_it() {
    let folder = folder("");
    let (stdout, _) = expect(&gate(folder.path(), &["."]), 0);
    assert!(
        !stdout.contains("stacks"),
        "one stack is judged as ever: {stdout}"
    );
    write(&folder.path().join("eu/deep/er"), NEVER);
    for named in [".", "./", &folder.path().display().to_string()] {
        let (stdout, _) = expect(&gate(folder.path(), &[named]), 3);
        assert!(stdout.contains("refused: 1 of 2 stacks"), "{stdout}");
    }
    let validated = hermetic::uninlu(folder.path())
        .args(["validate", "."])
        .output()
        .expect("the binary was built for this test");
    let (_, stderr) = expect(&validated, 0);
    assert!(stderr.contains("eu/deep/er"), "{stderr}");
}

/// What nobody writes into would be read for ever.
#[test]
fn a_pipe_among_the_stacks_is_named() {
    let folder = stacks(1);
    for place in ["stacks/pipe", "linked"] {
        std::fs::create_dir_all(folder.path().join(place)).expect("writable");
    }
    let pipe = folder.path().join("stacks/pipe/uninlu.toml");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.expect("it is a part of every system").success());
    let (stdout, _) = expect(&gate(folder.path(), &["stacks"]), 1);
    assert!(
        stdout.contains("pipe/uninlu.toml") && stdout.contains("it is not a file"),
        "{stdout}"
    );
    symlink(&pipe, folder.path().join("linked/uninlu.toml")).expect("writable");
    std::fs::create_dir(folder.path().join("linked/more")).expect("writable");
    let (stdout, _) = expect(&gate(folder.path(), &["linked/.."]), 1);
    assert!(
        stdout.contains("linked/uninlu.toml") || stdout.contains("pipe/uninlu.toml"),
        "{stdout}"
    );
}

#[test]
fn the_worst_of_a_folders_stacks_decides() {
    for (index, (name, _, code)) in STACKS.iter().enumerate() {
        let folder = stacks(index + 1);
        let (stdout, _) = expect(&gate(folder.path(), &["stacks"]), *code);
        let file = format!("stacks/{name}/uninlu.toml");
        assert_eq!(stdout.contains(&file), *name != "a", "{stdout}");
    }
    let folder = stacks(2);
    expect(&gate(folder.path(), &["stacks", "--strict"]), 3);
    std::fs::remove_dir_all(folder.path().join("stacks/a")).expect("removable");
    expect(&gate(folder.path(), &["stacks"]), 0);
    std::fs::remove_dir_all(folder.path().join("stacks/b")).expect("removable");
    let (_, stderr) = expect(&gate(folder.path(), &["stacks"]), 1);
    assert!(stderr.contains("no uninlu.toml in stacks"), "{stderr}");
}

/// One that is broken hides no other, in no form.
#[test]
fn a_folder_of_stacks_is_told_in_one_report() {
    let folder = stacks(STACKS.len());
    let (stdout, stderr) = expect(&gate(folder.path(), &["stacks"]), 1);
    insta::assert_snapshot!(
        "folder",
        stdout.replace(&folder.path().display().to_string(), "HERE")
    );
    assert!(stderr.contains("5 stacks"), "{stderr}");
    for format in ["json", "junit", "sarif", "markdown", "github"] {
        let arguments = ["stacks", "--format", format, "--out", "report"];
        let (text, _) = expect(&gate(folder.path(), &arguments), 1);
        assert_eq!(text, stdout);
        let report = std::fs::read_to_string(folder.path().join("report")).expect("written");
        for told in [
            "rollout-outage",
            "never",
            "unknown key",
            "is not a valid profile",
        ] {
            assert!(report.contains(told), "{format}: no `{told}` in {report}");
        }
    }
}

#[test]
fn every_environment_of_a_folders_stacks() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let sections = "[env.small.rollout]\nmax-unavailable = \"100%\"";
    write(&folder.path().join("stacks/a"), sections);
    let arguments = [
        "stacks",
        "--every-environment",
        "--strict",
        "--format",
        "json",
    ];
    let (stdout, _) = expect(&gate(folder.path(), &arguments), 3);
    let report: Value = serde_json::from_str(&stdout).expect("JSON");
    assert_eq!(report["summary"], "refused: 1 of 2 stacks");
    let environments = [0, 1].map(|index| &report["stacks"][index]["environment"]);
    assert_eq!(environments, [&Value::Null, &"small".into()], "{stdout}");
}
