//! Objects that other tools made become the stack's.

use http::request::Parts;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use uninlu::kinds::Kind;

use crate::proxy::{Fault, Gate, Proxy, is_write, once};
use crate::sandbox::{NAME, Sandbox, field_paths};

/// What the stack renders, as somebody's chart would have it: made by hand, with fields that the stack does not set.
async fn made_by(sandbox: &Sandbox, manager: &str) -> Value {
    made_with(sandbox, manager, |_| ()).await
}

/// The same, with a change of the Deployment.
async fn made_with(sandbox: &Sandbox, manager: &str, change: impl Fn(&mut Value)) -> Value {
    let rendered = sandbox.run(&["render"]).await.expect(0).stdout;
    let objects: Vec<Value> = serde_saphyr::from_multiple(&rendered).expect("YAML");
    let mut deployment = Value::Null;
    for mut object in objects {
        let kind = Kind::by_name(object["kind"].as_str().expect("a kind")).expect("ours");
        object["metadata"]["labels"] = json!({ "app.kubernetes.io/managed-by": "Helm" });
        object["metadata"]["annotations"] = json!({ "meta.helm.sh/release-name": "old" });
        if kind == Kind::Deployment {
            object["spec"]["minReadySeconds"] = json!(1);
            change(&mut object);
        }
        let parameters = PostParams {
            field_manager: Some(manager.to_owned()),
            ..Default::default()
        };
        let object = serde_json::from_value(object).expect("an object");
        let made = sandbox.api(kind).create(&parameters, &object).await;
        let made = serde_json::to_value(made.expect("it is valid")).expect("JSON");
        if kind == Kind::Deployment {
            deployment = made;
        }
    }
    deployment
}

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn what_helm_made_is_taken_over_without_a_restart_of_pods_or_a_second_owner() {
    let sandbox = Sandbox::in_namespace("adopt-helm").await;
    let before = made_by(&sandbox, "helm").await;
    let foreign = sandbox.run(&["plan"]).await.expect(1);
    assert!(
        foreign.stderr.contains("uninlu adopt"),
        "{}",
        foreign.stderr
    );

    let mark = sandbox.audit();
    let asked = sandbox.run(&["adopt"]).await.expect(1);
    assert!(
        asked.stdout.contains("fields of helm become"),
        "{}",
        asked.stdout
    );
    assert!(
        mark.writes().is_empty(),
        "it wrote before it asked: {:#?}",
        mark.writes()
    );

    let adopted = sandbox.run(&["adopt", "--yes"]).await.expect(0);
    assert!(
        adopted.stderr.contains("owner=helm,name=old"),
        "{}",
        adopted.stderr
    );
    let plan = sandbox.plan().await;
    let deployment = plan.change("Deployment");
    let paths = field_paths(&deployment);
    assert!(paths.contains(&".spec.minReadySeconds"), "{deployment:#}");
    assert_eq!(deployment["restarts_pods"], false, "{deployment:#}");
    assert_eq!(deployment["conflicts"], json!([]), "{deployment:#}");

    sandbox.apply().await;
    let after = sandbox.deployment().await;
    assert_eq!(
        after["metadata"]["uid"], before["metadata"]["uid"],
        "it was made again"
    );
    assert_eq!(after["spec"]["template"], before["spec"]["template"]);
    assert!(
        after["spec"]["minReadySeconds"].is_null(),
        "what only the old tool set is left"
    );
    assert!(after["metadata"]["annotations"]["meta.helm.sh/release-name"].is_null());
    assert!(
        !after["metadata"]["managedFields"]
            .to_string()
            .contains("\"helm\"")
    );
    assert_eq!(sandbox.plan().await.json()["has_changes"], false);
    let again = sandbox.run(&["adopt", "--yes"]).await.expect(0);
    assert!(
        again.stdout.contains("nothing to adopt"),
        "{}",
        again.stdout
    );
}

