//! Ctrl-C, typed on the terminal: the tool ends with 130, leaves no drawing behind, and says what goes on in the cluster
//! and which command shows it. A rehearsal, which needs a real engine, is interrupted in `tests/image/rehearse.rs`.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use uninlu::kinds::Kind;

use super::api::{Answers, Api, kubeconfig, list, refusal, silent};
use super::releases::{cluster, goal, image, project, stack_text};
use super::settings;
use super::terminal::Terminal;

/// The screen of a command that was interrupted at these words.
fn interrupted(home: &Path, arguments: &[&str], words: &str) -> String {
    interrupted_with(home, arguments, words, &[])
}

fn interrupted_with(
    home: &Path,
    arguments: &[&str],
    words: &str,
    variables: &[(&str, &str)],
) -> String {
    let config = home.join("kubeconfig");
    let config = [("KUBECONFIG", config.to_str().expect("Unicode"))];
    let mut terminal = Terminal::start(home, arguments, &[&config, variables].concat());
    terminal.interrupt(words);
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(130), "{screen}");
    assert!(screen.contains("interrupted; "), "{screen}");
    nothing_is_left_of_spinners(&screen);
    screen
}

fn nothing_is_left_of_spinners(screen: &str) {
    let is_spinner = |c: char| ('\u{2800}'..='\u{28ff}').contains(&c);
    assert!(!screen.contains(is_spinner), "{screen}");
}

/// Two pods, of which one waits, and a stack file with another setting.
fn changed(change: impl FnOnce(&mut Answers)) -> (TempDir, Api) {
    let mut answers = cluster(1);
    change(&mut answers);
    let (home, api) = project(answers);
    let text = stack_text(&image("1"), "[server]\nmax-length = 300\n");
    std::fs::write(home.path().join("uninlu.toml"), text).expect("writable");
    (home, api)
}

