//! A tool that is killed in the middle leaves a state that the next run completes, whichever write was its last.
//!
//! A write is cut as late as can be: the API server has carried it out, and the tool never learns of it. (Killed before
//! a write, it leaves what the write before it left.)

use futures::StreamExt;
use uninlu::kinds::Kind;

use crate::proxy::{Fault, Proxy, Rule, is_step};
use crate::sandbox::{NAME, Sandbox, StackText};

/// Two objects less than the default: the budget and the policy.
const SMALLER: StackText<'_> = StackText {
    top: "replicas = 1",
    creates_namespace: true,
    sections: "[network]\npolicy = false",
};

/// More than any command writes: the last ones must come to their end unharmed.
const WRITES: usize = 24;
const AT_ONCE: usize = 8;

/// Kills the command when its write number `skip` is done; `false` when it has fewer.
async fn kill_after_write(sandbox: &Sandbox, arguments: &[&str], skip: usize) -> bool {
    let rule = Rule {
        on: is_step,
        skip,
        times: 1,
        fault: Fault::Hold,
    };
    let proxy = Proxy::start(sandbox, &[rule]).await;
    let mut command = sandbox.command(arguments);
    let command = command.env("KUBECONFIG", proxy.kubeconfig());
    let mut child = command.spawn().expect("the binary starts");
    tokio::select! {
        () = proxy.held() => {
            // SIGKILL: no clean-up of any sort.
            child.kill().await.expect("it was started here");
            true
        }
        status = child.wait() => {
            let status = status.expect("a child");
            assert!(status.success(), "{arguments:?} failed before write {skip}");
            false
        }
    }
}

/// Runs the scenario with a kill after each write there is, several at once; returns how many writes there are.
async fn at_every_write(name: &str, scenario: impl AsyncFn(Sandbox, usize) -> bool) -> usize {
    let runs = futures::stream::iter(0..WRITES).map(|write| {
        let sandbox = Sandbox::new_owned(format!("{name}-{write}"));
        let scenario = &scenario;
        async move { scenario(sandbox.await, write).await }
    });
    let killed: Vec<bool> = runs.buffered(AT_ONCE).collect().await;
    let writes = killed.iter().take_while(|was_killed| **was_killed).count();
    assert!(
        writes < WRITES && killed[writes..].iter().all(|was_killed| !was_killed),
        "{killed:?}"
    );
    writes
}

async fn has_nothing_to_do(sandbox: &Sandbox) {
    let plan = sandbox.plan().await;
    assert_eq!(plan.json()["has_changes"], false, "{}", plan.stdout);
}

async fn destroyed(sandbox: &Sandbox) {
    sandbox.run(&["destroy", "--yes"]).await.expect(0);
    let namespace = sandbox.get(Kind::Namespace, &sandbox.namespace).await;
    assert!(namespace.is_none(), "the namespace is left");
}

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn a_first_apply_killed_after_any_write_is_completed_by_the_next() {
    let writes = at_every_write("killed-first", async |sandbox, write| {
        let was_killed = kill_after_write(&sandbox, &["apply", "--yes"], write).await;
        sandbox.apply().await;
        has_nothing_to_do(&sandbox).await;
        destroyed(&sandbox).await;
        was_killed
    })
    .await;
    // Namespace, lock, release, ApplySet, six objects, the release's end, the lock's.
    assert!(writes >= 12, "{writes} writes");
}

/// A prune that is cut off must find what it left: the parent still names the kinds.
#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn a_prune_killed_after_any_write_leaves_no_orphan() {
    let writes = at_every_write("killed-prune", async |sandbox, write| {
        sandbox.apply().await;
        sandbox.write(SMALLER);
        let was_killed = kill_after_write(&sandbox, &["apply", "--yes"], write).await;
        sandbox.apply().await;
        for kind in [Kind::PodDisruptionBudget, Kind::NetworkPolicy] {
            let left = sandbox.names(kind).await;
            assert!(left.is_empty(), "orphans after write {write}: {left:?}");
        }
        has_nothing_to_do(&sandbox).await;
        was_killed
    })
    .await;
    assert!(writes >= 8, "{writes} writes");
}

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn a_rollback_killed_after_any_write_is_completed_by_the_next() {
    let writes = at_every_write("killed-rollback", async |sandbox, write| {
        sandbox.write(SMALLER);
        sandbox.apply().await;
        sandbox.write(StackText::default());
        sandbox.apply().await;
        let was_killed = kill_after_write(&sandbox, &["rollback", "1", "--yes"], write).await;
        sandbox.run(&["rollback", "1", "--yes"]).await.expect(0);
        let left = sandbox.names(Kind::NetworkPolicy).await;
        assert!(left.is_empty(), "orphans after write {write}: {left:?}");
        sandbox.write(SMALLER);
        has_nothing_to_do(&sandbox).await;
        was_killed
    })
    .await;
    assert!(writes >= 8, "{writes} writes");
}

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn a_destroy_killed_after_any_write_is_completed_by_the_next() {
    let writes = at_every_write("killed-destroy", async |sandbox, write| {
        sandbox.apply().await;
        let was_killed = kill_after_write(&sandbox, &["destroy", "--yes"], write).await;
        destroyed(&sandbox).await;
        let namespaced = Kind::ALL.into_iter().filter(|kind| kind.is_namespaced());
        for kind in namespaced {
            assert!(
                sandbox.names(kind).await.is_empty(),
                "{} {NAME}",
                kind.name()
            );
        }
        was_killed
    })
    .await;
    assert!(writes >= 10, "{writes} writes");
}
