//! What admission says and does besides refusing: warnings, and webhooks that write something new at each request.

use k8s_openapi::api::admissionregistration::v1::{
    ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
};
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};
use uninlu::kinds::Kind;

use crate::sandbox::{NAME, Sandbox, StackText, field_paths};
use crate::webhook::{Mutation, Webhook};

/// JSON patches into an object that may have no such map yet.
fn put(object: &Value, map: &str, key: &str, value: String) -> Value {
    let make = json!({ "op": "add", "path": map, "value": {} });
    let set = json!({ "op": "add", "path": format!("{map}/{key}"), "value": value });
    match object.pointer(map) {
        Some(_) => json!([set]),
        None => json!([make, set]),
    }
}

fn nanoseconds() -> String {
    jiff::Timestamp::now().as_nanosecond().to_string()
}

fn stamp_of_the_pods(object: &Value, _: u64) -> Value {
    put(
        object,
        "/spec/template/metadata/annotations",
        "stamped-at",
        nanoseconds(),
    )
}

fn stamp_in_whole_seconds(object: &Value, _: u64) -> Value {
    let now = jiff::Timestamp::now().strftime("%FT%TZ").to_string();
    put(object, "/metadata/annotations", "stamped-at", now)
}

fn random_label(object: &Value, number: u64) -> Value {
    put(object, "/metadata/labels", "review", format!("r-{number}"))
}

/// A suffix behind a value of ours.
fn suffix_of_a_variable(object: &Value, number: u64) -> Value {
    let variables = object
        .pointer("/spec/template/spec/containers/0/env")
        .and_then(Value::as_array);
    let place = variables.and_then(|list| {
        list.iter()
            .position(|variable| variable["value"].is_string())
    });
    let place = place.expect("a variable with a value");
    let value = variables.map_or("", |list| list[place]["value"].as_str().unwrap_or_default());
    let ours = value.split("-run-").next().unwrap_or_default();
    json!([{ "op": "replace", "path": format!("/spec/template/spec/containers/0/env/{place}/value"),
        "value": format!("{ours}-run-{number}") }])
}

/// The stack is applied before or after the webhook came; in both cases nothing is left to do, and a change goes through.
async fn is_no_change(test: &str, operations: &[&str], mutation: Mutation, path: &str) {
    let sandbox = Sandbox::in_namespace(test).await;
    sandbox.apply().await;
    let webhook = Webhook::start(&sandbox, operations, mutation).await;
    let plan = sandbox.plan().await;
    assert_eq!(plan.json()["has_changes"], false, "{}", plan.stdout);
    let text = sandbox.run(&["plan"]).await.expect(0).stdout;
    assert!(text.contains(path) && text.contains("webhook"), "{text}");

    sandbox.write(StackText {
        top: "replicas = 3",
        creates_namespace: false,
        sections: "",
    });
    let plan = sandbox.plan().await;
    let change = plan.change("Deployment");
    assert_eq!(field_paths(&change), [".spec.replicas"], "{change:#}");
    sandbox.run(&["plan", "--out", "plan.json"]).await.expect(0);
    sandbox
        .run(&["apply", "plan.json", "--yes"])
        .await
        .expect(0);
    assert_eq!(sandbox.deployment().await["spec"]["replicas"], 3);
    let plan = sandbox.plan().await;
    assert_eq!(plan.json()["has_changes"], false, "{}", plan.stdout);
    webhook.leave().await;
}

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn a_stamp_in_the_pod_template_is_no_change() {
    let path = ".spec.template.metadata.annotations.stamped-at";
    is_no_change("stamp-pods", &["CREATE", "UPDATE"], stamp_of_the_pods, path).await;
}

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn a_stamp_of_whole_seconds_at_updates_alone_is_no_change() {
    let path = ".metadata.annotations.stamped-at";
    is_no_change("stamp-seconds", &["UPDATE"], stamp_in_whole_seconds, path).await;
}

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn a_random_label_is_no_change() {
    is_no_change(
        "stamp-label",
        &["CREATE", "UPDATE"],
        random_label,
        ".metadata.labels.review",
    )
    .await;
}

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn a_random_suffix_behind_our_own_value_is_no_change() {
    is_no_change(
        "stamp-suffix",
        &["CREATE", "UPDATE"],
        suffix_of_a_variable,
        "].value",
    )
    .await;
}

