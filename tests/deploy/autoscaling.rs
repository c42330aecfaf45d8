//! Who owns `spec.replicas`: turning autoscaling on or off never drops a pod.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use futures::TryStreamExt;
use kube::api::{DynamicObject, Patch, PatchParams};
use kube::runtime::{WatchStreamExt, watcher};
use serde_json::{Value, json};
use uninlu::kinds::Kind;

use crate::sandbox::{NAME, Sandbox, StackText};

const AUTOSCALED: StackText<'_> = StackText {
    top: "",
    creates_namespace: true,
    sections: "[autoscaling]\nreplicas = { min = 2, max = 8 }\ncpu = 60",
};

fn fixed(replicas: &str) -> StackText<'_> {
    StackText {
        top: replicas,
        ..StackText::default()
    }
}

/// Watches the Deployment; every state that ever was counts, not only those that a poll happens to see.
struct Floor {
    lowest: Arc<AtomicI64>,
    watcher: tokio::task::JoinHandle<()>,
}

impl Floor {
    async fn watch(sandbox: &Sandbox) -> Self {
        let lowest = Arc::new(AtomicI64::new(i64::MAX));
        let seen = lowest.clone();
        let config = watcher::Config::default().fields(&format!("metadata.name={NAME}"));
        let stream = watcher(sandbox.api(Kind::Deployment), config)
            .default_backoff()
            .applied_objects();
        let watcher = tokio::spawn(async move {
            let seen = &seen;
            let note = |object: DynamicObject| async move {
                // What was asked for, and what was there: neither may fall.
                for part in [
                    "/spec/replicas",
                    "/status/replicas",
                    "/status/readyReplicas",
                ] {
                    let value = object.data.pointer(part).and_then(Value::as_i64);
                    seen.fetch_min(value.unwrap_or(0), Ordering::SeqCst);
                }
                Ok(())
            };
            let _ = stream.try_for_each(note).await;
        });
        let floor = Self { lowest, watcher };
        sandbox
            .until("the watch has begun", async || floor.lowest() < i64::MAX)
            .await;
        floor
    }

    fn lowest(&self) -> i64 {
        self.lowest.load(Ordering::SeqCst)
    }

    /// The lowest number since the watch began.
    fn end(self) -> i64 {
        self.watcher.abort();
        self.lowest()
    }
}

/// Scales as an autoscaler does: through the subresource.
async fn scale(sandbox: &Sandbox, replicas: i64) {
    let parameters = PatchParams {
        field_manager: Some("kube-controller-manager".into()),
        ..Default::default()
    };
    let patch = json!({ "spec": { "replicas": replicas } });
    sandbox
        .api(Kind::Deployment)
        .patch_scale(NAME, &parameters, &Patch::Merge(patch))
        .await
        .expect("it scales");
    settle(sandbox, replicas).await;
}

