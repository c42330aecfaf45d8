//! Records of what was applied, and ways back.

use k8s_openapi::api::core::v1::ResourceQuota;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use uninlu::kinds::Kind;

use crate::sandbox::{NAME, Sandbox, StackText};

const SMALLER: StackText<'_> = StackText {
    top: "replicas = 1",
    creates_namespace: true,
    sections: "[network]\npolicy = false",
};

async fn history(sandbox: &Sandbox) -> Vec<Value> {
    let history = sandbox.run(&["history", "--json"]).await.expect(0).json();
    history["releases"].as_array().cloned().unwrap_or_default()
}

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn each_apply_is_recorded_and_one_without_changes_is_not() {
    let sandbox = Sandbox::new("history").await;
    sandbox.write(SMALLER);
    sandbox.apply().await;
    sandbox.apply().await;
    sandbox.write(StackText::default());
    sandbox.apply().await;
    let releases = history(&sandbox).await;
    let numbers: Vec<&Value> = releases.iter().map(|release| &release["number"]).collect();
    assert_eq!(numbers, [1, 2], "{releases:#?}");
    assert!(
        releases
            .iter()
            .all(|release| release["outcome"]["state"] == "ready"
                && release["by"].as_str().is_some_and(|by| by.contains('@'))),
        "{releases:#?}"
    );
    let diff = sandbox
        .run(&["history", "2", "--diff", "1"])
        .await
        .expect(0);
    assert!(diff.stdout.contains("NetworkPolicy"), "{}", diff.stdout);
    assert!(
        diff.stdout.contains(".spec.replicas: 1 → 2"),
        "{}",
        diff.stdout
    );
    let unknown = sandbox.run(&["history", "9"]).await.expect(1);
    assert!(
        unknown.stderr.contains("no release 9"),
        "{}",
        unknown.stderr
    );
}

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn the_history_is_bounded() {
    let sandbox = Sandbox::new("history-bounded").await;
    for length in 1..=13 {
        let sections = format!("[server]\nmax-length = {}", 100 + length);
        sandbox.write(StackText {
            sections: &sections,
            ..StackText::default()
        });
        sandbox.apply().await;
    }
    let releases = history(&sandbox).await;
    assert_eq!(releases.len(), 10);
    assert_eq!(releases[0]["number"], 4);
}

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn a_rollback_is_planned_like_any_apply_and_takes_away_what_came_since() {
    let sandbox = Sandbox::new("rollback").await;
    sandbox.write(SMALLER);
    sandbox.apply().await;
    let nowhere = sandbox.run(&["rollback", "--yes"]).await.expect(1);
    assert!(
        nowhere.stderr.contains("nothing to go back to"),
        "{}",
        nowhere.stderr
    );
    sandbox.write(StackText::default());
    sandbox.apply().await;
    sandbox.run(&["rollback"]).await.expect(1);
    assert!(
        !sandbox.names(Kind::NetworkPolicy).await.is_empty(),
        "nobody confirmed"
    );
    sandbox.run(&["rollback", "--yes"]).await.expect(0);
    assert!(sandbox.names(Kind::NetworkPolicy).await.is_empty());
    assert_eq!(sandbox.deployment().await["spec"]["replicas"], 1);
    let releases = history(&sandbox).await;
    assert_eq!(releases[2]["back_to"], 1, "{releases:#?}");
    sandbox.write(SMALLER);
    assert_eq!(sandbox.plan().await.json()["has_changes"], false);
}

/// The quota lets the first release's pods be and no other; the rollout of the second can never end.
#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn a_rollout_that_fails_goes_back_when_the_stack_says_so() {
    let sandbox = Sandbox::new("on-failure").await;
    sandbox.create_namespace().await;
    let stack = |sections| StackText {
        creates_namespace: false,
        sections,
        ..SMALLER
    };
    sandbox.write(stack("[rollout]\non-failure = \"rollback\""));
    sandbox.apply().await;
    let quotas: Api<ResourceQuota> = Api::namespaced(sandbox.client.clone(), &sandbox.namespace);
    let quota = json!({ "apiVersion": "v1", "kind": "ResourceQuota", "metadata": { "name": "one" },
        "spec": { "hard": { "pods": "1" } } });
    quotas
        .patch("one", &PatchParams::apply("admin"), &Patch::Apply(quota))
        .await
        .expect("a quota");
    sandbox.write(stack(
        "[rollout]\non-failure = \"rollback\"\n[resources]\nmemory = { request = \"3Gi\", limit = \"3Gi\" }",
    ));
    let run = sandbox.run(&["apply", "--yes"]).await.expect(1);
    assert!(run.stderr.contains("exceeded quota"), "{}", run.stderr);
    assert!(
        run.stderr.contains("rolled back to release 1"),
        "{}",
        run.stderr
    );
    let live = sandbox.deployment().await;
    assert_ne!(
        live["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["memory"],
        "3Gi"
    );
    let releases = history(&sandbox).await;
    assert_eq!(releases[1]["outcome"]["state"], "failed", "{releases:#?}");
    assert_eq!(releases[2]["outcome"]["state"], "ready", "{releases:#?}");
    assert_eq!(releases[2]["back_to"], 1, "{releases:#?}");
}

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn drift_is_told_with_who_and_when_and_what_others_own_is_none() {
    let sandbox = Sandbox::new("drift-command").await;
    let nothing = sandbox.run(&["drift"]).await.expect(1);
    assert!(
        nothing.stderr.contains("has no release"),
        "{}",
        nothing.stderr
    );
    sandbox.write(StackText {
        top: "",
        creates_namespace: true,
        sections: "[autoscaling]\nreplicas = { min = 2, max = 8 }\ncpu = 60",
    });
    sandbox.apply().await;
    // An autoscaler's number, a defaulted field, somebody's annotation: not ours, so no drift.
    let scaled =
        json!({ "spec": { "replicas": 5 }, "metadata": { "annotations": { "team": "nlp" } } });
    sandbox.edit(Kind::Deployment, NAME, &scaled).await;
    let none = sandbox.run(&["drift"]).await.expect(0);
    assert!(none.stdout.contains("no drift"), "{}", none.stdout);

    let grace =
        json!({ "spec": { "template": { "spec": { "terminationGracePeriodSeconds": 77 } } } });
    sandbox.edit(Kind::Deployment, NAME, &grace).await;
    sandbox
        .api(Kind::Service)
        .delete(NAME, &Default::default())
        .await
        .expect("it was applied");
    let drift = sandbox.run(&["drift", "--json"]).await.expect(2).json();
    let object = |kind: &str| {
        let objects = drift["objects"].as_array().into_iter().flatten();
        let mut matching = objects.filter(|object| object["kind"] == kind);
        matching
            .next()
            .unwrap_or_else(|| panic!("no {kind} in {drift:#}"))
    };
    assert_eq!(object("Service")["what"], "missing");
    let field = &object("Deployment")["fields"][0];
    assert_eq!(
        field["path"],
        ".spec.template.spec.terminationGracePeriodSeconds"
    );
    assert_eq!(field["found"], 77);
    assert_eq!(field["by"]["manager"], "kubectl-edit");
    assert_eq!(field["by"]["operation"], "Update");
    assert!(field["by"]["time"].is_string());
}
