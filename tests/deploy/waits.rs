//! Waits: for nodes that may still come, past watches that see nothing, and never for what cannot end.

use std::process::Stdio;

use http::Method;
use http::request::Parts;
use k8s_openapi::api::core::v1::{Event, LimitRange, Node, Pod};
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::sync::Mutex;
use uninlu::kinds::Kind;

use crate::proxy::{Fault, Proxy, Rule, always, answer, is_watch};
use crate::sandbox::{NAME, Run, Sandbox, StackText, history, says};

const fn own(sections: &str) -> StackText<'_> {
    StackText {
        top: "replicas = 1",
        creates_namespace: false,
        sections,
    }
}

/// An apply of what the plan says gets stuck.
const STUCK: [&str; 3] = ["apply", "--yes", "--even-if-stuck"];

/// Asks for what only a node of the test has; small enough that no other test's pod fits there.
const NEEDS_GPU: &str = "[engine]\ngpus = 1\n[resources]\n\
    cpu = { request = \"10m\", limit = \"10m\" }\nmemory = { request = \"16Mi\", limit = \"16Mi\" }\n";

/// One test with a GPU at a time: the pods of another one would take its node, or its own pods the other one's.
static GPUS: Mutex<()> = Mutex::const_new(());

/// A node with a GPU; gone when the test ends well.
struct LateNode<'a> {
    sandbox: &'a Sandbox,
    nodes: Api<Node>,
}

impl<'a> LateNode<'a> {
    fn new(sandbox: &'a Sandbox) -> Self {
        let nodes = Api::all(sandbox.client.clone());
        Self { sandbox, nodes }
    }

    fn name(&self) -> &str {
        &self.sandbox.namespace
    }

    /// Joins with a taint, as nodes do whose agents are still to come.
    async fn joins(&self) {
        self.goes().await;
        let room = json!({ "cpu": "20m", "memory": "40Mi", "pods": "2", "nvidia.com/gpu": "1" });
        let node = json!({
            "metadata": { "name": self.name(), "labels": { "uninlu.dev/fake": "true", "kubernetes.io/hostname": self.name() } },
            "spec": { "taints": [{ "key": "uninlu.test/late", "effect": "NoSchedule" }] },
            "status": { "capacity": room, "allocatable": room },
        });
        let node = serde_json::from_value(node).expect("a node");
        let created = self.nodes.create(&PostParams::default(), &node).await;
        created.expect("a node");
    }

    async fn opens(&self) {
        let open = json!({ "spec": { "taints": null } });
        let patched = self
            .nodes
            .patch(self.name(), &PatchParams::default(), &Patch::Merge(open))
            .await;
        patched.expect("the node joined");
    }

    /// It joins, tainted at first, when an obstacle that nothing speaks for has long ended a wait: 20 s lie between two
    /// looks of the wait, so that by its own clock the obstacle stands for longer than the 15 s of grace at the second.
    async fn comes_after_grace(&self, proxy: &Proxy) {
        let is_look = |request: &Parts| {
            request.method == Method::GET && request.uri.path().ends_with("/deployments/nlu")
        };
        proxy.sees(is_look, 2).await;
        self.joins().await;
        self.opens().await;
    }

    /// Its stack goes first, whose pods would wait for the next node.
    async fn goes_with_its_stack(&self) {
        destroy(self.sandbox).await;
        self.goes().await;
    }

    async fn goes(&self) {
        // Where there is none, none has to go.
        let _ = self
            .nodes
            .delete(self.name(), &DeleteParams::default())
            .await;
    }
}

async fn destroy(sandbox: &Sandbox) {
    sandbox.run(&["destroy", "--yes"]).await.expect(0);
}

/// The uid of the pod that no node takes.
async fn unschedulable(sandbox: &Sandbox) -> String {
    let pods: Api<Pod> = Api::namespaced(sandbox.client.clone(), &sandbox.namespace);
    let mut found = None;
    sandbox
        .until("no node takes the pod", async || {
            let list = pods.list(&ListParams::default()).await.expect("a list");
            found = list.items.into_iter().next();
            serde_json::to_string(&found).is_ok_and(|pod| pod.contains("Unschedulable"))
        })
        .await;
    let pod = found.expect("a pod");
    pod.metadata.uid.expect("the API server gives one")
}

