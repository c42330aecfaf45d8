//! The command line, without an engine.

use std::path::Path;

use tempfile::TempDir;

use crate::hermetic;

fn project(server: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/demo-model");
    let stack = format!(
        "name = \"tiny\"\nnamespace = \"tiny\"\n[cluster]\ncontext = \"none\"\n[image]\nrepository = \"localhost:1/tiny\"\n[model]\nsource = {{ image = \"{}\" }}\n{server}",
        model.display()
    );
    std::fs::write(folder.path().join("uninlu.toml"), stack).expect("a file");
    folder
}

/// What a run that must fail says; nothing on stdout, no profile.
fn refused(project: &TempDir, arguments: &[&str]) -> (Option<i32>, String) {
    let socket = project.path().join("docker.sock");
    let output = hermetic::uninlu(project.path())
        .arg("rehearse")
        .arg(project.path())
        .args(arguments)
        .env("DOCKER_HOST", format!("unix://{}", socket.display()))
        .output()
        .expect("the tool runs");
    assert!(output.stdout.is_empty(), "a failed run has no result");
    let profile = project.path().join("uninlu.profile.json");
    assert!(!profile.exists(), "a failed run writes no profile");
    let said =
        String::from_utf8_lossy(&output.stderr).replace(&*socket.to_string_lossy(), "SOCKET");
    (output.status.code(), said)
}

#[test]
fn without_an_engine_nothing_is_measured() {
    let (code, said) = refused(&project(""), &[]);
    assert_eq!(code, Some(1));
    insta::assert_snapshot!(said);
}

#[test]
fn a_text_that_the_server_would_refuse_is_not_sent() {
    let project = project("[server]\nmax-length = 100\n");
    let (code, said) = refused(&project, &["--characters", "50,200"]);
    assert_eq!(code, Some(1));
    insta::assert_snapshot!(said);
}

#[test]
fn durations_and_lengths_are_read_strictly() {
    let project = project("");
    for wrong in [
        ["--objective", "5"],
        ["--objective", "0s"],
        ["--trial", "soon"],
        ["--characters", "50,9"],
        ["--characters", "many"],
    ] {
        let (code, said) = refused(&project, &wrong);
        assert_eq!(code, Some(1), "{wrong:?}");
        assert!(said.contains("write "), "{wrong:?}: {said}");
    }
}