fn snapshot(name: &str, home: &TempDir, screen: &str) {
    let mut settings = settings(home.path());
    settings.add_filter(r"me@laptop|[a-z0-9_-]+@[A-Za-z0-9.-]+ \(\d+\)", "USER");
    settings.add_filter(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", "NOW");
    settings.bind(|| insta::assert_snapshot!(name, screen));
}

#[test]
fn a_question() {
    let (home, api) = changed(|_| ());
    let screen = interrupted(home.path(), &["apply"], "Only `yes` does: ");
    assert_eq!(api.writes(), Vec::<String>::new());
    snapshot("interrupted-question", &home, &screen);
}

#[test]
fn an_apply_that_waits_for_the_lock() {
    let lease = json!({ "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": { "name": "nlu", "namespace": "nlu", "resourceVersion": "1", "uid": "1" },
        "spec": { "holderIdentity": "somebody@ci", "acquireTime": "2026-11-24T10:00:00.000000Z" } });
    let leases = "/apis/coordination.k8s.io/v1/namespaces/nlu/leases";
    let (home, api) = changed(|answers| {
        answers.insert(
            format!("POST {leases}"),
            refusal(409, "AlreadyExists", "it exists"),
        );
        {
            let name = "nlu-uninlu";
            answers.insert(format!("GET {leases}/{name}"), lease.clone());
        }
    });
    let screen = interrupted(home.path(), &["apply", "--yes"], "the lock is held by");
    let writes = api.writes();
    assert!(
        writes.iter().all(|line| line.contains("/leases")),
        "{writes:#?}"
    );
    snapshot("interrupted-lock", &home, &screen);
}

#[test]
fn an_apply_that_waits_for_the_rollout() {
    let (home, _api) = changed(|_| ());
    let screen = interrupted(home.path(), &["apply", "--yes"], "1 of 2 new pods");
    snapshot("interrupted-rollout", &home, &screen);
}

/// With nothing to write, what an earlier apply began is waited for.
#[test]
fn an_apply_without_changes_that_waits() {
    let (home, api) = project(cluster(1));
    let screen = interrupted(home.path(), &["apply", "--yes"], "1 of 2 new pods");
    assert_eq!(api.writes(), Vec::<String>::new());
    snapshot("interrupted-earlier", &home, &screen);
}

/// The registry has no image, and the engine's build never ends.
#[test]
fn a_build() {
    let mut answers = cluster(1);
    answers.insert("/v2/".to_owned(), json!({}));
    answers.insert(
        "/version".to_owned(),
        json!({ "Version": "28", "ApiVersion": "1.48", "MinAPIVersion": "1.24" }),
    );
    for path in ["POST /build", "POST /session"] {
        answers.insert(path.to_owned(), Value::Null);
    }
    let claim = json!({ "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": { "name": "models" } });
    answers.insert(
        "/api/v1/namespaces/nlu/persistentvolumeclaims/models".to_owned(),
        claim,
    );
    let (home, api) = project(answers);
    let repository = format!("{}/nlu", api.address());
    let text = stack_text("IMAGE", "").replace(
        "reference = \"IMAGE\"",
        &format!("repository = \"{repository}\""),
    );
    std::fs::write(home.path().join("uninlu.toml"), text).expect("writable");
    let engine = format!("tcp://{}", api.address());
    let variables = [("DOCKER_HOST", engine.as_str())];
    for arguments in [&["build"][..], &["apply", "--yes"]] {
        let screen = interrupted_with(home.path(), arguments, " build 127.0.0.1", &variables);
        assert!(screen.contains("the build was stopped"), "{screen}");
        let writes = api.writes();
        assert!(
            writes.iter().all(|line| !line.contains("/apis/")),
            "{writes:#?}"
        );
    }
}

/// The Deployment is asked to go, and stays.
#[test]
fn a_destroy_that_waits() {
    let (home, _api) = changed(|answers| {
        let found = goal(&image("1"), "");
        let body = found
            .objects
            .iter()
            .find(|(id, _)| id.kind == Kind::Deployment);
        let mut body = body.expect("a Deployment").1.clone();
        body["metadata"]["uid"] = json!("1");
        let ours = json!({ "manager": "uninlu", "operation": "Apply", "apiVersion": "apps/v1",
            "fieldsType": "FieldsV1", "fieldsV1": {} });
        body["metadata"]["managedFields"] = json!([ours]);
        answers.insert(
            "/apis/apps/v1/namespaces/nlu/deployments".to_owned(),
            list("apps/v1", "Deployment", std::slice::from_ref(&body)),
        );
        let path = "/apis/apps/v1/namespaces/nlu/deployments/nlu";
        answers.insert(format!("GET {path}"), body);
        answers.insert(
            "/apis/apps/v1/namespaces/nlu/replicasets".to_owned(),
            list("apps/v1", "ReplicaSet", &[]),
        );
    });
    let screen = interrupted(home.path(), &["destroy", "--yes"], "deleting Deployment");
    snapshot("interrupted-destroy", &home, &screen);
}

#[test]
fn a_watched_status() {
    let (home, api) = project(cluster(2));
    let screen = interrupted(home.path(), &["status", "--watch"], "node-b");
    assert_eq!(api.writes(), Vec::<String>::new());
    snapshot("interrupted-watch", &home, &screen);
}

#[test]
fn a_question_of_init() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let screen = interrupted(
        home.path(),
        &["init"],
        "name of the service [siamese-uninlu]: ",
    );
    assert!(
        screen.contains("interrupted; nothing was changed"),
        "{screen}"
    );
}

/// An API server that does not answer: whatever asks it can be left.
#[test]
fn every_command_that_asks_the_cluster() {
    let commands = [
        &["plan"][..],
        &["gate"],
        &["apply", "--yes"],
        &["adopt"],
        &["status"],
        &["verify"],
        &["drift"],
        &["history"],
        &["rollback"],
        &["destroy"],
        &["import", "live", "--context", "prod", "--namespace", "nlu"],
    ];
    for arguments in commands {
        let home = tempfile::tempdir().expect("a temporary folder");
        let (address, connected) = silent();
        let config = kubeconfig(home.path(), &address);
        let text = stack_text(&image("1"), "");
        std::fs::write(home.path().join("uninlu.toml"), text).expect("writable");
        let variables = [("KUBECONFIG", config.to_str().expect("Unicode"))];
        let mut terminal = Terminal::start(home.path(), arguments, &variables);
        let connection = connected.recv_timeout(Duration::from_secs(60));
        let _connection = connection.unwrap_or_else(|_| panic!("{arguments:?} asks nothing"));
        terminal.type_interrupt();
        let (code, screen) = terminal.end();
        assert_eq!(code, Some(130), "{arguments:?}: {screen}");
        assert!(
            screen.contains("interrupted; nothing was"),
            "{arguments:?}: {screen}"
        );
        nothing_is_left_of_spinners(&screen);
    }
}
