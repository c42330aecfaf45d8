//! `rehearse` with a real engine and containers that fail in the ways in which a server can: `make test-image`. That it
//! measures the server itself is a step of `tests/demo/run`, which has its image.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use super::support::{Project, docker, failure, text};
use crate::screens::terminal::Terminal;

/// A built image whose entry point is this shell script; `more` is what else stands in the stack file.
fn built(name: &str, script: &str, more: &str) -> (Project, String) {
    let entry = format!("[\"/bin/sh\", \"-c\", \"{script}\"]");
    built_with(name, &entry, more)
}

/// The same for any entry point, with `answers.pl` in the image.
fn built_with(name: &str, entry: &str, more: &str) -> (Project, String) {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("after 1970");
    let repository = format!("uninlu-test.invalid/{name}-{}", now.as_nanos());
    let dockerfile =
        format!("FROM debian:trixie-slim AS server\nCOPY answers.pl /\nENTRYPOINT {entry}\n");
    let project = Project::new(&repository, "", &dockerfile);
    project.write("answers.pl", include_str!("answers.pl"));
    let limits = "[resources]\ncpu = { request = \"100m\", limit = \"500m\" }\n";
    let model = format!("{{ pvc = \"models\" }}\n{limits}{more}");
    project.write_stack(&repository, "", &model);
    let (json, _) = project.built(&[]);
    let reference = json["reference"].as_str().expect("a reference").to_owned();
    (project, reference)
}

fn rehearse(project: &Project) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_uninlu"));
    command
        .arg("rehearse")
        .arg(project.path())
        .arg("--model")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/demo-model"))
        .env("NO_COLOR", "1")
        .env_remove("UNINLU_ENV");
    command
}

/// What a rehearsal that must fail says. No container of the image is left, and no profile.
fn fails(project: &Project, reference: &str) -> String {
    let output = rehearse(project).output().expect("the tool runs");
    let said = failure(&output);
    nothing_left(project, reference);
    said
}

fn nothing_left(project: &Project, reference: &str) {
    let left = docker(&["ps", "-aq", "--filter", &format!("ancestor={reference}")]);
    assert_eq!(left, "", "the container is removed");
    let profile = project.path().join("uninlu.profile.json");
    assert!(!profile.exists(), "a failed rehearsal writes no profile");
}

#[test]
#[ignore = "needs Docker: make test-image"]
fn an_image_that_was_not_built_is_asked_for() {
    let project = Project::new(
        "uninlu-test.invalid/never-built",
        "",
        "FROM scratch AS server\nCOPY Dockerfile /\n",
    );
    let output = rehearse(&project).output().expect("the tool runs");
    let said = failure(&output);
    assert!(
        said.contains("has no image uninlu-test.invalid/never-built:")
            && said.contains("`uninlu build "),
        "{said}"
    );
}

#[test]
#[ignore = "needs Docker: make test-image"]
fn a_server_that_ends_shows_its_log_and_its_exit_code() {
    // The user, the read-only root, and the room that there is.
    let script = "id -u; touch /root-is-writable || touch /tmp/is-writable && cat /etc/uninlu/settings.toml && ls /app/model; exit 3";
    let (project, reference) = built("ending", script, "[server]\nmax-length = 10000\n");
    let said = fails(&project, &reference);
    assert!(
        said.contains("ended with exit code 3 before it was ready"),
        "{said}"
    );
    for line in ["1001", "max-length = 10000", "model.safetensors"] {
        assert!(said.contains(&format!("    {line}\n")), "{line}:\n{said}");
    }
    assert!(said.contains("Read-only file system"), "{said}");
}

#[test]
#[ignore = "needs Docker: make test-image"]
fn a_server_that_needs_more_memory_than_its_limit_is_told_so() {
    let memory = "memory = { request = \"32Mi\", limit = \"32Mi\" }\n";
    let (project, reference) = built("memory", "exec tail /dev/zero", memory);
    let said = fails(&project, &reference);
    assert!(
        said.contains("killed at its memory limit of 33.6 MB before it was ready"),
        "{said}"
    );
    assert!(said.contains("raise `[resources] memory.limit`"), "{said}");
}

