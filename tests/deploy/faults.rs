//! What an API server and the way to it can do to an apply. `docs/reliability.md` lists the faults and these tests.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use k8s_openapi::api::admissionregistration::v1::{
    ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding, ValidatingWebhookConfiguration,
};
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::config::Kubeconfig;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use uninlu::kinds::Kind;

use crate::proxy::{Fault, Proxy, Rule, answer, is_renewal, is_service, is_watch, is_write, once};
use crate::sandbox::{NAME, Run, Sandbox};
use crate::users::{kubeconfig, run_with};

/// An apply under the fault, which must have happened.
async fn apply_under(sandbox: &Sandbox, rule: Rule) -> Run {
    let proxy = Proxy::start(sandbox, &[rule]).await;
    let run = sandbox.run_through(&proxy, &["apply", "--yes"]).await;
    proxy.expect_spent();
    run
}

async fn is_whole(sandbox: &Sandbox) {
    let plan = sandbox.plan().await;
    assert_eq!(plan.json()["has_changes"], false, "{}", plan.stdout);
    assert_eq!(sandbox.deployment().await["status"]["readyReplicas"], 2);
}

/// The apply fails with these words, and the next one completes it.
async fn fails_and_is_completed(test: &str, rule: Rule, words: &[&str]) {
    let sandbox = Sandbox::new(test).await;
    let run = apply_under(&sandbox, rule).await.expect(1);
    for word in words {
        assert!(run.stderr.contains(word), "no `{word}` in {}", run.stderr);
    }
    sandbox.apply().await;
    is_whole(&sandbox).await;
}

/// The apply does not mind.
async fn is_survived(test: &str, rule: Rule) {
    let sandbox = Sandbox::new(test).await;
    apply_under(&sandbox, rule).await.expect(0);
    is_whole(&sandbox).await;
}

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn an_overloaded_server_is_given_the_time_that_it_asks_for() {
    let overloaded = Fault::Answer {
        code: 429,
        retry_after: Some(2),
    };
    is_survived("fault-429", once(is_service, overloaded)).await;
}

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn a_server_that_restarts_is_asked_again() {
    let rule = Rule {
        on: is_service,
        skip: 0,
        times: 2,
        fault: answer(503),
    };
    is_survived("fault-503", rule).await;
}

/// It is asked again some times, and there is an end to it.
#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn a_server_that_stays_overloaded_is_named() {
    let sandbox = Sandbox::new("fault-429-stays").await;
    let rule = Rule {
        on: is_service,
        skip: 0,
        times: usize::MAX,
        fault: answer(429),
    };
    let proxy = Proxy::start(&sandbox, &[rule]).await;
    let run = sandbox
        .run_through(&proxy, &["apply", "--yes"])
        .await
        .expect(1);
    for word in ["Service", "overloaded"] {
        assert!(run.stderr.contains(word), "no `{word}` in {}", run.stderr);
    }
    sandbox.apply().await;
    is_whole(&sandbox).await;
}

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn an_internal_error_ends_the_apply_and_the_next_completes_it() {
    let words = ["Service test-fault-500/nlu", "try again"];
    fails_and_is_completed("fault-500", once(is_service, answer(500)), &words).await;
}

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn a_conflict_in_the_middle_is_never_forced() {
    let words = ["Service test-fault-409/nlu", "plan again"];
    fails_and_is_completed("fault-409", once(is_service, answer(409)), &words).await;
}

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn a_token_that_expires_in_the_middle() {
    let words = ["does not accept the credentials", "log in again"];
    fails_and_is_completed("fault-401", once(is_service, answer(401)), &words).await;
}

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn a_connection_reset_before_a_write() {
    is_survived("fault-cut-before", once(is_service, Fault::CutBefore)).await;
}

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn a_connection_reset_after_a_write() {
    is_survived("fault-cut-after", once(is_service, Fault::CutAfter)).await;
}

/// The answer to the lock's creation is lost: the Lease that is then found there is ours and nobody knows it, so it
/// has to expire first.
#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn a_lock_whose_answer_was_lost_expires() {
    let is_lease = |request: &http::request::Parts| {
        is_write(request) && request.uri.path().ends_with("/leases")
    };
    let sandbox = Sandbox::new("fault-lease").await;
    apply_under(&sandbox, once(is_lease, Fault::CutAfter))
        .await
        .expect(1);
    sandbox.apply().await;
    is_whole(&sandbox).await;
}

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn watches_that_drop_are_taken_up_again() {
    let sandbox = Sandbox::in_namespace("fault-watch").await;
    // Without pods the rollout stands until every watch was cut and taken up again.
    sandbox.allow_pods(0).await;
    let rule = Rule {
        on: is_watch,
        skip: 0,
        times: 4,
        fault: Fault::CutBefore,
    };
    let proxy = Proxy::start(&sandbox, &[rule]).await;
    let freed = async {
        proxy.spent().await;
        proxy.sees(is_watch, 1).await;
        sandbox.allow_pods(10).await;
    };
    let apply = ["apply", "--yes", "--even-if-stuck"];
    let (run, ()) = tokio::join!(sandbox.run_through(&proxy, &apply), freed);
    run.expect(0);
    proxy.expect_spent();
    is_whole(&sandbox).await;
}

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn a_slow_server_is_waited_for() {
    let rule = Rule {
        on: |_| true,
        skip: 0,
        times: 40,
        fault: Fault::Delay(Duration::from_millis(700)),
    };
    is_survived("fault-slow", rule).await;
}

