//! Exit codes and stdout, as every command has them.

use std::fs::File;
use std::path::Path;
use std::process::{Output, Stdio};

use super::commands::{case, uninlu};
use super::hermetic;

fn code(output: &Output) -> Option<i32> {
    output.status.code()
}

/// 2 means changes, so what cannot be understood is never 2.
#[test]
fn a_usage_error_exits_with_1_and_help_with_0() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for arguments in [
        &["--bogus"][..],
        &["bogus"],
        &[],
        &["plan", "--bogus"],
        &["apply", "--verify", "--no-wait"],
        &["plan", "a", "b"],
        &["gate", "--format", "bogus"],
        &["apply", "--lock-timeout", "soon"],
        &["render", "bogus"],
        &["diff", "only-one"],
        &["--progress", "bogus", "schema"],
    ] {
        let output = uninlu(arguments, folder.path());
        assert_eq!(code(&output), Some(1), "{arguments:?}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
        assert!(!output.stderr.is_empty(), "{arguments:?}");
    }
    let output = hermetic::uninlu(folder.path())
        .arg("schema")
        .env("UNINLU_PROGRESS", "bogus")
        .output()
        .expect("it runs");
    assert_eq!(code(&output), Some(1));
    for arguments in [
        &["--help"][..],
        &["--version"],
        &["help", "plan"],
        &["plan", "-h"],
    ] {
        let output = uninlu(arguments, folder.path());
        assert_eq!(code(&output), Some(0), "{arguments:?}");
        assert!(!output.stdout.is_empty(), "{arguments:?}");
        assert!(output.stderr.is_empty(), "{arguments:?}");
    }
    let help = String::from_utf8(uninlu(&["--help"], folder.path()).stdout).expect("text");
    for documented in ["1 error", "2 changes", "3 refused", "4 not deployed"] {
        assert!(help.contains(documented), "{documented} in {help}");
    }
}

/// Every command that prints without a cluster or an engine; the others print through the same three functions.
const PRINTING: [&[&str]; 16] = [
    &["--help"],
    &["--version"],
    &["plan", "--help"],
    &["schema"],
    &["man"],
    &["completions", "bash"],
    &["explain"],
    &["explain", "--markdown"],
    &["explain", "replicas"],
    &["validate", "--json", "VALID"],
    &["render", "VALID"],
    &["render", "VALID", "adapter", "--env", "both"],
    &["gate", "--offline", "VALID"],
    &["gate", "--offline", "--format", "sarif", "VALID"],
    &["diff", "VALID", "-", "-"],
    &[
        "simulate",
        "VALID",
        "--load",
        "constant:5/2m",
        "--profile",
        "PROFILE",
    ],
];

fn run(folder: &Path, arguments: &[&str], stdout: Stdio) -> Output {
    let valid = case("../../simulate/uninlu.toml");
    let profile = case("../../simulate/made-up.profile.json");
    let arguments = arguments.iter().map(|argument| match *argument {
        "VALID" => valid.as_os_str(),
        "PROFILE" => profile.as_os_str(),
        other => other.as_ref(),
    });
    hermetic::uninlu(folder)
        .args(arguments)
        .stdout(stdout)
        .stderr(Stdio::piped())
        .output()
        .expect("it runs")
}

#[test]
fn a_stdout_that_takes_nothing_is_an_error() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for arguments in PRINTING {
        let full = File::options()
            .write(true)
            .open("/dev/full")
            .expect("Linux");
        let output = run(folder.path(), arguments, full.into());
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(code(&output), Some(1), "{arguments:?}: {stderr}");
        assert!(
            stderr.contains("cannot write to stdout: No space left"),
            "{arguments:?}: {stderr}"
        );
    }
}

#[test]
fn a_reader_that_went_away_is_none() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for arguments in PRINTING {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let output = run(folder.path(), arguments, writer.into());
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(code(&output), Some(0), "{arguments:?}: {stderr}");
    }
}
