//! Fields that somebody else changed, or owns.

use serde_json::{Value, json};
use uninlu::kinds::Kind;

use crate::sandbox::{NAME, Sandbox, StackText};

fn field<'a>(change: &'a Value, path: &str) -> &'a Value {
    let fields = change["fields"].as_array().into_iter().flatten();
    let mut matching = fields.filter(|field| field["path"] == path);
    matching
        .next()
        .unwrap_or_else(|| panic!("the plan does not name {path}: {change:#}"))
}

fn notation(change: &Value) -> String {
    let conflict = &change["conflicts"][0]["take"];
    conflict
        .as_str()
        .unwrap_or_else(|| panic!("no conflict: {change:#}"))
        .to_owned()
}

/// Raises the drain behind the tool's back.
async fn drift(sandbox: &Sandbox) {
    let patch =
        json!({ "spec": { "template": { "spec": { "terminationGracePeriodSeconds": 77 } } } });
    sandbox.edit(Kind::Deployment, NAME, &patch).await;
}

const GRACE: &str = ".spec.template.spec.terminationGracePeriodSeconds";

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn drift_names_the_field_and_who_did_it() {
    let sandbox = Sandbox::new("drift").await;
    sandbox.apply().await;
    drift(&sandbox).await;
    let change = sandbox.plan().await.change("Deployment");
    let field = field(&change, GRACE);
    assert_eq!(field["from"], 77, "{change:#}");
    assert_eq!(field["owner"]["manager"], "kubectl-edit", "{change:#}");
    assert_eq!(field["owner"]["operation"], "Update", "{change:#}");
}

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn a_field_of_another_manager_is_taken_only_by_name() {
    let sandbox = Sandbox::new("take").await;
    sandbox.apply().await;
    drift(&sandbox).await;
    let mark = sandbox.audit();

    let refused = sandbox.run(&["apply", "--yes"]).await.expect(1);
    assert!(refused.stderr.contains(GRACE), "{}", refused.stderr);
    let unknown = sandbox
        .run(&["apply", "--yes", "--take", "Deployment/nlu:.spec.paused"])
        .await
        .expect(1);
    assert!(
        unknown.stderr.contains(".spec.paused"),
        "{}",
        unknown.stderr
    );
    assert!(
        mark.writes().is_empty(),
        "a refused apply wrote: {:#?}",
        mark.writes()
    );

    let take = notation(&sandbox.plan().await.change("Deployment"));
    sandbox
        .run(&["apply", "--yes", "--take", &take])
        .await
        .expect(0);
    assert_ne!(
        sandbox.deployment().await["spec"]["template"]["spec"]["terminationGracePeriodSeconds"],
        77
    );
    assert_eq!(sandbox.plan().await.json()["has_changes"], false);
}

/// What is taken each time may stand in the stack file; it asks for no conflict to be there.
#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn a_field_that_the_stack_file_names_is_taken() {
    let sandbox = Sandbox::new("stack-takes").await;
    let sections = format!("[apply]\ntake = [\"Deployment/{NAME}:{GRACE}\"]");
    sandbox.write(StackText {
        sections: &sections,
        ..StackText::default()
    });
    sandbox.apply().await;
    drift(&sandbox).await;
    sandbox.apply().await;
    assert_eq!(sandbox.plan().await.json()["has_changes"], false);
}

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn a_field_that_nobody_here_sets_is_left_to_its_owner() {
    let sandbox = Sandbox::new("others-field").await;
    sandbox.apply().await;
    sandbox
        .edit(
            Kind::Service,
            NAME,
            &json!({ "metadata": { "annotations": { "example.com/owner": "somebody" } } }),
        )
        .await;
    assert_eq!(sandbox.plan().await.json()["has_changes"], false);
}
