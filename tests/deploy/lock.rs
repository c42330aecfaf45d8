//! One apply at a time, and none that blocks the next.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::Api;
use kube::api::{ListParams, ObjectMeta, PostParams};
use tokio::process::Child;
use uninlu::kinds::Kind;

use crate::audit::{Mark, Request};
use crate::proxy::{Fault, Gate, Proxy, always, is_lock, is_patch, is_renewal, is_service, once};
use crate::sandbox::{NAME, Run, Sandbox};

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

/// The apply ends while its renewal is under way: done by the API server, and never answered.
#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn a_lock_that_is_just_being_renewed_is_given_back_all_the_same() {
    let sandbox = Sandbox::in_namespace("lock-renewed").await;
    let gate = Gate::default();
    let rules = [
        once(is_service, Fault::Before(gate.clone())),
        once(is_renewal, Fault::Hold),
    ];
    let proxy = Proxy::start(&sandbox, &rules).await;
    let renewed = async {
        proxy.held().await;
        gate.open();
    };
    let arguments = ["apply", "--yes", "--no-wait"];
    let (run, ()) = tokio::join!(sandbox.run_through(&proxy, &arguments), renewed);
    run.expect(0);
    proxy.expect_spent();
    let list = leases(&sandbox).list(&ListParams::default()).await;
    let left = list.expect("the API server answers").items;
    assert!(left.is_empty(), "{left:#?}");
}

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn of_two_first_applies_at_once_none_is_lost() {
    let sandbox = Sandbox::new("lock-two").await;
    let gate = Gate::default();
    let proxy = Proxy::start(&sandbox, &[once(is_lock, Fault::Before(gate.clone()))]).await;
    let arguments = ["apply", "--yes"];
    // The namespace is there: one has made its plan, and waits for its lock while the other does all.
    let other = async {
        gate.reached().await;
        let run = sandbox.run(&arguments).await;
        gate.open();
        run
    };
    let (one, other) = tokio::join!(sandbox.run_through(&proxy, &arguments), other);
    proxy.expect_spent();
    other.expect(0);
    let one = one.expect(1);
    assert!(one.stderr.contains("the cluster changed"), "{}", one.stderr);
    assert_eq!(sandbox.plan().await.json()["has_changes"], false);
}

/// Of the one behind the proxy no write reaches the API server after the other has the lock. What it still asks of its
/// Lease is tied to a version, and changes nothing then.
fn assert_fenced(mark: &Mark) {
    let writes = mark.writes();
    let is_of_lease = |request: &&Request| request.uri.contains("/leases");
    let (of_lease, others): (Vec<&Request>, Vec<&Request>) = writes.iter().partition(is_of_lease);
    let took = of_lease.iter().filter(|request| {
        let takes = matches!(request.verb.as_str(), "create" | "update");
        !request.is_proxied && takes && request.code < 300
    });
    let taken = took.map(|request| request.received).min();
    let taken = taken.unwrap_or_else(|| panic!("nobody took the lock over: {writes:#?}"));
    let mut old = others.iter().filter(|request| request.is_proxied);
    assert!(old.clone().count() > 0, "the first one wrote nothing");
    let late = old.find(|request| request.received >= taken);
    assert!(late.is_none(), "after {taken}: {late:#?} of {writes:#?}");
}

/// Two applies: the second has made its plan, and asks for the lock as soon as the one behind the proxy holds it.
async fn contend(sandbox: &Sandbox, proxy: &Proxy, arguments: &[&str]) -> Run {
    let gate = Gate::default();
    let rule = once(is_lock, Fault::Before(gate.clone()));
    let way = Proxy::start_unmarked(sandbox, &[rule]).await;
    let second = ["apply", "--yes", "--lock-timeout", "120"];
    let first = async {
        gate.reached().await;
        sandbox.run_through(proxy, arguments).await
    };
    let is_locked = async {
        let exists = async || {
            let leases = leases(sandbox).list(&ListParams::default()).await;
            !leases.expect("the API server answers").items.is_empty()
        };
        sandbox.until("the lock is taken", exists).await;
        gate.open();
    };
    let (_, first, ()) = tokio::join!(sandbox.run_through(&way, &second), first, is_locked);
    way.expect_spent();
    first
}

async fn is_completed(sandbox: &Sandbox) {
    sandbox.apply().await;
    let plan = sandbox.plan().await;
    assert_eq!(plan.json()["has_changes"], false, "{}", plan.stdout);
}

/// Patches are slow, so that the term ends in the middle of the plan, and the last one is still under way then.
const SLOW: Fault = Fault::Delay(Duration::from_millis(2_600));

/// The holder's renewals fail in that way: it stops, and what it sent last arrives before the other begins.
async fn stops_in_time(test: &str, renewals: Fault) {
    let sandbox = Sandbox::in_namespace(test).await;
    let mark = sandbox.audit();
    let rules = [always(is_renewal, renewals), always(is_patch, SLOW)];
    let proxy = Proxy::start(&sandbox, &rules).await;
    let one = contend(&sandbox, &proxy, &["apply", "--yes"]).await;
    let one = one.expect(1);
    assert!(one.stderr.contains("was lost"), "{}", one.stderr);
    assert_fenced(&mark);
    is_completed(&sandbox).await;
}

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn a_holder_whose_renewals_hang_stops_before_another_begins() {
    stops_in_time("lock-hangs", Fault::Swallow).await;
}

/// The API server has each renewal, and the holder does not know it.
#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn a_holder_whose_renewals_are_not_answered_stops_before_another_begins() {
    stops_in_time("lock-unanswered", Fault::Hold).await;
}

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn a_holder_whose_renewals_are_slow_stops_before_another_begins() {
    stops_in_time("lock-slow", Fault::Delay(Duration::from_secs(4))).await;
}

/// A write whose connection broke and that was sent again may arrive twice: the lock is kept until then.
#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn a_write_that_went_astray_arrives_before_another_begins() {
    let sandbox = Sandbox::in_namespace("lock-astray").await;
    let mark = sandbox.audit();
    let astray = once(is_patch, Fault::Astray(Duration::from_secs(3)));
    let proxy = Proxy::start(&sandbox, &[astray]).await;
    let one = contend(&sandbox, &proxy, &["apply", "--yes", "--no-wait"]).await;
    one.expect(0);
    proxy.expect_spent();
    assert_fenced(&mark);
    is_completed(&sandbox).await;
}

fn signal(child: &Child, signal: &str) {
    let process = child.id().expect("it runs").to_string();
    let kill = std::process::Command::new("kill")
        .args([signal, &process])
        .status();
    assert!(kill.expect("kill is there").success());
}

/// A holder that stood still (a machine that slept) finds the lock taken when it goes on, and writes nothing.
#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn a_holder_that_was_stopped_writes_nothing_when_it_goes_on() {
    let sandbox = Sandbox::in_namespace("lock-stopped").await;
    let mark = sandbox.audit();
    let proxy = Proxy::start(&sandbox, &[once(is_service, Fault::Hold)]).await;
    let mut command = sandbox.command(&["apply", "--yes"]);
    let command = command.env("KUBECONFIG", proxy.kubeconfig());
    let child = command.spawn().expect("the binary starts");
    proxy.held().await;
    signal(&child, "-STOP");
    sandbox.apply().await;
    signal(&child, "-CONT");
    let one: Run = child.wait_with_output().await.expect("it ends").into();
    let one = one.expect(1);
    assert!(one.stderr.contains("was lost"), "{}", one.stderr);
    assert_fenced(&mark);
    is_completed(&sandbox).await;
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
