//! A tool that is killed in the middle leaves a state that the next run completes.

use std::time::Duration;

use uninlu::kinds::Kind;

use crate::sandbox::{NAME, Sandbox, StackText};

/// Kills an apply as soon as the object is there: wherever it then is, the next apply must converge.
async fn kill_when_there(sandbox: &Sandbox, kind: Kind, name: &str) {
    let mut apply = sandbox.spawn(&["apply", "--yes", "--no-wait"]);
    while sandbox.get(kind, name).await.is_none() {
        if apply.try_wait().expect("a child").is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // SIGKILL: no clean-up of any sort.
    apply.kill().await.expect("it was started here");
}

async fn converges(sandbox: &Sandbox) {
    sandbox.apply().await;
    let plan = sandbox.plan().await;
    assert_eq!(plan.json()["has_changes"], false, "{}", plan.stdout);
    sandbox.run(&["destroy", "--yes"]).await.expect(0);
    assert!(
        sandbox
            .get(Kind::Namespace, &sandbox.namespace)
            .await
            .is_none()
    );
}

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn an_apply_killed_at_any_object_is_completed_by_the_next() {
    let sandbox = Sandbox::new("killed").await;
    let (parent, settings) = (format!("{NAME}-applyset"), format!("{NAME}-settings"));
    let points = [
        (Kind::Namespace, sandbox.namespace.as_str()),
        (Kind::ConfigMap, &parent),
        (Kind::ServiceAccount, NAME),
        (Kind::ConfigMap, &settings),
        (Kind::Service, NAME),
        (Kind::Deployment, NAME),
    ];
    for (kind, name) in points {
        kill_when_there(&sandbox, kind, name).await;
        converges(&sandbox).await;
    }
}

/// A prune that is cut off must find what it left: the parent still names the kinds.
#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn a_prune_killed_in_the_middle_leaves_no_orphan() {
    let sandbox = Sandbox::new("killed-prune").await;
    for delay in [20, 40, 60, 80] {
        sandbox.write(StackText::default());
        sandbox.apply().await;
        sandbox.write(StackText {
            top: "replicas = 1",
            sections: "[network]\npolicy = false",
            ..StackText::default()
        });
        let mut apply = sandbox.spawn(&["apply", "--yes", "--no-wait"]);
        tokio::time::sleep(Duration::from_millis(delay)).await;
        apply.kill().await.expect("it was started here");
        sandbox.apply().await;
        assert!(
            sandbox.names(Kind::PodDisruptionBudget).await.is_empty(),
            "an orphan after {delay} ms"
        );
        assert!(
            sandbox.names(Kind::NetworkPolicy).await.is_empty(),
            "an orphan after {delay} ms"
        );
        assert_eq!(sandbox.plan().await.json()["has_changes"], false);
    }
}

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn a_destroy_killed_in_the_middle_is_completed_by_the_next() {
    let sandbox = Sandbox::new("killed-destroy").await;
    for delay in [20, 50, 100] {
        sandbox.apply().await;
        let mut destroy = sandbox.spawn(&["destroy", "--yes"]);
        tokio::time::sleep(Duration::from_millis(delay)).await;
        destroy.kill().await.expect("it was started here");
        sandbox.run(&["destroy", "--yes"]).await.expect(0);
        assert!(
            sandbox
                .get(Kind::Namespace, &sandbox.namespace)
                .await
                .is_none(),
            "the namespace is left"
        );
    }
}
