//! `verify` against a real API server. Its nodes are fake: no pod can be asked, and the reasons must be told. What pods
//! answer is seen by the demo, on a real node.

use serde_json::{Value, json};
use uninlu::kinds::Kind;

use crate::sandbox::{Run, Sandbox, assert_error};

impl Run {
    fn check(&self, id: &str) -> Value {
        let told = self.json();
        let mut checks = told["checks"].as_array().into_iter().flatten();
        let check = checks.find(|check| check["id"] == id);
        check
            .unwrap_or_else(|| panic!("no {id} in {told:#}"))
            .clone()
    }
}

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn a_stack_that_is_not_deployed() {
    let sandbox = Sandbox::new("verify-nothing").await;
    assert_error!(sandbox.run(&["verify"]).await, sandbox);
}

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn what_cannot_be_looked_at_is_not_proven_and_nothing_is_written() {
    let sandbox = Sandbox::new("verify-fake").await;
    sandbox.apply().await;
    let mark = sandbox.audit();
    let run = sandbox
        .run(&["verify", "--json", "--wait", "0", "--junit", "junit.xml"])
        .await
        .expect(1);
    for (id, result) in [
        ("rollout", "passed"),
        ("settings", "passed"),
        ("user", "failed"),
        ("health", "failed"),
        ("logs", "failed"),
        ("predictions", "skipped"),
    ] {
        let check = run.check(id);
        assert_eq!(check["result"], result, "{check:#}");
    }
    for id in ["user", "health", "logs"] {
        let check = run.check(id);
        let evidence = check["evidence"].as_array().expect("a list");
        assert_eq!(evidence.len(), 2, "each pod is asked: {check:#}");
        let is_told = |one: &Value| one["seen"].as_str().is_some_and(|seen| !seen.is_empty());
        assert!(evidence.iter().all(is_told), "{check:#}");
    }
    assert_eq!(run.json()["passed"], false);
    let junit = std::fs::read_to_string(sandbox.path("junit.xml")).expect("it was written");
    assert!(junit.contains("<testcase classname=\"uninlu verify nlu\" name=\"user\">"));
    assert!(mark.writes().is_empty(), "{:#?}", mark.writes());
}

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn settings_that_somebody_edited() {
    let sandbox = Sandbox::new("verify-edited").await;
    sandbox.apply().await;
    let edit = json!({ "data": { "settings.toml": "max-length = 7\n" } });
    sandbox.edit(Kind::ConfigMap, "nlu-settings", &edit).await;
    let run = sandbox
        .run(&["verify", "--json", "--wait", "0"])
        .await
        .expect(1);
    let check = run.check("settings");
    assert_eq!(check["result"], "failed", "{check:#}");
    let seen = check["evidence"][0]["seen"].as_str().unwrap_or_default();
    assert!(seen.contains("max-length = 7"), "{seen}");
}

/// The promises stand in a stack file: neither a saved plan nor a folder has them.
#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn an_apply_that_cannot_be_verified_changes_nothing() {
    let sandbox = Sandbox::new("verify-saved").await;
    sandbox.run(&["plan", "--out", "plan.json"]).await.expect(0);
    let mark = sandbox.audit();
    let run = sandbox
        .run(&["apply", "plan.json", "--yes", "--verify"])
        .await;
    assert_error!(run, sandbox);
    assert!(mark.requests().is_empty(), "{:#?}", mark.requests());
}
