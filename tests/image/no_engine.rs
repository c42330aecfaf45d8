//! Without an engine or a registry, the error says how to get there.

use std::os::unix::net::UnixListener;

use super::support::Project;

fn project() -> Project {
    Project::new(
        "localhost:1/ai/tiny",
        "",
        "FROM scratch AS server\nCOPY Dockerfile /\n",
    )
}

/// One line: where it wraps depends on the length of the temporary folder's name.
fn unwrapped(told: &str) -> String {
    let words = told.split_whitespace().filter(|word| *word != "│");
    words.collect::<Vec<_>>().join(" ")
}

fn without_engine(socket: &std::path::Path) -> String {
    let output = project()
        .build(&[])
        .env("DOCKER_HOST", format!("unix://{}", socket.display()))
        .output()
        .expect("the tool runs");
    unwrapped(&super::support::failure(&output)).replace(&socket.display().to_string(), "SOCKET")
}

#[test]
fn no_socket_means_that_docker_is_not_there() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    insta::assert_snapshot!(without_engine(&folder.path().join("docker.sock")));
}

#[test]
fn a_dead_socket_means_that_docker_was_stopped() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let socket = folder.path().join("docker.sock");
    drop(UnixListener::bind(&socket).expect("a socket"));
    insta::assert_snapshot!(without_engine(&socket));
}

#[tokio::test]
async fn a_registry_that_does_not_answer_is_never_taken_for_an_empty_one() {
    let project = project();
    let stack = project.stack();
    let error = uninlu::image::resolve(&stack)
        .await
        .expect_err("port 1 is closed");
    let tag = uninlu::image::inputs(&stack).expect("a context").tag;
    let told = format!("{:?}", miette::Report::new(error)).replace(&tag, "TAG");
    insta::assert_snapshot!(unwrapped(&told));
}

#[test]
fn a_stack_with_a_reference_has_nothing_to_build() {
    let project = project();
    let reference = format!("registry.example.com/ai/tiny@sha256:{}", "a".repeat(64));
    project.write(
        "uninlu.toml",
        &format!("name = \"tiny\"\nnamespace = \"tiny\"\ncluster = {{ context = \"none\" }}\nimage = {{ reference = \"{reference}\" }}\nmodel = {{ source = {{ pvc = \"models\" }} }}\n"),
    );
    let output = project.build(&[]).output().expect("the tool runs");
    assert_eq!(
        super::support::text(&output.stdout),
        format!("{reference}\n")
    );
    assert_eq!(output.status.code(), Some(0));
}
