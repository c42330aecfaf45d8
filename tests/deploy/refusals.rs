//! What cannot work ends in a clear error, exit code 1, and not one write.

use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::Api;
use kube::api::{Patch, PatchParams};
use kube::config::{Kubeconfig, NamedAuthInfo};
use serde_json::json;
use uninlu::kinds::Kind;

use crate::sandbox::{NAME, Run, Sandbox, StackText, assert_error};

async fn with_kubeconfig(sandbox: &Sandbox, kubeconfig: &Kubeconfig) -> Run {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    let text = serde_json::to_string(kubeconfig).expect("a kubeconfig is JSON, which is YAML");
    std::fs::write(file.path(), text).expect("a kubeconfig can be written");
    let output = sandbox
        .command(&["apply", "--yes"])
        .env("KUBECONFIG", file.path())
        .output()
        .await;
    output.expect("the binary starts").into()
}

fn kubeconfig() -> Kubeconfig {
    let file = std::env::var_os("UNINLU_TEST_KUBECONFIG").expect("Sandbox::new checks it");
    Kubeconfig::read_from(file).expect("the embedded cluster's kubeconfig")
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
    assert_error!(with_kubeconfig(&sandbox, &kubeconfig).await, sandbox);
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
    assert_error!(with_kubeconfig(&sandbox, &kubeconfig).await, sandbox);
}

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn credentials_that_are_not_accepted() {
    let sandbox = Sandbox::new("expired").await;
    let mark = sandbox.audit();
    let kubeconfig = with_token(kubeconfig(), "expired");
    assert_error!(with_kubeconfig(&sandbox, &kubeconfig).await, sandbox);
    assert!(mark.writes().is_empty());
}

/// The same cluster, for whom the token stands for.
fn with_token(mut kubeconfig: Kubeconfig, token: &str) -> Kubeconfig {
    let user = json!({ "name": "user", "user": { "token": token } });
    let user: NamedAuthInfo = serde_json::from_value(user).expect("a user");
    kubeconfig.auth_infos = vec![user];
    for context in &mut kubeconfig.contexts {
        context.context.as_mut().expect("a context").user = Some("user".into());
    }
    kubeconfig
}

/// Somebody who may do everything in the namespace but write Services.
async fn without_services(sandbox: &Sandbox) -> String {
    let account =
        json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "somebody" } });
    sandbox
        .apply_as("admin", Kind::ServiceAccount, &account)
        .await;
    let role = json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": { "name": "somebody" },
        "rules": [
            { "apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list", "watch"] },
            { "apiGroups": ["apps", "policy", "networking.k8s.io"], "resources": ["*"], "verbs": ["*"] },
            { "apiGroups": [""], "resources": ["serviceaccounts", "configmaps"], "verbs": ["*"] },
        ] });
    let binding = json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": { "name": "somebody" },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "somebody" },
        "subjects": [{ "kind": "ServiceAccount", "name": "somebody", "namespace": sandbox.namespace }] });
    let parameters = PatchParams::apply("admin");
    let roles: Api<Role> = Api::namespaced(sandbox.client.clone(), &sandbox.namespace);
    roles
        .patch("somebody", &parameters, &Patch::Apply(role))
        .await
        .expect("a role");
    let bindings: Api<RoleBinding> = Api::namespaced(sandbox.client.clone(), &sandbox.namespace);
    bindings
        .patch("somebody", &parameters, &Patch::Apply(binding))
        .await
        .expect("a binding");
    let accounts: Api<k8s_openapi::api::core::v1::ServiceAccount> =
        Api::namespaced(sandbox.client.clone(), &sandbox.namespace);
    let request =
        serde_json::from_value(json!({ "spec": { "audiences": [] } })).expect("a token request");
    let response = accounts
        .create_token_request("somebody", &Default::default(), &request)
        .await
        .expect("a token");
    response.status.expect("a token").token
}

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn a_user_who_may_not_write_one_of_the_kinds() {
    let sandbox = Sandbox::new("forbidden").await;
    sandbox.create_namespace().await;
    sandbox.write(StackText {
        creates_namespace: false,
        ..StackText::default()
    });
    let token = without_services(&sandbox).await;
    let mark = sandbox.audit();
    let run = with_kubeconfig(&sandbox, &with_token(kubeconfig(), &token)).await;
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
    let sandbox = Sandbox::new("quota").await;
    sandbox.create_namespace().await;
    sandbox.write(StackText {
        creates_namespace: false,
        ..StackText::default()
    });
    sandbox.allow_pods(0).await;
    let run = sandbox.run(&["apply", "--yes"]).await.expect(1);
    assert!(run.stderr.contains("exceeded quota"), "{}", run.stderr);
    assert!(
        sandbox.get(Kind::Deployment, NAME).await.is_some(),
        "what was applied stays"
    );
}
