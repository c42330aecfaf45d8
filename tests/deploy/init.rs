//! `init` looks at the cluster of the context that it is given, and writes nothing there.

use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::Api;
use kube::api::PostParams;
use serde_json::json;

use crate::proxy::{Fault, Proxy, Rule};
use crate::sandbox::{CONTEXT, Sandbox};

const CLAIM: &str = "language-models";

fn arguments(namespace: &str) -> [&str; 10] {
    [
        "init",
        "--force",
        "--context",
        CONTEXT,
        "--namespace",
        namespace,
        "--repository",
        "registry.test/nlu",
        "--claim",
        CLAIM,
    ]
}

fn written(sandbox: &Sandbox) -> String {
    std::fs::read_to_string(sandbox.path("uninlu.toml")).expect("a stack file")
}

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn what_the_cluster_lacks_is_said() {
    let sandbox = Sandbox::new("init-lacks").await;
    let audit = sandbox.audit();
    let run = sandbox.run(&arguments(&sandbox.namespace)).await.expect(0);
    let told = format!(
        "namespace {} has no PersistentVolumeClaim `{CLAIM}` yet",
        sandbox.namespace
    );
    assert!(run.stderr.contains(&told), "{}", run.stderr);
    let text = written(&sandbox);
    assert!(text.contains("\ncreate-namespace = true "), "{text}");
    for target in ["percent of the request", "custom metrics API"] {
        let told = format!("{target}; this cluster does not serve it yet");
        assert!(text.contains(&told), "no `{told}` in {text}");
    }
    assert!(audit.writes().is_empty(), "{:?}", audit.writes());
    sandbox.run(&["validate"]).await.expect(0);
}

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn what_the_cluster_has_is_used() {
    let sandbox = Sandbox::new("init-has").await;
    sandbox.create_namespace().await;
    let claims: Api<PersistentVolumeClaim> =
        Api::namespaced(sandbox.client.clone(), &sandbox.namespace);
    let claim = json!({ "metadata": { "name": CLAIM }, "spec": { "accessModes": ["ReadOnlyMany"],
        "resources": { "requests": { "storage": "1Gi" } } } });
    let claim = serde_json::from_value(claim).expect("a claim");
    claims
        .create(&PostParams::default(), &claim)
        .await
        .expect("a claim");
    let run = sandbox.run(&arguments(&sandbox.namespace)).await.expect(0);
    assert!(!run.stderr.contains("warning"), "{}", run.stderr);
    // Somebody else keeps the namespace.
    assert!(!written(&sandbox).contains("create-namespace"));
}

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn a_cluster_that_does_not_answer_stops_nothing() {
    let sandbox = Sandbox::new("init-dead").await;
    let down = Rule {
        on: |_| true,
        skip: 0,
        // As many as `init` asks.
        times: 7,
        fault: Fault::Hold,
    };
    let proxy = Proxy::start(&sandbox, &[down]).await;
    let run = sandbox
        .run_through(&proxy, &arguments(&sandbox.namespace))
        .await
        .expect(0);
    proxy.expect_spent();
    let told = format!(
        "the cluster of context `{CONTEXT}` was not read, and the stack file has defaults: no answer within 5 s"
    );
    assert!(run.stderr.contains(&told), "{}", run.stderr);
    assert!(written(&sandbox).contains("# create-namespace"));
}
