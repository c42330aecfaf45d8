//! Users with fewer rights than the tests' own.

use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::Api;
use kube::api::{Patch, PatchParams};
use kube::config::{Kubeconfig, NamedAuthInfo};
use serde_json::{Value, json};
use uninlu::kinds::Kind;

use crate::sandbox::{Run, Sandbox};

/// The one other user of each namespace.
const NAME: &str = "somebody";

/// Runs the binary with another kubeconfig.
pub(crate) async fn run_with(
    sandbox: &Sandbox,
    kubeconfig: &Kubeconfig,
    arguments: &[&str],
) -> Run {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    let text = serde_json::to_string(kubeconfig).expect("a kubeconfig is JSON, which is YAML");
    std::fs::write(file.path(), text).expect("a kubeconfig can be written");
    let output = sandbox
        .command(arguments)
        .env("KUBECONFIG", file.path())
        .output()
        .await;
    output.expect("the binary starts").into()
}

pub(crate) fn kubeconfig() -> Kubeconfig {
    let file = std::env::var_os("UNINLU_TEST_KUBECONFIG").expect("Sandbox::new checks it");
    Kubeconfig::read_from(file).expect("the embedded cluster's kubeconfig")
}

/// The same cluster, for whom the token stands for.
pub(crate) fn with_token(mut kubeconfig: Kubeconfig, token: &str) -> Kubeconfig {
    let user = json!({ "name": "user", "user": { "token": token } });
    let user: NamedAuthInfo = serde_json::from_value(user).expect("a user");
    kubeconfig.auth_infos = vec![user];
    for context in &mut kubeconfig.contexts {
        context.context.as_mut().expect("a context").user = Some("user".into());
    }
    kubeconfig
}

/// Gives the user a role of that name with these rules, in the sandbox's namespace.
pub(crate) async fn grant(sandbox: &Sandbox, role: &str, rules: &Value) {
    let account =
        json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": NAME } });
    sandbox
        .apply_as("admin", Kind::ServiceAccount, &account)
        .await;
    let body = json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
        "metadata": { "name": role }, "rules": rules });
    let binding = json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": { "name": role },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": role },
        "subjects": [{ "kind": "ServiceAccount", "name": NAME, "namespace": sandbox.namespace }] });
    let parameters = PatchParams::apply("admin");
    let roles: Api<Role> = Api::namespaced(sandbox.client.clone(), &sandbox.namespace);
    roles
        .patch(role, &parameters, &Patch::Apply(body))
        .await
        .expect("a role");
    let bindings: Api<RoleBinding> = Api::namespaced(sandbox.client.clone(), &sandbox.namespace);
    bindings
        .patch(role, &parameters, &Patch::Apply(binding))
        .await
        .expect("a binding");
}

/// A token of the user.
pub(crate) async fn token(sandbox: &Sandbox) -> String {
    let accounts: Api<ServiceAccount> = Api::namespaced(sandbox.client.clone(), &sandbox.namespace);
    let request =
        serde_json::from_value(json!({ "spec": { "audiences": [] } })).expect("a token request");
    let response = accounts
        .create_token_request(NAME, &Default::default(), &request)
        .await
        .expect("a token");
    response.status.expect("a token").token
}