/// What an autoscaler writes.
async fn event(sandbox: &Sandbox, uid: &str, reason: &str, message: &str) {
    let events: Api<Event> = Api::namespaced(sandbox.client.clone(), &sandbox.namespace);
    let now = jiff::Timestamp::now().strftime("%FT%TZ").to_string();
    let event = json!({
        "metadata": { "generateName": "autoscaler-" }, "reason": reason, "message": message, "type": "Normal",
        "lastTimestamp": now, "firstTimestamp": now,
        "involvedObject": { "kind": "Pod", "namespace": sandbox.namespace, "uid": uid },
    });
    let event = serde_json::from_value(event).expect("an event");
    let created = events.create(&PostParams::default(), &event).await;
    created.expect("an event");
}

/// The case `node-autoscaler`: a node joins, is tainted at first, and takes the pods then.
#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn a_node_that_comes_late_is_waited_for() {
    let _alone = GPUS.lock().await;
    let sandbox = Sandbox::in_namespace("late-node").await;
    sandbox.write(own(&format!(
        "{NEEDS_GPU}[rollout]\non-failure = \"rollback\""
    )));
    let late = LateNode::new(&sandbox);
    late.goes().await;
    let proxy = Proxy::start(&sandbox, &[]).await;
    let comes = async {
        unschedulable(&sandbox).await;
        late.comes_after_grace(&proxy).await;
    };
    let (run, ()) = tokio::join!(sandbox.run_through(&proxy, &["apply", "--yes"]), comes);
    late.goes_with_its_stack().await;
    run.expect(0);
}

/// Without any patience of its own the stack waits as long as the autoscaler says that a node comes.
#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn a_node_that_an_autoscaler_announced_is_waited_for() {
    let _alone = GPUS.lock().await;
    let sandbox = Sandbox::in_namespace("announced-node").await;
    sandbox.write(own(&format!(
        "{NEEDS_GPU}[rollout]\nwait-for-nodes = \"0s\""
    )));
    let late = LateNode::new(&sandbox);
    late.goes().await;
    let proxy = Proxy::start(&sandbox, &[]).await;
    let comes = async {
        let pod = unschedulable(&sandbox).await;
        // Of another pod, and so no word on this one.
        event(
            &sandbox,
            "an-older-pod",
            "NotTriggerScaleUp",
            "pod didn't trigger scale-up: 1 max node group size reached",
        )
        .await;
        event(
            &sandbox,
            &pod,
            "TriggeredScaleUp",
            "pod triggered scale-up: [{gpus 0->1 (max: 3)}]",
        )
        .await;
        late.comes_after_grace(&proxy).await;
    };
    let (run, ()) = tokio::join!(sandbox.run_through(&proxy, &STUCK), comes);
    late.goes_with_its_stack().await;
    run.expect(0);
}

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn an_autoscaler_that_adds_no_node_ends_the_wait() {
    let _alone = GPUS.lock().await;
    let sandbox = Sandbox::in_namespace("no-node").await;
    sandbox.write(own(NEEDS_GPU));
    let refused = async {
        let pod = unschedulable(&sandbox).await;
        let words = "pod didn't trigger scale-up: 1 max node group size reached";
        event(&sandbox, &pod, "NotTriggerScaleUp", words).await;
    };
    let (run, ()) = tokio::join!(sandbox.run(&STUCK), refused);
    destroy(&sandbox).await;
    let run = run.expect(1);
    says(
        &run.stderr,
        &[
            "Unschedulable",
            "the cluster autoscaler adds no node",
            "the rollout will get stuck",
            "no nvidia.com/gpu left",
        ],
    );
}

