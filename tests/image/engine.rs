//! Real builds and pushes: `make test-image` (a Docker engine, docker-registry, the base image debian:trixie-slim).
//!
//! Each test builds under a repository of its own registry's port, so that they do not meet; the images stay in the
//! engine's cache, a few bytes each but for those on the base image.

use std::io::{BufRead, BufReader};
use std::process::Command;

use uninlu::image::{self, Resolved};
use uninlu::ui::Ui;

use super::support::{Project, Registry, docker, text};

const TINY: &str = "FROM scratch AS server\nCOPY hello.txt /hello.txt\n";

/// A repository that no other run has used, for tests that never push.
fn repository(name: &str) -> String {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("after 1970");
    format!("uninlu-test.invalid/{name}-{}", now.as_nanos())
}

fn tiny(repository: &str) -> Project {
    let project = Project::new(repository, "", TINY);
    project.write("hello.txt", "hello");
    project
}

/// A project on the base image; `run` is a RUN instruction's text.
fn on_debian(name: &str, run: &str) -> Project {
    let dockerfile = format!("FROM debian:trixie-slim AS server\nCOPY . /src\nRUN {run}\n");
    Project::new(&repository(name), "", &dockerfile)
}

#[test]
#[ignore = "needs Docker: make test-image"]
fn an_unchanged_context_builds_nothing() {
    let project = tiny(&repository("unchanged"));
    let (first, _) = project.built(&[]);
    let (second, said) = project.built(&[]);
    assert_eq!(
        (&first["built"], &second["built"]),
        (&true.into(), &false.into())
    );
    assert!(
        said.contains("nothing was built: the inputs are unchanged"),
        "it says why:\n{said}"
    );
    for key in ["reference", "inputs", "id", "size"] {
        assert_eq!(first[key], second[key], "{key} stays");
    }
    project.write("hello.txt", "hello again");
    let (third, _) = project.built(&[]);
    assert_eq!(third["built"], true, "another content is another image");
    assert_ne!(third["reference"], first["reference"]);
}

#[test]
#[ignore = "needs Docker: make test-image"]
fn the_image_tells_its_inputs_and_its_commit() {
    let dockerfile = "FROM scratch AS server\nARG GIT_COMMIT\nARG COLOUR=blue\nLABEL colour=$COLOUR commit=$GIT_COMMIT\nCOPY hello.txt /\n";
    let project = Project::new(
        &repository("labels"),
        "args = { COLOUR = \"red\" }",
        dockerfile,
    );
    project.write("hello.txt", "hello");
    project.write(".dockerignore", ".git");
    let git = |arguments: &[&str]| {
        let output = Command::new("git")
            .arg("-C")
            .arg(project.path())
            .args(["-c", "user.name=test", "-c", "user.email=test@example.com"])
            .args(arguments)
            .output()
            .expect("git is installed");
        assert!(
            output.status.success(),
            "git {arguments:?}: {}",
            text(&output.stderr)
        );
        text(&output.stdout).trim().to_owned()
    };
    git(&["init", "-q"]);
    git(&["commit", "-q", "--allow-empty", "-m", "first"]);
    let (built, _) = project.built(&[]);
    let reference = built["reference"].as_str().expect("a reference");
    let labels = labels(reference);
    let commit = git(&["rev-parse", "HEAD"]);
    assert_eq!(labels["org.opencontainers.image.revision"], commit.as_str());
    assert_eq!(
        labels["commit"],
        commit.as_str(),
        "the Dockerfile gets it as an argument"
    );
    assert_eq!(labels["dev.uninlu.inputs"], built["inputs"]);
    assert_eq!(labels["colour"], "red", "the stack file's argument arrives");
    git(&["commit", "-q", "--allow-empty", "-m", "second"]);
    let (again, _) = project.built(&[]);
    assert_eq!(again["built"], false, "a commit alone builds nothing");
}

#[test]
#[ignore = "needs Docker: make test-image"]
fn the_model_becomes_a_layer_of_the_default_target() {
    let dockerfile = "FROM scratch AS server\nCOPY hello.txt /\nFROM server AS server-with-model\nCOPY .uninlu/model/ /app/model/\n";
    let project = Project::new(&repository("model"), "", dockerfile);
    project.write("hello.txt", "hello");
    let (without, _) = project.built(&[]);
    for file in ["config.json", "vocab.txt", "model.safetensors"] {
        project.write(&format!("model/{file}"), &"x".repeat(1000));
    }
    project.write_stack(&repository("model"), "", "{ image = \"model\" }");
    let (with, _) = project.built(&[]);
    assert_eq!(without["size"], 5, "only hello.txt");
    assert_eq!(with["size"], 3005, "hello.txt and three files of the model");
}

