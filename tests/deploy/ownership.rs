//! Objects of others, and objects that can only be replaced.

use serde_json::json;
use uninlu::kinds::Kind;

use crate::sandbox::{NAME, Sandbox};

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn an_object_of_somebody_else_is_refused_by_name_and_left_alone() {
    let sandbox = Sandbox::new("foreign").await;
    sandbox.create_namespace().await;
    let foreign = json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": NAME },
        "spec": { "ports": [{ "port": 80 }], "selector": { "app": "theirs" } } });
    sandbox.apply_as("kubectl", Kind::Service, &foreign).await;
    sandbox.write(crate::sandbox::StackText {
        creates_namespace: false,
        ..Default::default()
    });
    let before = sandbox.get(Kind::Service, NAME).await;
    let mark = sandbox.audit();

    let refused = sandbox.run(&["apply", "--yes"]).await.expect(1);
    let named = format!("Service {}/{NAME}", sandbox.namespace);
    assert!(refused.stderr.contains(&named), "{}", refused.stderr);
    assert!(
        mark.writes().is_empty(),
        "a refused apply wrote: {:#?}",
        mark.writes()
    );
    assert_eq!(sandbox.get(Kind::Service, NAME).await, before);

    sandbox.run(&["destroy", "--yes"]).await.expect(0);
    assert_eq!(
        sandbox.get(Kind::Service, NAME).await,
        before,
        "destroy touched what is not ours"
    );
}

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn a_namespace_of_somebody_else_is_refused() {
    let sandbox = Sandbox::new("foreign-namespace").await;
    sandbox.create_namespace().await;
    let refused = sandbox.run(&["plan"]).await.expect(1);
    assert!(
        refused
            .stderr
            .contains(&format!("Namespace {}", sandbox.namespace)),
        "{}",
        refused.stderr
    );
}

/// A Deployment's selector cannot be changed. Ours never does, so an older one of ours is made here.
#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn an_immutable_field_is_shown_as_a_replacement() {
    let sandbox = Sandbox::new("replace").await;
    sandbox.apply().await;
    let mut older = sandbox.deployment().await;
    sandbox
        .api(Kind::Deployment)
        .delete(NAME, &kube::api::DeleteParams::foreground())
        .await
        .expect("deleted");
    sandbox
        .until("the Deployment is gone", async || {
            sandbox.get(Kind::Deployment, NAME).await.is_none()
        })
        .await;
    let labels = older["metadata"]["labels"].take();
    older["metadata"] = json!({ "name": NAME, "labels": labels });
    older["status"].take();
    older["spec"]["selector"]["matchLabels"]["older"] = json!("yes");
    older["spec"]["template"]["metadata"]["labels"]["older"] = json!("yes");
    sandbox.apply_as("uninlu", Kind::Deployment, &older).await;

    let change = sandbox.plan().await.change("Deployment");
    assert_eq!(change["action"], "replace", "{change:#}");
    assert!(
        change["notes"].to_string().contains(".spec.selector"),
        "{change:#}"
    );
    let refused = sandbox.run(&["apply", "--yes"]).await.expect(1);
    assert!(
        refused.stderr.contains("--yes-delete"),
        "{}",
        refused.stderr
    );
    sandbox
        .run(&["apply", "--yes", "--yes-delete"])
        .await
        .expect(0);
    assert!(sandbox.deployment().await["spec"]["selector"]["matchLabels"]["older"].is_null());
    assert_eq!(sandbox.plan().await.json()["has_changes"], false);
}
