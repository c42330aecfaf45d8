//! `init` asks, and looks at a cluster.

use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::api::{Answers, Api, kubeconfig, list, refusal};
use super::settings;
use super::terminal::Terminal;
use crate::hermetic;

/// A home folder with a model below `models/`, and a project that can be built.
fn home() -> TempDir {
    let home = tempfile::tempdir().expect("a temporary folder");
    let write = |name: &str, text: &str| {
        let file = home.path().join(name);
        std::fs::create_dir_all(file.parent().expect("a folder")).expect("writable");
        std::fs::write(file, text).expect("writable");
    };
    write("Dockerfile", "FROM scratch\n");
    write("models/uninlu/config.json", "{}");
    write("models/uninlu/vocab.txt", "");
    write("models/uninlu/model.safetensors", "12345678");
    home
}

fn node(name: &str, cpu: &str, memory: &str) -> Value {
    json!({ "metadata": { "name": name }, "status": {
        "allocatable": { "cpu": cpu, "memory": memory, "pods": "110" },
        "conditions": [{ "type": "Ready", "status": "True" }] } })
}

fn pod(name: &str, cpu: &str, memory: &str) -> Value {
    let requests = json!({ "requests": { "cpu": cpu, "memory": memory } });
    json!({ "metadata": { "name": name, "namespace": "kube-system" }, "spec": { "nodeName": "one",
        "containers": [{ "name": "main", "resources": requests }] } })
}

/// One node of two cores, with what a small cluster runs on it.
fn two_cores() -> Answers {
    let claim = json!({ "metadata": { "name": "models", "namespace": "nlu" },
        "spec": { "accessModes": ["ReadWriteMany"] }, "status": { "phase": "Bound" } });
    let class = json!({ "metadata": { "name": "standard",
        "annotations": { "storageclass.kubernetes.io/is-default-class": "true" } }, "provisioner": "rancher.io/local-path" });
    let metrics = json!({ "kind": "APIGroup", "apiVersion": "v1", "name": "metrics.k8s.io",
        "versions": [{ "groupVersion": "metrics.k8s.io/v1beta1", "version": "v1beta1" }],
        "preferredVersion": { "groupVersion": "metrics.k8s.io/v1beta1", "version": "v1beta1" } });
    let system = [pod("dns", "200m", "140Mi"), pod("api", "450m", "512Mi")];
    let answers = [
        (
            "/api/v1/nodes",
            list("v1", "Node", &[node("one", "2", "7Gi")]),
        ),
        ("/api/v1/pods", list("v1", "Pod", &system)),
        (
            "/api/v1/namespaces/nlu/persistentvolumeclaims",
            list("v1", "PersistentVolumeClaim", &[claim]),
        ),
        (
            "/apis/storage.k8s.io/v1/storageclasses",
            list("storage.k8s.io/v1", "StorageClass", &[class]),
        ),
        ("/apis/metrics.k8s.io", metrics),
    ];
    answers
        .map(|(path, answer)| (path.to_owned(), answer))
        .into()
}

fn written(home: &Path) -> String {
    std::fs::read_to_string(home.join("uninlu.toml")).expect("a stack file")
}

#[test]
fn a_refused_answer_is_asked_for_again_and_the_others_are_kept() {
    let home = home();
    let api = Api::start(two_cores());
    let config = api.kubeconfig(home.path());
    let variables = [("KUBECONFIG", config.to_str().expect("Unicode"))];
    let mut terminal = Terminal::start(home.path(), &["init", "--name", "NLU"], &variables);
    terminal.answer("name of the service", "");
    terminal.answer("namespace [nlu]", "My Namespace");
    terminal.answer("namespace [nlu]", "");
    terminal.answer("context of the kubeconfig", "production");
    terminal.answer("context of the kubeconfig", "");
    terminal.answer("image repository", "");
    terminal.answer("image repository", "registry.example.com/nlu:latest");
    terminal.answer("image repository", "registry.example.com/nlu");
    terminal.answer("model: a folder", "~/modells");
    terminal.answer("model: a folder", "~/models");
    terminal.answer("model: a folder", "~/models/uninlu");
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(0), "{screen}");
    assert_eq!(api.writes(), Vec::<String>::new());
    settings(home.path()).bind(|| {
        insta::assert_snapshot!("init-asks", screen);
        insta::assert_snapshot!("init-asks-file", written(home.path()));
    });
}