#[test]
#[ignore = "needs Docker: make test-image"]
fn a_failing_step_shows_its_log_and_its_exit_code() {
    let project = on_debian("failing", "echo this-is-why >&2; exit 3");
    let said = project.fails(&["--quiet"]);
    assert!(
        said.contains("    this-is-why\n"),
        "the step's log, although quiet:\n{said}"
    );
    assert!(said.contains("exit code: 3"), "the cause:\n{said}");
    assert!(said.contains("RUN echo this-is-why"), "the step:\n{said}");
}

#[test]
#[ignore = "needs Docker: make test-image"]
fn a_missing_target_is_told() {
    let project = Project::new(&repository("target"), "target = \"sever\"", TINY);
    project.write("hello.txt", "hello");
    let said = project.fails(&[]);
    assert!(said.contains("sever"), "{said}");
}

#[test]
#[ignore = "needs Docker: make test-image"]
fn cache_mounts_outlive_a_build() {
    let mark = repository("cache-mount");
    let run = format!(
        "--mount=type=cache,id={mark},target=/cache echo x >> /cache/marks; echo \"marks: $(wc -l < /cache/marks)\""
    );
    let project = on_debian("cache-mount", &run);
    let (_, first) = project.built(&["--verbose"]);
    assert!(first.contains("marks: 1"), "{first}");
    project.write("changed.txt", "so that the step runs again");
    let (_, second) = project.built(&["--verbose"]);
    assert!(
        second.contains("marks: 2"),
        "the second build finds what the first left:\n{second}"
    );
}

/// cargo and make rebuild what is newer than their last result, which lies in a cache mount. The context's times are whole
/// seconds, so the result is dated back.
#[test]
#[ignore = "needs Docker: make test-image"]
fn changed_sources_are_newer_than_what_the_last_build_left() {
    let mark = repository("newer");
    let run = format!(
        "--mount=type=cache,id={mark},target=/cache if [ /src/source.txt -nt /cache/result ]; then echo stale-result; else echo fresh-result; fi; touch -d '2 seconds ago' /cache/result"
    );
    let project = on_debian("newer", &run);
    project.write("source.txt", "one");
    project.built(&[]);
    project.write("source.txt", "two");
    let old = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1);
    let file = std::fs::File::open(project.path().join("source.txt")).expect("a file");
    file.set_modified(old).expect("a time");
    let (_, said) = project.built(&["--verbose"]);
    assert!(
        said.contains("stale-result\n"),
        "a changed source counts as newer:\n{said}"
    );
}