/// The one GPU is the old pod's: the plan names the way that works, and it does.
#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn a_new_pod_without_room_beside_the_old_one_takes_its_place() {
    let _alone = GPUS.lock().await;
    let sandbox = Sandbox::in_namespace("in-place").await;
    let late = LateNode::new(&sandbox);
    late.joins().await;
    late.opens().await;
    sandbox.write(own(NEEDS_GPU));
    sandbox.run(&["apply", "--yes"]).await.expect(0);
    sandbox.write(own(&format!("{NEEDS_GPU}[rollout]\ndrain = \"41s\"")));
    let obstacles = sandbox.plan().await.json()["pods"]["obstacles"].to_string();
    says(
        &obstacles,
        &[
            "the rollout will get stuck unless a node comes, for which apply waits 5 min 00 s",
            "0 of 1 new pods find room",
            "no nvidia.com/gpu left",
            "max-surge = 0, max-unavailable = 1",
        ],
    );
    let in_place = "[rollout]\ndrain = \"41s\"\nmax-surge = 0\nmax-unavailable = 1";
    sandbox.write(own(&format!("{NEEDS_GPU}{in_place}")));
    let plan = sandbox.plan().await.json();
    assert_eq!(plan["pods"]["obstacles"], json!([]), "{plan:#}");
    let run = sandbox.run(&["apply", "--yes"]).await;
    late.goes_with_its_stack().await;
    run.expect(0);
}

/// As `kubectl rollout pause` and `resume` do.
async fn pause(sandbox: &Sandbox, paused: Option<bool>) {
    let parameters = PatchParams {
        field_manager: Some("kubectl-rollout".into()),
        ..Default::default()
    };
    let patch = Patch::Strategic(json!({ "spec": { "paused": paused } }));
    let patched = sandbox
        .api(Kind::Deployment)
        .patch(NAME, &parameters, &patch)
        .await;
    patched.expect("a Deployment");
}

const PAUSED: &str = "the Deployment is paused (.spec.paused, set by kubectl-rollout at ";

/// The case `paused`.
#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn a_paused_deployment_is_named_before_and_ends_the_wait_at_once() {
    let sandbox = Sandbox::in_namespace("paused").await;
    sandbox.apply().await;
    pause(&sandbox, Some(true)).await;
    let changed = own("[rollout]\ndrain = \"41s\"");
    sandbox.write(changed);
    let plan = sandbox.plan().await.json();
    let obstacles = plan["pods"]["obstacles"].to_string();
    says(
        &obstacles,
        &[PAUSED, "kubectl rollout resume deployment/nlu"],
    );

    let mark = sandbox.audit();
    let refused = sandbox.run(&["apply", "--yes"]).await.expect(1);
    says(
        &refused.stderr,
        &[
            "the rollout will get stuck",
            PAUSED,
            "nothing was changed",
            "kubectl rollout resume",
            "--even-if-stuck",
        ],
    );
    assert!(mark.writes().is_empty(), "{:#?}", mark.writes());

    sandbox
        .run(&["apply", "--yes", "--no-wait", "--even-if-stuck"])
        .await
        .expect(0);
    let unchanged = sandbox.plan().await.json();
    says(&unchanged["pods"]["obstacles"].to_string(), &[PAUSED]);
    let waits = sandbox.run(&["apply", "--yes"]).await.expect(1);
    says(&waits.stderr, &[PAUSED, "kubectl rollout resume"]);
    let status = sandbox.run(&["status"]).await.expect(0);
    says(&status.stdout, &[PAUSED]);

    pause(&sandbox, None).await;
    sandbox.run(&["apply", "--yes"]).await.expect(0);
    let releases = history(&sandbox).await;
    let newest = releases.last().expect("a release");
    assert_eq!(newest["outcome"]["state"], "ready", "{newest:#}");
}

/// A pause keeps no pod from running where all are new: it is reported, and is no failure.
#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn a_paused_deployment_is_scaled() {
    let sandbox = Sandbox::in_namespace("paused-scaled").await;
    sandbox.apply().await;
    pause(&sandbox, Some(true)).await;
    sandbox.write(StackText {
        top: "replicas = 3",
        ..own("")
    });
    let run = sandbox.run(&["apply", "--yes"]).await.expect(0);
    says(&run.stdout, &[PAUSED]);
    let status = sandbox.run(&["status", "--json"]).await.expect(0).json();
    says(&status.to_string(), &[PAUSED, "ready"]);
}

