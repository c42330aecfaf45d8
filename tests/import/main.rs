//! `uninlu import` offline: a chart is a folder, its snapshot the stack file and the report.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/import")
        .join(name)
}

/// The binary in that folder, without anything of the user's.
fn uninlu(arguments: &[&str], folder: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_uninlu"))
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("HOME", folder)
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .output()
        .expect("the binary was built for this test")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Stack file and report of a run that must have gone well.
fn told(output: &Output) -> String {
    let report = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{report}");
    format!("{}\n{}\n{report}", text(&output.stdout), "-".repeat(80))
}

#[test]
fn the_usual_chart() {
    let output = uninlu(&["import", "helm", "usual-chart"], &folder(""));
    insta::assert_snapshot!(told(&output));
}
