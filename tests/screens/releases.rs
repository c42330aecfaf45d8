//! `history` and `status` for people.

use std::path::Path;

use jiff::Timestamp;
use serde_json::{Value, json};
use tempfile::TempDir;
use uninlu::kinds::Kind;
use uninlu::plan::release::{Outcome, Record};
use uninlu::plan::{Goal, PlannedImage, apply_set};
use uninlu::stack;

use super::api::{Answers, Api, list};
use super::settings;
use super::terminal::Terminal;
use crate::hermetic;

pub(super) fn image(digit: &str) -> String {
    format!("registry.test/nlu@sha256:{}", digit.repeat(64))
}

/// A stack file with further sections.
pub(super) fn stack_text(image: &str, sections: &str) -> String {
    format!(
        "name = \"nlu\"\nnamespace = \"nlu\"\n[cluster]\ncontext = \"prod\"\n[image]\nreference = \"{image}\"\n\
         [model]\nsource = {{ pvc = \"models\" }}\n{sections}"
    )
}

/// The goal that an apply of that file records.
pub(super) fn goal(image: &str, sections: &str) -> Goal {
    let text = stack_text(image, sections);
    let stack = stack::parse(&text, "uninlu.toml".as_ref(), None).expect("valid");
    let image = PlannedImage {
        reference: image.to_owned(),
        to_be_built: None,
    };
    Goal::of_stack(&stack, image, None)
}

/// A release as the cluster keeps it.
fn revision(number: i64, record: &Record, outcome: &Outcome) -> Value {
    let labels =
        json!({ "app.kubernetes.io/managed-by": "uninlu", "app.kubernetes.io/instance": "nlu" });
    let outcome = serde_json::to_string(outcome).expect("JSON");
    json!({ "apiVersion": "apps/v1", "kind": "ControllerRevision",
        "metadata": { "name": format!("nlu-release-{number}"), "namespace": "nlu", "labels": labels,
            "annotations": { "uninlu.dev/outcome": outcome } },
        "revision": number, "data": serde_json::to_value(record).expect("JSON") })
}

fn record(number: i64, user: Option<&str>, summary: &str, goal: Goal) -> Record {
    let at: Timestamp = "2026-11-24T05:00:12Z".parse().expect("a time");
    Record {
        goal: Goal {
            git: Some(format!("v0.1.0-{number}-g1234567")),
            ..goal
        },
        plan: format!("sha256:{number}"),
        summary: summary.to_owned(),
        by: "me@laptop".to_owned(),
        user: user.map(str::to_owned),
        at: at + jiff::SignedDuration::from_hours(number),
        back_to: (number == 5).then_some(2),
    }
}

const ONE: &str = "0 to create, 1 to update, 0 to replace, 0 to delete, 5 to keep";
const REASON: &str = "no pod of this release became ready within 8 min: Pod nlu-6d5f7c9b7d-x2k9p: the image cannot be pulled: manifest unknown";

/// Five releases, of which one failed and the last went back.
fn revisions() -> Vec<Value> {
    let larger = "[resources]\nmemory = { request = \"1Gi\", limit = \"3Gi\" }\n";
    let changed = "replicas = 3\n".to_owned();
    let settings = format!("{larger}[server]\nmax-length = 512\n");
    let policy = format!("{settings}[network]\npolicy = false\n");
    let with_replicas = |sections: &str| {
        let text = stack_text(&image("2"), sections);
        let stack = stack::parse(&format!("{changed}{text}"), "uninlu.toml".as_ref(), None);
        let image = PlannedImage {
            reference: image("2"),
            to_be_built: None,
        };
        Goal::of_stack(&stack.expect("valid"), image, None)
    };
    let admin = Some("kubernetes-admin");
    let account = Some("system:serviceaccount:ci:deployer");
    let ready = |seconds| Outcome::Ready { seconds };
    let failed = Outcome::Failed {
        seconds: 480,
        reason: REASON.to_owned(),
    };
    let all = [
        (
            record(
                1,
                None,
                "6 to create, 0 to update, 0 to replace, 0 to delete, 0 to keep",
                goal(&image("1"), ""),
            ),
            ready(24),
        ),
        (record(2, admin, ONE, goal(&image("1"), larger)), ready(9)),
        (
            record(3, account, ONE, goal(&image("1"), &settings)),
            Outcome::Written { seconds: 0 },
        ),
        (record(4, account, ONE, with_replicas(&policy)), failed),
        (record(5, admin, ONE, goal(&image("1"), larger)), ready(71)),
    ];
    (1..)
        .zip(&all)
        .map(|(number, (record, outcome))| revision(number, record, outcome))
        .collect()
}

