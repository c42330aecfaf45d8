//! The gate before a real cluster: what only the API server knows.

use serde_json::{Value, json};
use uninlu::kinds::Kind;

use crate::sandbox::{Run, Sandbox, StackText};

/// Ids of the rules that found something.
fn rules(run: &Run) -> Vec<String> {
    let report = run.json();
    let findings = report["findings"].as_array().expect("a list").iter();
    findings
        .filter_map(|finding| finding["rule"].as_str())
        .map(str::to_owned)
        .collect()
}

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn changes_are_told_by_the_exit_code_and_nothing_is_written() {
    let sandbox = Sandbox::in_namespace("gate-changes").await;
    let mark = sandbox.audit();
    let arguments = ["gate", "--detailed-exitcode", "--format", "json"];
    let run = sandbox.run(&arguments).await.expect(2);
    assert!(mark.writes().is_empty(), "{:#?}", mark.writes());
    assert_eq!(rules(&run), ["host-path"], "{}", run.stdout);
    assert_eq!(
        run.json()["skipped"][0]["rule"],
        "memory-for-model",
        "{}",
        run.stdout
    );
    sandbox.apply().await;
    sandbox.run(&arguments).await.expect(0);
    sandbox.run(&["gate", "--strict"]).await.expect(3);
}

/// The level is the live namespace's: no word of it stands in the stack file.
#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn a_namespace_that_would_refuse_the_pods() {
    let sandbox = Sandbox::in_namespace("gate-pod-security").await;
    let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": {
        "name": sandbox.namespace, "labels": { "pod-security.kubernetes.io/enforce": "baseline" } } });
    sandbox.apply_as("admin", Kind::Namespace, &namespace).await;
    let run = sandbox.run(&["gate", "--format", "json"]).await.expect(3);
    // The API server warns of what it will enforce.
    let expected = ["host-path", "pod-security", "admission-warning"];
    assert_eq!(rules(&run), expected, "{}", run.stdout);
}

/// The embedded cluster serves no custom metrics.
#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn a_metric_that_nobody_serves() {
    let sandbox = Sandbox::in_namespace("gate-metric").await;
    let stack = |until: &'static str| StackText {
        top: "",
        creates_namespace: false,
        sections: until,
    };
    sandbox.write(stack("[autoscaling]\nrequests-per-second = 20"));
    let run = sandbox.run(&["gate", "--format", "json"]).await.expect(3);
    assert_eq!(
        rules(&run),
        ["metric-missing", "host-path"],
        "{}",
        run.stdout
    );
    sandbox.write(stack(
        "[autoscaling]\nrequests-per-second = 20\n\
         [gate]\nallow = [{ rule = \"metric-missing\", reason = \"the adapter comes next\" }]",
    ));
    let run = sandbox.run(&["gate", "--format", "json"]).await.expect(0);
    let waived = &run.json()["findings"][0]["waived"];
    assert_eq!(waived["reason"], "the adapter comes next", "{}", run.stdout);
    assert_eq!(waived["until"], Value::Null);
}

/// Rules of one's own see what an apply would do.
#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn a_rule_over_what_changes() {
    let sandbox = Sandbox::in_namespace("gate-own").await;
    let sections = "[[gate.rule]]\nid = \"no-restarts\"\nexpression = \"!change['restarts-pods']\"\n\
                    message = \"pods are replaced at night only\"";
    let stack = |sections| StackText {
        creates_namespace: false,
        sections,
        ..StackText::default()
    };
    sandbox.write(stack(sections));
    sandbox.run(&["gate"]).await.expect(0);
    sandbox.apply().await;
    let slower = format!("{sections}\n[rollout]\ndrain = \"40s\"");
    sandbox.write(StackText {
        creates_namespace: false,
        sections: &slower,
        ..StackText::default()
    });
    let run = sandbox.run(&["gate", "--format", "json"]).await.expect(3);
    assert_eq!(rules(&run), ["host-path", "no-restarts"], "{}", run.stdout);
    let message = run.json()["findings"][1]["message"].to_string();
    assert!(message.contains("Deployment"), "{message}");
}