#[test]
fn a_claim_is_proposed_and_its_folder_is_asked_for() {
    let home = home();
    let api = Api::start(two_cores());
    let config = api.kubeconfig(home.path());
    let variables = [("KUBECONFIG", config.to_str().expect("Unicode"))];
    let given = [
        "init",
        "--name",
        "nlu",
        "--namespace",
        "nlu",
        "--context",
        "prod",
        "--repository",
        "localhost:5000/nlu",
    ];
    let mut terminal = Terminal::start(home.path(), &given, &variables);
    terminal.answer("[models]", "");
    terminal.answer("[its root]", "../elsewhere");
    terminal.answer("[its root]", "uninlu");
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(0), "{screen}");
    assert!(
        screen.contains("`path` climbs out of the volume"),
        "{screen}"
    );
    let text = written(home.path());
    let source = "source = { pvc = \"models\", path = \"uninlu\" }";
    assert!(text.contains(source), "{text}");
}

#[test]
fn the_end_of_the_input_ends_the_questions() {
    let home = home();
    let mut terminal = Terminal::start(home.path(), &["init"], &[]);
    terminal.answer("name of the service", "");
    terminal.end_input("namespace");
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(1), "{screen}");
    assert!(
        screen.contains("the input ended before an answer to: namespace"),
        "{screen}"
    );
    assert!(!home.path().join("uninlu.toml").exists());
}

/// Runs without a terminal.
fn run(home: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let output = hermetic::uninlu(home)
        .arg("init")
        .args(arguments)
        .env("KUBECONFIG", home.join("kubeconfig"))
        .output()
        .expect("the binary was built for this test");
    let stderr = String::from_utf8_lossy(&output.stderr);
    (output.status.code(), stderr.into_owned())
}

#[test]
fn without_a_terminal_all_that_is_missing_is_said_at_once() {
    let home = home();
    kubeconfig(home.path(), "127.0.0.1:1");
    let lists = [
        &[][..],
        &[
            "--name",
            "NLU",
            "--repository",
            "nlu:1",
            "--model",
            "~/models",
            "--context",
            "prod",
        ],
        &["--claim", "./models/uninlu"],
    ];
    let screens: Vec<String> = lists
        .into_iter()
        .map(|arguments| {
            let (code, stderr) = run(home.path(), arguments);
            assert_eq!(code, Some(1), "{stderr}");
            format!("init {}\n{stderr}", arguments.join(" "))
        })
        .collect();
    assert!(!home.path().join("uninlu.toml").exists());
    settings(home.path()).bind(|| {
        insta::assert_snapshot!("init-missing", screens.join("\n"));
    });
}

const GIVEN: [&str; 4] = ["--repository", "localhost:5000/nlu", "--claim", "other"];

#[test]
fn a_cluster_that_cannot_be_reached_leaves_the_defaults() {
    let home = home();
    kubeconfig(home.path(), "127.0.0.1:1");
    let screens: Vec<String> = ["prod", "production"]
        .into_iter()
        .map(|context| {
            let given = [&GIVEN[..], &["--force", "--context", context]].concat();
            let (code, stderr) = run(home.path(), &given);
            assert_eq!(code, Some(0), "{stderr}");
            assert!(!written(home.path()).contains("[rollout]"));
            format!("init --context {context}\n{stderr}")
        })
        .collect();
    settings(home.path()).bind(|| {
        insta::assert_snapshot!("init-unreachable", screens.join("\n"));
    });
}

#[test]
fn what_a_user_may_not_read_is_said_and_the_rest_is_used() {
    let home = home();
    let mut answers = two_cores();
    for path in ["/api/v1/nodes", "/api/v1/pods"] {
        answers.insert(path.to_owned(), refusal(403, "Forbidden", "no"));
    }
    let api = Api::start(answers);
    api.kubeconfig(home.path());
    let given = [&GIVEN[..], &["--context", "prod"]].concat();
    let (code, stderr) = run(home.path(), &given);
    assert_eq!(code, Some(0), "{stderr}");
    settings(home.path()).bind(|| {
        insta::assert_snapshot!("init-forbidden", stderr);
    });
}
