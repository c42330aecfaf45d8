//! What a plan says of the pods' way, before anything is sent.

use serde_json::Value;

use crate::sandbox::{Sandbox, StackText};

async fn sandbox(test: &str) -> Sandbox {
    let sandbox = Sandbox::new(test).await;
    sandbox.create_namespace().await;
    sandbox.write(own(""));
    sandbox
}

fn own(sections: &str) -> StackText<'_> {
    StackText {
        creates_namespace: false,
        sections,
        ..StackText::default()
    }
}

async fn pods(sandbox: &Sandbox) -> Value {
    sandbox.plan().await.json()["pods"].clone()
}

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn how_running_pods_are_replaced() {
    let sandbox = sandbox("outlook-rolling").await;
    let first = pods(&sandbox).await;
    assert_eq!(
        (&first["pods"], &first["steps"]),
        (&2.into(), &1.into()),
        "{first:#}"
    );
    sandbox.apply().await;
    assert_eq!(
        pods(&sandbox).await,
        Value::Null,
        "nothing happens to the pods"
    );
    sandbox.write(own("[rollout]\ndrain = \"40s\""));
    let rolling = pods(&sandbox).await;
    for (key, value) in [("pods", 2), ("surge", 1), ("floor", 2), ("steps", 2)] {
        assert_eq!(rolling[key], value, "{rolling:#}");
    }
    assert!(
        rolling["expected_seconds"].is_u64(),
        "the running pods tell: {rolling:#}"
    );
    assert_eq!(rolling["obstacles"], serde_json::json!([]), "{rolling:#}");
    assert_eq!(rolling["unknown"], serde_json::json!([]), "{rolling:#}");
}

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn what_will_keep_pods_from_coming() {
    let sandbox = sandbox("outlook-obstacles").await;
    sandbox.allow_pods(1).await;
    sandbox
        .until("the quota is counted", async || {
            let pods = pods(&sandbox).await;
            pods["obstacles"].to_string().contains("quota `pods`")
        })
        .await;
    sandbox.write(own(
        "[resources]\nmemory = { request = \"900Ti\", limit = \"900Ti\" }\n\
         [access]\napi-key = { secret = \"missing-key\", key = \"key\" }",
    ));
    let text = sandbox.run(&["plan"]).await.expect(0).stdout;
    for words in [
        "0 of 2 new pods find room",
        "the Secret `missing-key` does not exist",
        "no room for 2 new pods: pods",
    ] {
        assert!(text.contains(words), "no `{words}` in {text}");
    }
}

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn a_claim_that_is_missing() {
    let sandbox = sandbox("outlook-claim").await;
    let file = std::fs::read_to_string(sandbox.path("uninlu.toml")).expect("readable");
    sandbox.write_verbatim(&file.replace(
        "host-path = \"/srv/model\"",
        "pvc = \"models\", path = \"one\"",
    ));
    let obstacles = pods(&sandbox).await["obstacles"].to_string();
    assert!(
        obstacles.contains("PersistentVolumeClaim `models` does not exist"),
        "{obstacles}"
    );
}

/// Each change names the line of the stack file that it comes from.
#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn why_a_field_changes() {
    let sandbox = sandbox("outlook-why").await;
    sandbox.apply().await;
    sandbox.write(own("[rollout]\ndrain = \"40s\""));
    let text = sandbox.run(&["plan"]).await.expect(0).stdout;
    assert!(text.contains("(rollout.drain, uninlu.toml:12)"), "{text}");
}

/// The first plan tells it, and so does one that only turns the autoscaler on.
#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn a_metric_that_nobody_serves() {
    let sandbox = sandbox("outlook-metric").await;
    sandbox.apply().await;
    let autoscaled = StackText {
        top: "",
        ..own("[autoscaling]\nreplicas = { min = 2, max = 3 }\ncpu = 60\nrequests-per-second = 20")
    };
    sandbox.write(autoscaled);
    let pods = pods(&sandbox).await;
    assert_eq!(pods["steps"], 0, "no pod is replaced: {pods:#}");
    let obstacles = pods["obstacles"].to_string();
    for words in [
        "`cpu` from metrics.k8s.io, which does not answer",
        "`http_requests_per_second` from custom.metrics.k8s.io, which does not answer",
    ] {
        assert!(obstacles.contains(words), "no `{words}` in {obstacles}");
    }
    let text = sandbox.run(&["plan"]).await.expect(0).stdout;
    assert!(text.contains("pods: 2 keep running"), "{text}");
}