async fn settle(sandbox: &Sandbox, replicas: i64) {
    let is_ready = async || sandbox.deployment().await["status"]["readyReplicas"] == replicas;
    sandbox
        .until(&format!("{replicas} pods are ready"), is_ready)
        .await;
}

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn turning_autoscaling_on_never_drops_a_pod() {
    let sandbox = Sandbox::new("scaling-on").await;
    sandbox.write(fixed("replicas = 4"));
    sandbox.apply().await;
    let floor = Floor::watch(&sandbox).await;
    sandbox.write(AUTOSCALED);
    let change = sandbox.plan().await.change("Deployment");
    assert!(
        !change["fields"].to_string().contains(".spec.replicas"),
        "the number does not change: {change:#}"
    );
    assert!(
        change["notes"]
            .to_string()
            .contains("passes to the autoscaler"),
        "{change:#}"
    );

    sandbox.apply().await;
    let again = sandbox.plan().await;
    assert_eq!(again.json()["has_changes"], false, "{}", again.stdout);
    assert_eq!(floor.end(), 4, "pods were dropped");
    assert_eq!(sandbox.deployment().await["spec"]["replicas"], 4);
}

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn the_autoscalers_number_is_no_drift() {
    let sandbox = Sandbox::new("scaled").await;
    sandbox.write(AUTOSCALED);
    sandbox.apply().await;
    scale(&sandbox, 5).await;
    let plan = sandbox.plan().await;
    assert_eq!(plan.json()["has_changes"], false, "{}", plan.stdout);
    sandbox.apply().await;
    assert_eq!(sandbox.deployment().await["spec"]["replicas"], 5);
}

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn turning_autoscaling_off_never_drops_a_pod_by_itself() {
    let sandbox = Sandbox::new("scaling-off").await;
    sandbox.write(AUTOSCALED);
    sandbox.apply().await;
    scale(&sandbox, 5).await;
    let floor = Floor::watch(&sandbox).await;
    sandbox.write(fixed("replicas = 2"));
    let change = sandbox.plan().await.change("Deployment");
    assert!(
        change["notes"]
            .to_string()
            .contains("come with the next apply"),
        "{change:#}"
    );

    sandbox.apply().await;
    assert_eq!(floor.end(), 5, "pods were dropped");
    assert!(
        sandbox
            .names(Kind::HorizontalPodAutoscaler)
            .await
            .is_empty()
    );

    // The stack's own number is an ordinary change from here on.
    let next = sandbox.plan().await.change("Deployment");
    assert_eq!(next["conflicts"], json!([]), "{next:#}");
    sandbox.apply().await;
    assert_eq!(sandbox.deployment().await["spec"]["replicas"], 2);
    assert_eq!(sandbox.plan().await.json()["has_changes"], false);
}

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn on_and_off_and_on_again_keeps_the_number() {
    let sandbox = Sandbox::new("scaling-both").await;
    sandbox.write(fixed("replicas = 3"));
    sandbox.apply().await;
    let floor = Floor::watch(&sandbox).await;
    for text in [AUTOSCALED, fixed("replicas = 3"), AUTOSCALED] {
        sandbox.write(text);
        sandbox.apply().await;
    }
    assert_eq!(floor.end(), 3, "pods were dropped");
    assert_eq!(sandbox.plan().await.json()["has_changes"], false);
}

/// The worst moment to be killed: the autoscaler is deleted, and the Deployment still carries its number.
#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn turning_off_that_was_cut_off_is_completed_without_dropping_a_pod() {
    let sandbox = Sandbox::new("scaling-cut").await;
    sandbox.write(AUTOSCALED);
    sandbox.apply().await;
    scale(&sandbox, 5).await;
    let autoscalers = sandbox.api(Kind::HorizontalPodAutoscaler);
    autoscalers
        .delete(NAME, &Default::default())
        .await
        .expect("it was there");
    let floor = Floor::watch(&sandbox).await;
    sandbox.write(fixed("replicas = 2"));
    sandbox.apply().await;
    assert_eq!(floor.end(), 5, "pods were dropped");
}

/// A Deployment without a number would have one pod until the autoscaler's first look.
#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn an_autoscaled_stack_begins_with_its_minimum() {
    let sandbox = Sandbox::new("hpa-begin").await;
    sandbox.write(StackText {
        sections: "[autoscaling]\nreplicas = { min = 3, max = 8 }\ncpu = 60",
        ..AUTOSCALED
    });
    let run = sandbox
        .run(&["apply", "--yes", "--no-wait"])
        .await
        .expect(0);
    assert!(run.stdout.contains("begins at 3"), "{}", run.stdout);
    let live = sandbox.deployment().await;
    assert_eq!(live["spec"]["replicas"], 3);
    let is_ours = |entry: &Value| entry["manager"] == "uninlu";
    let entries = live["metadata"]["managedFields"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let ours = entries.into_iter().find(is_ours).expect("we applied it");
    assert!(
        ours["fieldsV1"]["f:spec"]["f:replicas"].is_null(),
        "the number is still ours"
    );
    assert_eq!(sandbox.plan().await.json()["has_changes"], false);
}

/// Found when the stack is applied, and not when the load comes.
#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn an_autoscaler_without_its_metric_is_told() {
    let sandbox = Sandbox::new("hpa-no-metric").await;
    sandbox.write(StackText {
        top: "",
        creates_namespace: true,
        sections: "[autoscaling]\nreplicas = { min = 2, max = 3 }\nrequests-per-second = 20",
    });
    let run = sandbox.apply().await;
    assert!(
        run.stderr.contains("does not scale") && run.stderr.contains("custom.metrics.k8s.io"),
        "{}",
        run.stderr
    );
}