fn answers() -> Answers {
    let list = list("apps/v1", "ControllerRevision", &revisions());
    Answers::from([(
        "/apis/apps/v1/namespaces/nlu/controllerrevisions".to_owned(),
        list,
    )])
}

pub(super) fn project(answers: Answers) -> (TempDir, Api) {
    let home = tempfile::tempdir().expect("a temporary folder");
    let api = Api::start(answers);
    api.kubeconfig(home.path());
    let text = stack_text(&image("1"), "");
    std::fs::write(home.path().join("uninlu.toml"), text).expect("writable");
    (home, api)
}

pub(super) fn run(home: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = hermetic::uninlu(home)
        .args(arguments)
        .env("KUBECONFIG", home.join("kubeconfig"))
        .output()
        .expect("the binary was built for this test");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

#[test]
fn history_is_a_table_that_fits_the_terminal() {
    let (home, api) = project(answers());
    let config = home.path().join("kubeconfig");
    let variables = [("KUBECONFIG", config.to_str().expect("Unicode"))];
    let (code, screen) = Terminal::start(home.path(), &["history"], &variables).end();
    assert_eq!(code, Some(0), "{screen}");
    assert!(
        screen.lines().all(|line| line.chars().count() <= 80),
        "{screen}"
    );
    let (code, wide, stderr) = run(home.path(), &["history"]);
    assert_eq!(code, Some(0), "{stderr}");
    let (code, full, stderr) = run(home.path(), &["history", "--full"]);
    assert_eq!(code, Some(0), "{stderr}");
    assert!(full.contains(REASON), "{full}");
    assert_eq!(api.writes(), Vec::<String>::new());
    settings(home.path()).bind(|| {
        insta::assert_snapshot!("history-80", screen);
        insta::assert_snapshot!("history", wide);
        insta::assert_snapshot!("history-full", full);
    });
}

#[test]
fn history_as_json_says_who_and_what_changed() {
    let (home, _api) = project(answers());
    let (code, stdout, stderr) = run(home.path(), &["history", "--json"]);
    assert_eq!(code, Some(0), "{stderr}");
    let document: Value = serde_json::from_str(&stdout).expect("JSON");
    let told: Vec<Value> = document["releases"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|release| {
            json!([
                release["number"],
                release["user"],
                release["by"],
                release["changed"]
            ])
        })
        .collect();
    let replicas = ["image", "NetworkPolicy removed", "replicas 2 → 3"];
    assert_eq!(
        told,
        [
            json!([1, null, "me@laptop", []]),
            json!([
                2,
                "kubernetes-admin",
                "me@laptop",
                ["resources.memory.limit 2Gi → 3Gi"]
            ]),
            json!([
                3,
                "system:serviceaccount:ci:deployer",
                "me@laptop",
                ["server.max-length = 512"]
            ]),
            json!([
                4,
                "system:serviceaccount:ci:deployer",
                "me@laptop",
                replicas
            ]),
            json!([
                5,
                "kubernetes-admin",
                "me@laptop",
                [
                    "image",
                    "server.max-length unset",
                    "NetworkPolicy added",
                    "replicas 3 → 2"
                ]
            ]),
        ]
    );
}

#[test]
fn a_flag_that_would_have_no_effect_is_refused() {
    let (home, _api) = project(answers());
    for arguments in [
        &["history", "2", "--full"][..],
        &["history", "--full", "--json"],
        &["history", "2", "--diff", "1", "--full"],
    ] {
        let (code, stdout, stderr) = run(home.path(), arguments);
        assert_eq!(code, Some(1), "{arguments:?}: {stdout}");
        let said = stdout + &stderr;
        assert!(said.contains("--full"), "{arguments:?}: {said}");
    }
}

fn deployment(ready: u32) -> Value {
    let is_ready = ready == 2;
    let condition =
        json!({ "type": "Available", "status": if is_ready { "True" } else { "False" } });
    let rendered = goal(&image("1"), "");
    let found = rendered
        .objects
        .iter()
        .find(|(id, _)| id.kind == Kind::Deployment);
    let mut body = found.expect("a Deployment").1.clone();
    body["metadata"]["generation"] = json!(1);
    body["metadata"]["uid"] = json!("1");
    body["status"] = json!({ "observedGeneration": 1, "replicas": 2, "updatedReplicas": 2,
        "readyReplicas": ready, "availableReplicas": ready, "conditions": [condition] });
    body
}

fn pod(name: &str, node: &str, container: &Value) -> Value {
    let is_ready = container["ready"] == true;
    let labels =
        json!({ "app.kubernetes.io/managed-by": "uninlu", "app.kubernetes.io/instance": "nlu" });
    json!({ "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": name, "namespace": "nlu", "labels": labels },
        "spec": { "nodeName": node, "containers": [{ "name": "server" }] },
        "status": { "phase": "Running", "containerStatuses": [container],
            "conditions": [{ "type": "Ready", "status": if is_ready { "True" } else { "False" } }] } })
}