/// Another selector, as every chart has, and another value of a field: each of them alone has an answer of its own.
#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn a_deployment_of_another_selector_is_to_be_adopted_and_is_then_replaced() {
    let sandbox = Sandbox::in_namespace("adopt-selector").await;
    made_with(&sandbox, "helm", |deployment| {
        let labels =
            json!({ "app.kubernetes.io/name": "serving", "app.kubernetes.io/instance": "nlu" });
        deployment["spec"]["selector"]["matchLabels"] = labels.clone();
        deployment["spec"]["template"]["metadata"]["labels"] = labels;
        deployment["spec"]["progressDeadlineSeconds"] = json!(77);
    })
    .await;
    let foreign = sandbox.run(&["plan"]).await.expect(1);
    assert!(
        foreign.stderr.contains("uninlu adopt"),
        "{}",
        foreign.stderr
    );
    sandbox.run(&["adopt", "--yes"]).await.expect(0);
    let deployment = sandbox.plan().await.change("Deployment");
    assert_eq!(deployment["action"], "replace", "{deployment:#}");
    assert_eq!(deployment["conflicts"], json!([]), "{deployment:#}");
}

/// A manager that is no known tool keeps its fields, unless it is named.
#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn other_managers_are_taken_over_only_by_name() {
    let sandbox = Sandbox::in_namespace("adopt-named").await;
    made_by(&sandbox, "our-operator").await;
    let kept = sandbox.run(&["adopt"]).await.expect(1);
    assert!(
        kept.stdout.contains("our-operator keeps its own"),
        "{}",
        kept.stdout
    );
    let named = sandbox
        .run(&["adopt", "--yes", "--from", "our-operator"])
        .await
        .expect(0);
    assert!(
        named.stdout.contains("fields of our-operator become"),
        "{}",
        named.stdout
    );
    sandbox.apply().await;
    assert_eq!(sandbox.plan().await.json()["has_changes"], false);
}

/// A controller's first write of the status, between what was shown and what is taken, is no change of the object.
#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn a_status_that_is_written_meanwhile_does_not_matter() {
    let sandbox = Sandbox::in_namespace("adopt-status").await;
    made_by(&sandbox, "kubectl-client-side-apply").await;
    let is_taken =
        |request: &Parts| is_write(request) && request.uri.path().contains("/deployments/");
    let gate = Gate::default();
    let late = once(is_taken, Fault::Before(gate.clone()));
    let proxy = Proxy::start(&sandbox, &[late]).await;
    let status = async {
        gate.reached().await;
        let body = Patch::Merge(json!({ "status": { "collisionCount": 1 } }));
        let manager = PatchParams {
            field_manager: Some("some-controller".into()),
            ..Default::default()
        };
        let deployments = sandbox.api(Kind::Deployment);
        let written = deployments.patch_status(NAME, &manager, &body).await;
        gate.open();
        written
    };
    let adopt = sandbox.run_through(&proxy, &["adopt", "--yes"]);
    let (run, written) = tokio::join!(adopt, status);
    written.expect("a status");
    run.expect(0);
    proxy.expect_spent();
}

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn what_a_controller_owns_cannot_be_taken_over() {
    let sandbox = Sandbox::in_namespace("adopt-owned").await;
    let owner = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "owner" } });
    sandbox.apply_as("admin", Kind::ConfigMap, &owner).await;
    let owner = sandbox
        .get(Kind::ConfigMap, "owner")
        .await
        .expect("it was made");
    made_by(&sandbox, "helm").await;
    let patch = json!({ "metadata": { "ownerReferences": [{ "apiVersion": "v1", "kind": "ConfigMap",
        "name": "owner", "uid": owner["metadata"]["uid"] }] } });
    sandbox
        .api(Kind::Service)
        .patch(NAME, &PatchParams::default(), &Patch::Merge(&patch))
        .await
        .expect("an owner reference");
    let mark = sandbox.audit();
    let run = sandbox.run(&["adopt", "--yes"]).await.expect(1);
    assert!(
        run.stderr.contains("made by ConfigMap owner"),
        "{}",
        run.stderr
    );
    assert!(mark.writes().is_empty(), "{:#?}", mark.writes());
}
