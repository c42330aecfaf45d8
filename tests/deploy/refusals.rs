//! What cannot work ends in a clear error, exit code 1, and not one write.

use kube::config::Kubeconfig;
use serde_json::{Value, json};
use uninlu::kinds::Kind;

use crate::sandbox::{NAME, Run, Sandbox, assert_error};
use crate::users::{grant, kubeconfig, run_with, token, with_token};

async fn apply_with(sandbox: &Sandbox, kubeconfig: &Kubeconfig) -> Run {
    run_with(sandbox, kubeconfig, &["apply", "--yes"]).await
}

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn a_context_that_does_not_exist() {
    let sandbox = Sandbox::new("no-context").await;
    let mark = sandbox.audit();
    let mut kubeconfig = kubeconfig();
    for context in &mut kubeconfig.contexts {
        context.name = "another".into();
    }
    kubeconfig.current_context = Some("another".into());
    assert_error!(apply_with(&sandbox, &kubeconfig).await, sandbox);
    assert!(
        mark.requests().is_empty(),
        "another context was used: {:#?}",
        mark.requests()
    );
}

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn an_api_server_that_is_not_there() {
    let sandbox = Sandbox::new("unreachable").await;
    let mut kubeconfig = kubeconfig();
    for cluster in &mut kubeconfig.clusters {
        // Port 1 of this machine: refused at once.
        cluster.cluster.as_mut().expect("a cluster").server = Some("https://127.0.0.1:1".into());
    }
    assert_error!(apply_with(&sandbox, &kubeconfig).await, sandbox);
}

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn credentials_that_are_not_accepted() {
    let sandbox = Sandbox::new("expired").await;
    let mark = sandbox.audit();
    let kubeconfig = with_token(kubeconfig(), "expired");
    assert_error!(apply_with(&sandbox, &kubeconfig).await, sandbox);
    assert!(mark.writes().is_empty());
}

/// Everything in the namespace but writing Services.
fn without_services() -> Value {
    json!([
        { "apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list", "watch"] },
        { "apiGroups": ["apps", "policy", "networking.k8s.io"], "resources": ["*"], "verbs": ["*"] },
        { "apiGroups": [""], "resources": ["serviceaccounts", "configmaps"], "verbs": ["*"] },
    ])
}

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn a_user_who_may_not_write_one_of_the_kinds() {
    let sandbox = Sandbox::in_namespace("forbidden").await;
    grant(&sandbox, "somebody", &without_services()).await;
    let token = token(&sandbox).await;
    let mark = sandbox.audit();
    let run = apply_with(&sandbox, &with_token(kubeconfig(), &token)).await;
    assert!(
        !run.stderr.contains(&token) && !run.stdout.contains(&token),
        "a token in the output"
    );
    assert_error!(run, sandbox);
    assert!(mark.writes().is_empty());
}

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn a_stack_with_faults_never_reaches_the_cluster() {
    let sandbox = Sandbox::new("invalid").await;
    let mark = sandbox.audit();
    sandbox.write_verbatim("name = \"nlu\"\nreplicsa = 2\n");
    let run = sandbox.run(&["apply", "--yes"]).await.expect(1);
    assert!(run.stderr.contains("replicsa"), "{}", run.stderr);
    assert!(mark.requests().is_empty(), "{:#?}", mark.requests());
}

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn nobody_to_ask_and_no_consent() {
    let sandbox = Sandbox::new("consent").await;
    let mark = sandbox.audit();
    let run = sandbox.run(&["apply"]).await.expect(1);
    assert!(run.stderr.contains("--yes"), "{}", run.stderr);
    assert!(mark.writes().is_empty(), "{:#?}", mark.writes());
}

/// A quota refuses the pods, not the Deployment: only the ReplicaSet's events tell.
#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn pods_that_the_quota_refuses_end_the_wait_with_the_reason() {
    let sandbox = Sandbox::in_namespace("quota").await;
    sandbox.allow_pods(0).await;
    let run = sandbox
        .run(&["apply", "--yes", "--even-if-stuck"])
        .await
        .expect(1);
    assert!(run.stderr.contains("exceeded quota"), "{}", run.stderr);
    assert!(
        sandbox.get(Kind::Deployment, NAME).await.is_some(),
        "what was applied stays"
    );
}