/// Renewals that fail for longer than the Lease lasts: somebody else may hold it, so nothing more is written.
#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn an_apply_that_cannot_renew_its_lock_stops_writing() {
    let sandbox = Sandbox::new("fault-renewal").await;
    let rules = [
        Rule {
            on: is_renewal,
            skip: 0,
            times: usize::MAX,
            fault: answer(503),
        },
        once(is_service, Fault::Swallow),
    ];
    let proxy = Proxy::start(&sandbox, &rules).await;
    let run = sandbox
        .run_through(&proxy, &["apply", "--yes"])
        .await
        .expect(1);
    assert!(run.stderr.contains("was lost"), "{}", run.stderr);
    assert!(sandbox.get(Kind::Deployment, NAME).await.is_none());
    sandbox.apply().await;
    is_whole(&sandbox).await;
}

/// A webhook that does not answer is found by the plan: dry runs pass admission too.
#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn a_webhook_that_does_not_answer_is_found_by_the_plan() {
    let sandbox = Sandbox::in_namespace("fault-webhook").await;
    let webhooks: Api<ValidatingWebhookConfiguration> = Api::all(sandbox.client.clone());
    let webhook = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
        "metadata": { "name": "uninlu-test-dead" },
        "webhooks": [{
            "name": "dead.uninlu.test", "sideEffects": "None", "admissionReviewVersions": ["v1"],
            "failurePolicy": "Fail", "timeoutSeconds": 1,
            "clientConfig": { "url": "https://127.0.0.1:1/" },
            "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": sandbox.namespace } },
            "rules": [{ "apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["*"], "resources": ["deployments"] }],
        }],
    });
    webhooks
        .patch(
            "uninlu-test-dead",
            &PatchParams::apply("admin"),
            &Patch::Apply(webhook),
        )
        .await
        .expect("a webhook");
    let refused = refused_by_admission(&sandbox, &["apply", "--yes", "--no-wait"]).await;
    webhooks
        .delete("uninlu-test-dead", &DeleteParams::default())
        .await
        .expect("it was made here");
    assert!(refused.contains("dead.uninlu.test"), "{refused}");
    assert!(
        refused.contains("Deployment test-fault-webhook/nlu"),
        "{refused}"
    );
    assert!(
        sandbox.names(Kind::Service).await.is_empty(),
        "something was written"
    );
    completes_without_admission(&sandbox).await;
}

/// A policy of the cluster for the sandbox's Deployments; its words are those of a missing right, which it is not.
async fn deny(sandbox: &Sandbox, name: &str, expression: &str) {
    let selector = json!({ "matchLabels": { "kubernetes.io/metadata.name": sandbox.namespace } });
    let policy = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
        "metadata": { "name": name },
        "spec": {
            "matchConstraints": {
                "namespaceSelector": selector,
                // Not UPDATE: nobody could take the finalizers from what an apply made before the policy counted.
                "resourceRules": [{ "apiGroups": ["apps"], "apiVersions": ["v1"],
                    "operations": ["CREATE"], "resources": ["deployments"] }],
            },
            "validations": [{ "expression": expression, "reason": "Forbidden", "message": DENIED }],
        },
    });
    let binding = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": { "name": name },
        "spec": { "policyName": name, "validationActions": ["Deny"] },
    });
    let patch = PatchParams::apply("admin");
    let policies: Api<ValidatingAdmissionPolicy> = Api::all(sandbox.client.clone());
    let bindings: Api<ValidatingAdmissionPolicyBinding> = Api::all(sandbox.client.clone());
    let policy = policies.patch(name, &patch, &Patch::Apply(policy)).await;
    policy.expect("a policy");
    let binding = bindings.patch(name, &patch, &Patch::Apply(binding)).await;
    binding.expect("a binding");
}

async fn allow(sandbox: &Sandbox, name: &str) {
    let policies: Api<ValidatingAdmissionPolicy> = Api::all(sandbox.client.clone());
    let bindings: Api<ValidatingAdmissionPolicyBinding> = Api::all(sandbox.client.clone());
    let gone = DeleteParams::default();
    bindings.delete(name, &gone).await.expect("made here");
    policies.delete(name, &gone).await.expect("made here");
}

const DENIED: &str = "this image cannot run here";