/// The whole server, from a folder that has nothing of this repository.
#[test]
#[ignore = "needs Docker: make test-image"]
fn the_sources_that_the_tool_carries_become_a_server() {
    let certificates = std::fs::read_dir("/usr/local/share/ca-certificates");
    let certificates: Vec<String> = certificates
        .into_iter()
        .flatten()
        .map(|entry| entry.expect("an entry").path().display().to_string())
        .filter(|path| path.ends_with(".crt"))
        .collect();
    let image = format!("ca-certificates = {certificates:?}");
    let project = Project::carried(&repository("carried"), &image);
    let (built, said) = project.built(&[]);
    let reference = built["reference"].as_str().expect("a reference");
    let version = docker(&["run", "--rm", reference, "--version"]);
    assert!(version.starts_with("uninlu-server "), "{version}\n{said}");
    let labels = labels(reference);
    assert_eq!(
        labels["org.opencontainers.image.version"],
        concat!("v", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
#[ignore = "needs Docker: make test-image"]
fn certificates_reach_the_build_stages_only() {
    let certificate = ".uninlu/ca-certificates/000-company.crt";
    let dockerfile = format!(
        "FROM debian:trixie-slim AS build\nRUN --mount=type=bind,target=/context cp /context/{certificate} /seen\nFROM scratch AS server\nCOPY --from=build /etc/debian_version /\n"
    );
    let image = "ca-certificates = [\"company.pem\"]";
    let project = Project::new(&repository("certificates"), image, &dockerfile);
    project.write("company.pem", "-----BEGIN CERTIFICATE-----\n");
    let (built, _) = project.built(&[]);
    let size = built["size"].as_u64().expect("a size");
    assert!(
        size < 100,
        "only the version file is in the image, not {size} bytes"
    );
}

#[test]
#[ignore = "needs Docker: make test-image"]
fn interrupting_stops_the_build() {
    let project = on_debian("interrupt", "sleep 300");
    let mut tool = project
        .build(&[])
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("the tool runs");
    let stderr = tool.stderr.take().expect("it is piped");
    let mut lines = BufReader::new(stderr).lines().map_while(Result::ok);
    lines
        .find(|line| line.contains("RUN sleep 300"))
        .expect("the step starts");
    let interrupted = Command::new("kill")
        .args(["-INT", &tool.id().to_string()])
        .status()
        .expect("kill runs");
    assert!(interrupted.success(), "the tool was still building");
    let said = lines.collect::<Vec<_>>().join("\n");
    assert_eq!(tool.wait().expect("it ends").code(), Some(130));
    assert!(
        said.contains("interrupted; the build was stopped"),
        "{said}"
    );
}

#[tokio::test]
#[ignore = "needs Docker: make test-image"]
async fn what_was_pushed_is_what_is_resolved() {
    let registry = Registry::open();
    let project = tiny(&format!("{}/ai/tiny", registry.host));
    let stack = project.stack();
    let (before, inputs) = image::resolve(&stack).await.expect("the registry answers");
    let inputs = inputs.expect("a stack that builds has inputs");
    assert!(matches!(before, Resolved::ToBeBuilt { .. }), "{before:?}");
    assert_eq!(before.reference(), inputs.reference());

    let ui = Ui::new(true, uninlu::ui::Talk::Plain);
    let pinned = image::build_and_push(&stack, &inputs, ui)
        .await
        .expect("pushed");
    let (after, _) = image::resolve(&stack).await.expect("the registry answers");
    let reference = pinned.clone();
    assert_eq!(after, Resolved::Pinned { reference });
    let digests = docker(&[
        "image",
        "inspect",
        &inputs.reference(),
        "--format",
        "{{json .RepoDigests}}",
    ]);
    assert_eq!(
        digests,
        format!("[\"{pinned}\"]"),
        "the engine knows it by the same digest"
    );
    let again = image::build_and_push(&stack, &inputs, ui)
        .await
        .expect("there");
    assert_eq!(again, pinned, "a second time nothing is built or pushed");

    let (json, said) = project.built(&["--push"]);
    assert_eq!(json["pinned"], pinned.as_str());
    assert!(said.contains("the registry has their image"), "{said}");

    docker(&["image", "rm", "--force", &inputs.reference()]);
    let (elsewhere, _) = project.built(&["--push"]);
    assert_eq!(
        elsewhere["pinned"],
        pinned.as_str(),
        "a machine that never built it pins the same"
    );
    assert_eq!(
        elsewhere["built"], false,
        "another build would have another digest"
    );
}

/// Somebody else's image under our tag, in the engine.
#[test]
#[ignore = "needs Docker: make test-image"]
fn another_image_under_our_tag_is_not_taken_for_a_build() {
    let project = tiny(&repository("foreign"));
    let reference = project.inputs().reference();
    for label in ["dev.uninlu.inputs=0123", "other=label"] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let dockerfile = "FROM scratch\nCOPY Dockerfile /\n";
        std::fs::write(folder.path().join("Dockerfile"), dockerfile).expect("a file");
        let path = folder.path().display().to_string();
        docker(&[
            "build", "--quiet", "--label", label, "--tag", &reference, &path,
        ]);
        let said = project.fails(&[]);
        assert!(
            said.contains("the Docker engine has another image"),
            "{said}"
        );
        assert!(said.contains("docker image rm"), "the mend:\n{said}");
    }
    let (built, _) = project.built(&["--no-cache"]);
    assert_eq!(
        built["built"], true,
        "asked for anew, the tag is ours again"
    );
}

#[test]
#[ignore = "needs Docker: make test-image"]
fn a_registry_with_a_password_wants_a_login() {
    let registry = Registry::with_password();
    let project = tiny(&format!("{}/ai/tiny", registry.host));
    let configuration = tempfile::tempdir().expect("a temporary folder");
    let push = || {
        project
            .build(&["--push"])
            .env("DOCKER_CONFIG", configuration.path())
            .output()
            .expect("the tool runs")
    };
    let said = super::support::failure(&push());
    assert!(
        said.contains(&format!("docker login {}", registry.host)),
        "the mend:\n{said}"
    );

    // `docker login` writes the same: base64 of `tester:correct horse`.
    let login = serde_json::json!({ "auths": { &registry.host: { "auth": "dGVzdGVyOmNvcnJlY3QgaG9yc2U=" } } });
    std::fs::write(configuration.path().join("config.json"), login.to_string()).expect("a file");
    let output = push();
    let said = text(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(
        text(&output.stdout).contains("@sha256:"),
        "the pinned reference"
    );
    assert!(!said.contains("correct horse"), "no secret in the output");
}

#[test]
#[ignore = "needs Docker: make test-image"]
fn a_push_to_nowhere_tells_what_to_look_at() {
    let said = tiny("localhost:1/ai/nowhere").fails(&["--push"]);
    assert!(said.contains("localhost:1"), "{said}");
    assert!(
        said.contains("reachable") || said.contains("nothing listens"),
        "the mend:\n{said}"
    );
}

fn labels(reference: &str) -> serde_json::Value {
    let format = "{{json .Config.Labels}}";
    let labels = docker(&["image", "inspect", reference, "--format", format]);
    serde_json::from_str(&labels).expect("JSON")
}
