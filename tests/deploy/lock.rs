//! One apply at a time, and none that blocks the next.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::Api;
use kube::api::{ListParams, ObjectMeta, PostParams};
use uninlu::kinds::Kind;

use crate::proxy::{Fault, Proxy, Rule, is_renewal, is_service, is_write};
use crate::sandbox::{NAME, Sandbox};

fn leases(sandbox: &Sandbox) -> Api<Lease> {
    Api::namespaced(sandbox.client.clone(), &sandbox.namespace)
}

/// A Lease of somebody whose clock is wrong by an hour.
async fn hold(sandbox: &Sandbox, skew: SignedDuration) -> Lease {
    let time = MicroTime(Timestamp::now() + skew);
    let lease = Lease {
        metadata: ObjectMeta {
            name: Some(format!("{NAME}-uninlu")),
            ..Default::default()
        },
        spec: Some(LeaseSpec {
            holder_identity: Some("somebody@elsewhere (process 7)".into()),
            lease_duration_seconds: Some(10),
            acquire_time: Some(time.clone()),
            renew_time: Some(time),
            ..Default::default()
        }),
    };
    leases(sandbox)
        .create(&PostParams::default(), &lease)
        .await
        .expect("a lease")
}

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn nothing_of_the_lock_is_left_after_an_apply() {
    let sandbox = Sandbox::in_namespace("lock-left").await;
    sandbox.apply().await;
    let list = leases(&sandbox).list(&ListParams::default()).await;
    let left = list.expect("the API server answers").items;
    assert!(left.is_empty(), "{left:#?}");
}

/// The apply ends while its renewal is under way: done by the API server, and not answered yet.
#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn a_lock_that_is_just_being_renewed_is_given_back_all_the_same() {
    let sandbox = Sandbox::in_namespace("lock-renewed").await;
    let once = |on, fault| Rule {
        on,
        skip: 0,
        times: 1,
        fault,
    };
    // The first renewal comes after 3 s.
    let rules = [
        once(is_service, Fault::Delay(Duration::from_millis(3_300))),
        once(is_renewal, Fault::Late(Duration::from_millis(2_500))),
    ];
    let proxy = Proxy::start(&sandbox, &rules).await;
    sandbox
        .run_through(&proxy, &["apply", "--yes", "--no-wait"])
        .await
        .expect(0);
    proxy.expect_spent();
    let list = leases(&sandbox).list(&ListParams::default()).await;
    let left = list.expect("the API server answers").items;
    assert!(left.is_empty(), "{left:#?}");
}

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn of_two_first_applies_at_once_none_is_lost() {
    let sandbox = Sandbox::new("lock-two").await;
    let is_lock = |request: &http::request::Parts| {
        is_write(request) && request.uri.path().ends_with("/leases")
    };
    let late = Rule {
        on: is_lock,
        skip: 0,
        times: 1,
        fault: Fault::Delay(Duration::from_secs(20)),
    };
    let proxy = Proxy::start(&sandbox, &[late]).await;
    let arguments = ["apply", "--yes"];
    // The namespace is there: one has made its plan, and waits for its lock while the other does all.
    let other = async {
        sandbox
            .until("the namespace exists", async || {
                sandbox
                    .get(Kind::Namespace, &sandbox.namespace)
                    .await
                    .is_some()
            })
            .await;
        sandbox.run(&arguments).await
    };
    let (one, other) = tokio::join!(sandbox.run_through(&proxy, &arguments), other);
    proxy.expect_spent();
    other.expect(0);
    let one = one.expect(1);
    assert!(one.stderr.contains("the cluster moved"), "{}", one.stderr);
    assert_eq!(sandbox.plan().await.json()["has_changes"], false);
}

/// The holder's renewals come, from an hour ago: what counts is that they come.
#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn a_holder_whose_clock_is_slow_is_not_robbed() {
    let sandbox = Sandbox::in_namespace("lock-slow-clock").await;
    let skew = SignedDuration::from_hours(-1);
    let mut lease = hold(&sandbox, skew).await;
    let api = leases(&sandbox);
    let renewals = tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            if let Some(spec) = &mut lease.spec {
                spec.renew_time = Some(MicroTime(Timestamp::now() + skew));
            }
            let name = format!("{NAME}-uninlu");
            let written = api.replace(&name, &PostParams::default(), &lease).await;
            lease = written.expect("nobody else writes the lease");
        }
    });
    let run = sandbox.run(&["apply", "--yes"]).await.expect(1);
    assert!(!renewals.is_finished(), "the lease was taken");
    renewals.abort();
    assert!(
        run.stderr.contains("somebody@elsewhere (process 7)"),
        "{}",
        run.stderr
    );
    assert!(sandbox.get(Kind::Deployment, NAME).await.is_none());
}

/// The holder is dead, and its last renewal says an hour from now.
#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn a_dead_holder_whose_clock_was_fast_blocks_nobody() {
    let sandbox = Sandbox::in_namespace("lock-fast-clock").await;
    hold(&sandbox, SignedDuration::from_hours(1)).await;
    let run = sandbox.apply().await;
    assert!(
        run.stderr.contains("waiting to see whether it lives"),
        "{}",
        run.stderr
    );
}