/// The wait for the second release ends before its pods come; they come, and the third one can go back to it.
#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn a_release_that_became_ready_late_is_recorded_by_what_sees_it() {
    for (test, command) in [
        ("late-status", "status"),
        ("late-history", "history"),
        ("late-apply", "apply"),
    ] {
        let sandbox = Sandbox::in_namespace(test).await;
        sandbox.allow_pods(0).await;
        sandbox.write(own(""));
        let failed = sandbox.run(&STUCK).await.expect(1);
        says(&failed.stderr, &["exceeded quota"]);
        sandbox.allow_pods(10).await;
        sandbox
            .until("the pod is ready", async || {
                sandbox.deployment().await["status"]["readyReplicas"] == 1
            })
            .await;
        let mark = sandbox.audit();
        sandbox.plan().await;
        assert!(
            mark.writes().is_empty(),
            "a plan wrote: {:#?}",
            mark.writes()
        );
        sandbox.write(own(if command == "apply" {
            "[rollout]\ndrain = \"41s\""
        } else {
            ""
        }));
        let arguments: &[&str] = if command == "apply" {
            &["apply", "--yes"]
        } else {
            &[command]
        };
        let seen = sandbox.run(arguments).await.expect(0);
        says(&seen.stderr, &["release 1 is recorded as ready"]);
        assert_eq!(history(&sandbox).await[0]["outcome"]["state"], "ready");
        sandbox.write(own("[rollout]\ndrain = \"42s\""));
        sandbox.apply().await;
        let back = sandbox.run(&["rollback", "--yes"]).await.expect(0);
        let to = if command == "apply" {
            "back to release 2"
        } else {
            "back to release 1"
        };
        says(&back.stderr, &[to]);
    }
}

/// What a release could not write is no part of it that became ready.
#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn a_release_of_which_something_is_missing_is_not_ready() {
    let sandbox = Sandbox::in_namespace("late-partial").await;
    sandbox.write(own(""));
    sandbox
        .run(&["apply", "--yes", "--no-wait"])
        .await
        .expect(0);
    let services = sandbox.api(Kind::Service);
    services
        .delete(NAME, &DeleteParams::default())
        .await
        .expect("it was applied");
    sandbox
        .until("the pod is ready", async || {
            sandbox.deployment().await["status"]["readyReplicas"] == 1
        })
        .await;
    sandbox.run(&["status"]).await.expect(0);
    assert_eq!(history(&sandbox).await[0]["outcome"]["state"], "written");
}

async fn apply_through(sandbox: &Sandbox, rule: Rule) -> Run {
    let proxy = Proxy::start(sandbox, &[rule]).await;
    sandbox.run_through(&proxy, &STUCK).await
}

/// A look of the wait at the Deployment; plans list all of the stack's.
fn is_look(request: &Parts) -> bool {
    let query = request.uri.query().unwrap_or_default();
    request.method == Method::GET
        && request.uri.path().contains("/deployments")
        && (request.uri.path().ends_with("/nlu") || query.contains("fieldSelector"))
}

/// Watches that are refused are said at once, and the wait asks by itself.
#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn watches_that_are_refused_are_done_without() {
    for (test, code) in [
        ("watch-401", 401),
        ("watch-403", 403),
        ("watch-410", 410),
        ("watch-503", 503),
    ] {
        let sandbox = Sandbox::in_namespace(test).await;
        // Pods that come only once the watches were refused.
        sandbox.allow_pods(0).await;
        let freed = async {
            sandbox
                .until("the pods are refused", async || {
                    let live = sandbox.get(Kind::Deployment, NAME).await;
                    live.is_some_and(|live| live.to_string().contains("exceeded quota"))
                })
                .await;
            sandbox.allow_pods(10).await;
        };
        let rule = always(is_watch, answer(code));
        let (run, ()) = tokio::join!(apply_through(&sandbox, rule), freed);
        let run = run.expect(0);
        says(&run.stderr, &["the watch of the Deployment broke"]);
    }
}