/// The ApplySet's parent.
fn parent() -> Value {
    let goal = goal(&image("1"), "");
    let kinds = goal.objects.keys().map(|id| id.kind).collect();
    apply_set::parent_body("nlu", &apply_set::parent_id(&goal.target), &kinds)
}

/// The objects of the stack, of whose two pods one waits for its image.
pub(super) fn cluster(ready: u32) -> Answers {
    let good = json!({ "name": "server", "image": "x", "imageID": "x", "ready": true, "restartCount": 0,
        "state": { "running": { "startedAt": "2026-11-24T10:00:00Z" } } });
    let message = format!(
        "Back-off pulling image \"{}\": manifest unknown",
        image("1")
    );
    let bad = json!({ "name": "server", "image": "x", "imageID": "", "ready": false, "restartCount": 3,
        "state": { "waiting": { "reason": "ImagePullBackOff", "message": message } } });
    let second = if ready == 2 { &good } else { &bad };
    let pods = [
        pod("nlu-6d5f7c9b7d-x2k9p", "node-a", &good),
        pod("nlu-6d5f7c9b7d-zq4lw", "node-b", second),
    ];
    let mut answers = answers();
    let mut add = |path: &str, answer: Value| drop(answers.insert(path.to_owned(), answer));
    for (id, body) in &goal(&image("1"), "").objects {
        let (path, version) = match id.kind {
            Kind::ConfigMap => ("/api/v1/namespaces/nlu/configmaps", "v1"),
            Kind::Service => ("/api/v1/namespaces/nlu/services", "v1"),
            Kind::ServiceAccount => ("/api/v1/namespaces/nlu/serviceaccounts", "v1"),
            Kind::NetworkPolicy => (
                "/apis/networking.k8s.io/v1/namespaces/nlu/networkpolicies",
                "networking.k8s.io/v1",
            ),
            Kind::PodDisruptionBudget => (
                "/apis/policy/v1/namespaces/nlu/poddisruptionbudgets",
                "policy/v1",
            ),
            _ => continue,
        };
        let parent = (id.kind == Kind::ConfigMap).then(parent);
        let items: Vec<Value> = [body.clone()].into_iter().chain(parent).collect();
        add(path, list(version, id.kind.name(), &items));
    }
    add(
        "/apis/apps/v1/namespaces/nlu/deployments",
        list("apps/v1", "Deployment", &[deployment(ready)]),
    );
    add(
        "/apis/apps/v1/namespaces/nlu/deployments/nlu",
        deployment(ready),
    );
    for (path, version, kind) in [
        (
            "/apis/apps/v1/namespaces/nlu/replicasets",
            "apps/v1",
            "ReplicaSet",
        ),
        ("/api/v1/namespaces/nlu/events", "v1", "Event"),
    ] {
        add(path, list(version, kind, &[]));
    }
    add(
        "/apis/autoscaling/v2/namespaces/nlu/horizontalpodautoscalers",
        list("autoscaling/v2", "HorizontalPodAutoscaler", &[]),
    );
    add("/api/v1/namespaces/nlu/pods", list("v1", "Pod", &pods));
    let namespace =
        json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "nlu" } });
    add("/api/v1/namespaces/nlu", namespace);
    answers
}

#[test]
fn status_is_a_table_under_the_newest_release() {
    let mut screens = Vec::new();
    for ready in [2, 1] {
        let (home, api) = project(cluster(ready));
        let config = home.path().join("kubeconfig");
        let variables = [("KUBECONFIG", config.to_str().expect("Unicode"))];
        let (code, screen) = Terminal::start(home.path(), &["status"], &variables).end();
        assert_eq!(code, Some(0), "{screen}");
        assert_eq!(api.writes(), Vec::<String>::new());
        screens.push(screen);
    }
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!("status", screens.join("\n\n"));
    });
}

#[test]
fn status_as_json_has_the_newest_release() {
    let (home, _api) = project(cluster(1));
    let (code, stdout, stderr) = run(home.path(), &["status", "--json"]);
    assert_eq!(code, Some(0), "{stderr}");
    let document: Value = serde_json::from_str(&stdout).expect("JSON");
    assert_eq!(document["release"]["number"], 5);
    assert_eq!(document["release"]["user"], "kubernetes-admin");
    assert_eq!(document["image"], image("1"));
    assert_eq!(document["pods"][1]["node"], "node-b");
    assert_eq!(
        document["pods"][1]["progress"]["state"], "waiting",
        "{document:#}"
    );
}