/// Runs until a webhook or a policy counts, which takes the API server a moment, and gives what was told.
async fn refused_by_admission(sandbox: &Sandbox, arguments: &[&str]) -> String {
    let mut told = String::new();
    sandbox
        .until("the admission counts", async || {
            let run = sandbox.run(arguments).await;
            told = run.stderr;
            if run.code == Some(0) {
                sandbox.run(&["destroy", "--yes"]).await.expect(0);
            }
            run.code == Some(1)
        })
        .await;
    told
}

/// Applies until the API server has forgotten a webhook or a policy that is gone.
async fn completes_without_admission(sandbox: &Sandbox) {
    sandbox
        .until("the admission is forgotten", async || {
            sandbox.run(&["apply", "--yes"]).await.code == Some(0)
        })
        .await;
    is_whole(sandbox).await;
}

/// An apply under a policy with that expression is refused with its words, and completes without it.
async fn is_denied_and_completed(test: &str, expression: &str, arguments: &[&str]) {
    let sandbox = Sandbox::in_namespace(test).await;
    let policy = format!("uninlu-{test}");
    deny(&sandbox, &policy, expression).await;
    let told = refused_by_admission(&sandbox, arguments).await;
    let services = sandbox.names(Kind::Service).await;
    allow(&sandbox, &policy).await;
    for words in [
        DENIED,
        "the API server refuses to",
        &format!("Deployment test-{test}/nlu"),
        "a policy or quota of the cluster says no",
    ] {
        assert!(told.contains(words), "no `{words}` in {told}");
    }
    assert_eq!(services.is_empty(), arguments[0] == "plan", "{services:?}");
    completes_without_admission(&sandbox).await;
}

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn a_policy_that_denies_is_found_by_the_plan() {
    is_denied_and_completed("fault-policy", "false", &["plan"]).await;
}

/// No plan can know what an admission says only to the real write.
#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn a_policy_that_denies_the_write_alone_is_named() {
    let only_dry_runs = "has(request.dryRun) && request.dryRun";
    let apply = ["apply", "--yes", "--no-wait"];
    is_denied_and_completed("fault-policy-late", only_dry_runs, &apply).await;
}

/// A finalizer that nobody removes is named, and the destroy goes on when it is gone.
#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn a_finalizer_that_hangs_is_named() {
    let sandbox = Sandbox::new("fault-finalizer").await;
    sandbox.apply().await;
    let held = |finalizers: serde_json::Value| json!({ "metadata": { "finalizers": finalizers } });
    let hold = held(json!(["uninlu.test/never"]));
    sandbox.edit(Kind::Service, NAME, &hold).await;
    // Long enough for the controllers to delete everything else first, however busy the machine is.
    let run = sandbox
        .run(&["destroy", "--yes", "--timeout", "30"])
        .await
        .expect(1);
    assert!(run.stderr.contains("uninlu.test/never"), "{}", run.stderr);
    let release =
        json!({ "metadata": { "$deleteFromPrimitiveList/finalizers": ["uninlu.test/never"] } });
    sandbox.edit(Kind::Service, NAME, &release).await;
    sandbox.run(&["destroy", "--yes"]).await.expect(0);
    let namespace = sandbox.get(Kind::Namespace, &sandbox.namespace).await;
    assert!(namespace.is_none());
}

/// A tunnel as companies have them; it counts what goes through.
async fn tunnel(listener: TcpListener, count: Arc<AtomicUsize>) {
    while let Ok((mut client, _)) = listener.accept().await {
        count.fetch_add(1, Ordering::Relaxed);
        tokio::spawn(async move {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(client.read_u8().await?);
            }
            let head = String::from_utf8_lossy(&head).into_owned();
            let server = head.split(' ').nth(1).expect("CONNECT HOST:PORT HTTP/1.1");
            let mut server = TcpStream::connect(server).await?;
            client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
            tokio::io::copy_bidirectional(&mut client, &mut server).await
        });
    }
}

/// The kubeconfig's `proxy-url`: the only way to the API server, for those who have it.
#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn the_way_through_a_proxy() {
    let sandbox = Sandbox::new("tunnel").await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let mut kubeconfig = kubeconfig();
    for cluster in &mut kubeconfig.clusters {
        let cluster = cluster.cluster.as_mut().expect("a cluster");
        cluster.proxy_url = Some(format!("http://{address}"));
    }
    let count = Arc::new(AtomicUsize::new(0));
    let server = tokio::spawn(tunnel(listener, Arc::clone(&count)));
    run_with(&sandbox, &kubeconfig, &["apply", "--yes"])
        .await
        .expect(0);
    assert!(
        count.load(Ordering::Relaxed) > 0,
        "nothing went through the proxy"
    );
    server.abort();
    let _ = server.await;
    let run = run_with(&sandbox, &kubeconfig, &["plan"]).await.expect(1);
    assert!(
        run.stderr.contains(&server_of(&kubeconfig)),
        "no server in {}",
        run.stderr
    );
}

fn server_of(kubeconfig: &Kubeconfig) -> String {
    let cluster = kubeconfig.clusters[0].cluster.as_ref();
    let server = cluster.and_then(|cluster| cluster.server.clone());
    server.expect("a server")
}