/// A watch that hangs says nothing, not even that the pods are ready.
#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn a_watch_that_hangs_hides_no_end() {
    let sandbox = Sandbox::in_namespace("watch-hangs").await;
    let rule = always(is_watch, Fault::Hold);
    apply_through(&sandbox, rule).await.expect(0);
}

/// Nothing is seen, so nothing failed, and nothing is rolled back.
#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn a_rollout_that_cannot_be_seen_did_not_fail() {
    for (test, code) in [("unseen-401", 401), ("unseen-403", 403)] {
        let sandbox = Sandbox::in_namespace(test).await;
        sandbox.write(own("[rollout]\non-failure = \"rollback\""));
        sandbox.apply().await;
        sandbox.write(own("[rollout]\non-failure = \"rollback\"\ndrain = \"41s\""));
        let run = apply_through(&sandbox, always(is_look, answer(code)))
            .await
            .expect(1);
        says(
            &run.stderr,
            &["cannot be watched", "nothing says that the rollout failed"],
        );
        assert!(!run.stderr.contains("olled back"), "{}", run.stderr);
        sandbox
            .until("the pod is ready", async || {
                let status = sandbox.run(&["status"]).await.expect(0);
                status.stderr.contains("release 2 is recorded as ready")
            })
            .await;
    }
}

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn a_limit_range_is_named_before_and_after() {
    let sandbox = Sandbox::in_namespace("limit-range").await;
    let ranges: Api<LimitRange> = Api::namespaced(sandbox.client.clone(), &sandbox.namespace);
    let range = json!({ "metadata": { "name": "small" },
        "spec": { "limits": [{ "type": "Container", "max": { "memory": "64Mi" } }] } });
    let range = serde_json::from_value(range).expect("a LimitRange");
    let created = ranges.create(&PostParams::default(), &range).await;
    created.expect("a LimitRange");
    let obstacles = sandbox.plan().await.json()["pods"]["obstacles"].to_string();
    says(
        &obstacles,
        &[
            "the LimitRange `small` refuses the pods",
            "at most memory 64Mi",
        ],
    );
    let mark = sandbox.audit();
    let refused = sandbox.run(&["apply", "--yes"]).await.expect(1);
    says(
        &refused.stderr,
        &[
            "the LimitRange `small` refuses the pods",
            "Set `[resources]` within its bounds",
            "--even-if-stuck",
        ],
    );
    assert!(mark.writes().is_empty(), "{:#?}", mark.writes());
    let gate = sandbox.run(&["gate"]).await.expect(3);
    says(&gate.stdout, &["stuck", "the LimitRange `small`"]);
    let run = sandbox.run(&STUCK).await.expect(1);
    says(
        &run.stderr,
        &[
            "maximum memory usage per Container is 64Mi",
            "a LimitRange of the namespace",
        ],
    );
}

/// A terminal is asked twice where the rollout will get stuck.
#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn a_terminal_is_asked_again_where_the_rollout_will_get_stuck() {
    let sandbox = Sandbox::in_namespace("asks-again").await;
    sandbox.write(own(
        "[resources]\nmemory = { request = \"900Ti\", limit = \"900Ti\" }",
    ));
    let command = format!("{} apply", env!("CARGO_BIN_EXE_uninlu"));
    let mut child = sandbox
        .command_of("/usr/bin/script", &["-qec", &command, "/dev/null"])
        .stdin(Stdio::piped())
        .spawn()
        .expect("script(1) starts");
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(b"yes\nno\n").await.expect("it reads");
    let output = child.wait_with_output().await.expect("it ends");
    drop(stdin);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    says(
        &text,
        &["Apply this plan?", "Apply all the same?", "not confirmed"],
    );
    assert!(sandbox.get(Kind::Deployment, NAME).await.is_none());
}