/// The dry run guesses another port each time.
#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn a_node_port_is_chosen_at_apply() {
    let sandbox = Sandbox::in_namespace("chosen-port").await;
    sandbox.apply().await;
    sandbox.write(StackText {
        creates_namespace: false,
        sections: "[service]\ntype = \"NodePort\"",
        ..StackText::default()
    });
    let plan = sandbox.plan().await;
    let change = plan.change("Service");
    assert!(
        change.to_string().contains("(chosen at apply)"),
        "{change:#}"
    );
    sandbox.run(&["plan", "--out", "plan.json"]).await.expect(0);
    sandbox
        .run(&["apply", "plan.json", "--yes"])
        .await
        .expect(0);
    let service = sandbox.get(Kind::Service, NAME).await.expect("a Service");
    assert!(
        service["spec"]["ports"][0]["nodePort"].is_number(),
        "{service:#}"
    );
    assert_eq!(sandbox.plan().await.json()["has_changes"], false);
}

/// How often the text stands there.
fn count(text: &str, part: &str) -> usize {
    text.matches(part).count()
}

/// A label on the namespace makes Pod Security warn of the stack's host path.
#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn pod_securitys_warning_is_told_once_by_plan_gate_and_apply() {
    let sandbox = Sandbox::in_namespace("warn-pods").await;
    let label =
        json!({ "metadata": { "labels": { "pod-security.kubernetes.io/warn": "restricted" } } });
    sandbox
        .edit(Kind::Namespace, &sandbox.namespace, &label)
        .await;
    let words = "would violate PodSecurity";
    told_once(&sandbox, words).await;
}

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn a_policy_that_warns_is_told_once_by_plan_gate_and_apply() {
    let sandbox = Sandbox::in_namespace("warn-policy").await;
    let policy = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
        "metadata": { "name": sandbox.namespace },
        "spec": {
            "matchConstraints": {
                "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": sandbox.namespace } },
                "resourceRules": [{ "apiGroups": ["apps"], "apiVersions": ["v1"],
                    "operations": ["CREATE", "UPDATE"], "resources": ["deployments"] }],
            },
            "validations": [{ "expression": "false", "message": "the label \"team\" is missing" }],
        },
    });
    let binding = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": { "name": sandbox.namespace },
        "spec": { "policyName": sandbox.namespace, "validationActions": ["Warn"] },
    });
    let patch = PatchParams::apply("admin").force();
    let policies: Api<ValidatingAdmissionPolicy> = Api::all(sandbox.client.clone());
    let bindings: Api<ValidatingAdmissionPolicyBinding> = Api::all(sandbox.client.clone());
    policies
        .patch(&sandbox.namespace, &patch, &Patch::Apply(policy))
        .await
        .expect("a policy");
    bindings
        .patch(&sandbox.namespace, &patch, &Patch::Apply(binding))
        .await
        .expect("a binding");
    let words = r#"the label "team" is missing"#;
    sandbox
        .until("the policy counts", async || {
            sandbox
                .run(&["plan"])
                .await
                .expect(0)
                .stdout
                .contains(words)
        })
        .await;
    told_once(&sandbox, words).await;
    let delete = DeleteParams::default();
    bindings
        .delete(&sandbox.namespace, &delete)
        .await
        .expect("it was made here");
    policies
        .delete(&sandbox.namespace, &delete)
        .await
        .expect("it was made here");
}

async fn told_once(sandbox: &Sandbox, words: &str) {
    let text = sandbox.run(&["plan"]).await.expect(0).stdout;
    assert_eq!(count(&text, words), 1, "{text}");
    let plan = sandbox.plan().await.json();
    let warnings = plan["warnings"].as_array().expect("a list");
    assert_eq!(warnings.len(), 1, "{plan:#}");
    assert!(
        warnings[0]
            .as_str()
            .is_some_and(|warning| warning.contains(words))
    );
    let markdown = sandbox.run(&["plan", "--markdown"]).await.expect(0).stdout;
    assert_eq!(count(&markdown, words), 1, "{markdown}");
    let gate = sandbox.run(&["gate", "--format", "json"]).await.stdout;
    let gate: Value = serde_json::from_str(&gate).expect("JSON");
    let findings = gate["findings"].as_array().expect("findings").iter();
    let found = findings.filter(|finding| finding["rule"] == "admission-warning");
    assert_eq!(found.count(), 1, "{gate:#}");
    let apply = sandbox.run(&["apply", "--yes"]).await.expect(0);
    let all = format!("{}{}", apply.stdout, apply.stderr);
    assert_eq!(count(&all, words), 1, "{all}");
}