/// A short rehearsal in the project's folder, on a terminal.
fn on_terminal(project: &Project) -> Terminal {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/demo-model");
    let model = model.to_str().expect("Unicode");
    let lengths = ["--characters", "40,200"];
    let effort = ["--objective", "2s", "--trial", "1s"];
    let arguments = [&["rehearse", ".", "--model", model][..], &lengths, &effort];
    Terminal::start(project.path(), &arguments.concat(), &[])
}

/// Its figures are those of a run, so only the lines' beginnings are known. That no line is torn, and nothing is left of
/// what moves, is checked by the terminal.
#[test]
#[ignore = "needs Docker: make test-image"]
fn on_a_terminal_of_80_columns() {
    let (project, reference) = built_with("terminal", "[\"perl\", \"/answers.pl\"]", "");
    let (code, screen) = on_terminal(&project).end();
    assert_eq!(code, Some(0), "{screen}");
    let begins = |words: &str| {
        screen
            .lines()
            .filter(|line| line.starts_with(words))
            .count()
    };
    for (words, count) in [
        ("✓ start: ready after ", 1),
        ("✓ texts of 40 characters, each alone: ", 1),
        ("✓ texts of 200 characters, each alone: ", 1),
        ("✓ the rate at which 95 of 100 texts of 40 characters", 1),
        ("image       ", 1),
        ("limits      0.5 CPU of ", 1),
        ("start-up    ", 1),
        ("memory      ", 1),
        ("text        ", 2),
        ("saturation  ", 1),
        ("wrote /", 1),
    ] {
        assert_eq!(begins(words), count, "{words}\n{screen}");
    }
    std::fs::remove_file(project.path().join("uninlu.profile.json")).expect("it was written");
    nothing_left(&project, &reference);
}

#[test]
#[ignore = "needs Docker: make test-image"]
fn interrupted_on_a_terminal() {
    let probes = "[probes]\nstartup = { period = \"1s\", budget = \"600s\" }\n";
    let (project, reference) = built("interrupted-terminal", "sleep 600", probes);
    let mut terminal = on_terminal(&project);
    terminal.interrupt(" start");
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(130), "{screen}");
    assert!(screen.contains("the container was removed"), "{screen}");
    nothing_left(&project, &reference);
}

#[test]
#[ignore = "needs Docker: make test-image"]
fn a_server_that_is_never_ready_is_given_up() {
    let probes = "[probes]\nstartup = { period = \"1s\", budget = \"2s\" }\n";
    let (project, reference) = built("unready", "echo still-loading; sleep 600", probes);
    let said = fails(&project, &reference);
    let refused = "was not ready within 2 s: http://127.0.0.1:";
    assert!(said.contains(refused), "{said}");
    assert!(said.contains("    still-loading\n"), "{said}");
}

#[test]
#[ignore = "needs Docker: make test-image"]
fn interrupting_removes_the_container() {
    let probes = "[probes]\nstartup = { period = \"1s\", budget = \"600s\" }\n";
    for (signal, code) in [("-INT", 130), ("-TERM", 1)] {
        let (project, reference) = built("interrupted", "sleep 600", probes);
        let mut tool = rehearse(&project)
            .stderr(Stdio::piped())
            .spawn()
            .expect("the tool runs");
        let stderr = tool.stderr.take().expect("it is piped");
        let mut lines = BufReader::new(stderr).lines().map_while(Result::ok);
        lines
            .find(|line| line.contains("… start"))
            .expect("the step begins");
        let sent = Command::new("kill")
            .args([signal, &tool.id().to_string()])
            .status()
            .expect("kill runs");
        assert!(sent.success(), "the tool was still measuring");
        let said = lines.collect::<Vec<_>>().join("\n");
        let output = tool.wait_with_output().expect("it ends");
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert_eq!(text(&output.stdout), "");
        assert!(said.contains("the container was removed"), "{said}");
        nothing_left(&project, &reference);
    }
}
