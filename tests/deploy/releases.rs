//! Records of what was applied, and ways back.

use k8s_openapi::api::apps::v1::ControllerRevision;
use kube::Api;
use kube::api::PostParams;
use serde_json::{Value, json};
use uninlu::kinds::Kind;

use crate::sandbox::{NAME, Sandbox, StackText, history};

const SMALLER: StackText<'_> = StackText {
    top: "replicas = 1",
    creates_namespace: true,
    sections: "[network]\npolicy = false",
};

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn each_apply_is_recorded_and_one_without_changes_is_not() {
    let sandbox = Sandbox::new("history").await;
    sandbox.write(SMALLER);
    sandbox.apply().await;
    sandbox.apply().await;
    sandbox.write(StackText::default());
    sandbox.apply().await;
    let releases = history(&sandbox).await;
    let numbers: Vec<&Value> = releases.iter().map(|release| &release["number"]).collect();
    assert_eq!(numbers, [1, 2], "{releases:#?}");
    assert!(
        releases
            .iter()
            .all(|release| release["outcome"]["state"] == "ready"
                && release["by"].as_str().is_some_and(|by| by.contains('@'))),
        "{releases:#?}"
    );
    let diff = sandbox
        .run(&["history", "2", "--diff", "1"])
        .await
        .expect(0);
    assert!(diff.stdout.contains("NetworkPolicy"), "{}", diff.stdout);
    assert!(
        diff.stdout.contains(".spec.replicas: 1 → 2"),
        "{}",
        diff.stdout
    );
    let unknown = sandbox.run(&["history", "9"]).await.expect(1);
    assert!(
        unknown.stderr.contains("no release 9"),
        "{}",
        unknown.stderr
    );
}

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn the_history_is_bounded() {
    let sandbox = Sandbox::new("history-bounded").await;
    for length in 1..=13 {
        let sections = format!("[server]\nmax-length = {}", 100 + length);
        sandbox.write(StackText {
            sections: &sections,
            ..StackText::default()
        });
        sandbox.apply().await;
    }
    let releases = history(&sandbox).await;
    assert_eq!(releases.len(), 10);
    assert_eq!(releases[0]["number"], 4);
}

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn a_rollback_is_planned_like_any_apply_and_takes_away_what_came_since() {
    let sandbox = Sandbox::new("rollback").await;
    sandbox.write(SMALLER);
    sandbox.apply().await;
    let nowhere = sandbox.run(&["rollback", "--yes"]).await.expect(1);
    assert!(
        nowhere.stderr.contains("nothing to go back to"),
        "{}",
        nowhere.stderr
    );
    sandbox.write(StackText::default());
    sandbox.apply().await;
    sandbox.run(&["rollback"]).await.expect(1);
    assert!(
        !sandbox.names(Kind::NetworkPolicy).await.is_empty(),
        "nobody confirmed"
    );
    sandbox.run(&["rollback", "--yes"]).await.expect(0);
    assert!(sandbox.names(Kind::NetworkPolicy).await.is_empty());
    assert_eq!(sandbox.deployment().await["spec"]["replicas"], 1);
    let releases = history(&sandbox).await;
    assert_eq!(releases[2]["back_to"], 1, "{releases:#?}");
    sandbox.write(SMALLER);
    assert_eq!(sandbox.plan().await.json()["has_changes"], false);
}

/// The quota lets the first release's pods be and no other; the rollout of the second can never end.
#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn a_rollout_that_fails_goes_back_when_the_stack_says_so() {
    let sandbox = Sandbox::new("on-failure").await;
    sandbox.create_namespace().await;
    let stack = |sections| StackText {
        creates_namespace: false,
        sections,
        ..SMALLER
    };
    sandbox.write(stack("[rollout]\non-failure = \"rollback\""));
    sandbox.apply().await;
    sandbox.allow_pods(1).await;
    sandbox.write(stack(
        "[rollout]\non-failure = \"rollback\"\n[resources]\nmemory = { request = \"3Gi\", limit = \"3Gi\" }",
    ));
    let run = sandbox
        .run(&["apply", "--yes", "--even-if-stuck"])
        .await
        .expect(1);
    assert!(run.stderr.contains("exceeded quota"), "{}", run.stderr);
    assert!(
        run.stderr.contains("rolled back to release 1"),
        "{}",
        run.stderr
    );
    let live = sandbox.deployment().await;
    assert_ne!(
        live["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["memory"],
        "3Gi"
    );
    let releases = history(&sandbox).await;
    assert_eq!(releases[1]["outcome"]["state"], "failed", "{releases:#?}");
    assert_eq!(releases[2]["outcome"]["state"], "ready", "{releases:#?}");
    assert_eq!(releases[2]["back_to"], 1, "{releases:#?}");
}

/// Somebody who may write ControllerRevisions makes one out of release 1.
async fn forge(sandbox: &Sandbox, name: &str, number: i64, change: impl FnOnce(&mut Value)) {
    let api: Api<ControllerRevision> = Api::namespaced(sandbox.client.clone(), &sandbox.namespace);
    let first = api.get(&format!("{NAME}-release-1")).await;
    let mut body = serde_json::to_value(first.expect("release 1")).expect("JSON");
    let (labels, annotations) = (
        body["metadata"]["labels"].clone(),
        body["metadata"]["annotations"].clone(),
    );
    body["metadata"] = json!({ "name": name, "labels": labels, "annotations": annotations });
    body["revision"] = json!(number);
    change(&mut body);
    let forged = serde_json::from_value(body).expect("a ControllerRevision");
    let created = api.create(&PostParams::default(), &forged).await;
    created.expect("the API server takes any");
}

/// The pods' `spec` in a record.
fn pod(record: &mut Value) -> &mut Value {
    let objects = record["data"]["goal"]["objects"].as_array_mut();
    let mut objects = objects.expect("objects").iter_mut();
    let deployment = objects.find(|object| object["kind"] == "Deployment");
    &mut deployment.expect("a Deployment")["spec"]["template"]["spec"]
}

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn a_forged_release_is_named_and_never_applied() {
    let sandbox = Sandbox::new("forged").await;
    sandbox.apply().await;
    let forged = format!("{NAME}-release-2");
    forge(&sandbox, &forged, 2, |body| {
        pod(body)["hostPID"] = json!(true)
    })
    .await;
    let why = "uninlu renders no such .spec.template.spec.hostPID";
    for arguments in [
        ["rollback", "2", "--yes"].as_slice(),
        &["rollback", "--yes"],
    ] {
        let run = sandbox.run(arguments).await.expect(1);
        assert!(
            run.stderr.contains("release 2 is not applied"),
            "{}",
            run.stderr
        );
        assert!(run.stderr.contains(why), "{}", run.stderr);
    }
    let commands: [(&[&str], i32); 3] = [
        (&["history", "--json"], 0),
        (&["history", "2", "--diff", "1"], 1),
        (&["drift"], 0),
    ];
    for (arguments, code) in commands {
        let run = sandbox.run(arguments).await.expect(code);
        assert!(run.stderr.contains(&forged), "{}", run.stderr);
        assert!(!run.stdout.contains("hostPID"), "{}", run.stdout);
    }
    assert_eq!(history(&sandbox).await.len(), 1);
    // Its number is taken all the same.
    sandbox.write(SMALLER);
    sandbox.apply().await;
    let numbers: Vec<Value> = history(&sandbox)
        .await
        .iter()
        .map(|it| it["number"].clone())
        .collect();
    assert_eq!(numbers, [1, 3]);
    sandbox.run(&["rollback", "1", "--yes"]).await.expect(0);
    assert!(sandbox.deployment().await["spec"]["template"]["spec"]["hostPID"].is_null());
}

/// Names, numbers and owners of others: none is a release, and none takes a number.
#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn a_record_of_another_name_is_no_release() {
    let sandbox = Sandbox::new("forged-names").await;
    sandbox.apply().await;
    let same = |_: &mut Value| ();
    forge(&sandbox, "backdoor", 2, same).await;
    forge(&sandbox, "nlu-release-1-copy", 1, same).await;
    forge(&sandbox, "nlu-release-7", 3, same).await;
    forge(&sandbox, "nlu-release-8", 8, |body| {
        body["data"]["goal"]["target"]["stack"] = json!("other");
    })
    .await;
    // Without a living owner the garbage collector would take it.
    let owner = sandbox.deployment().await;
    forge(&sandbox, "nlu-release-9", 9, |body| {
        body["metadata"]["ownerReferences"] = json!([{ "apiVersion": "apps/v1", "kind": "Deployment",
            "name": NAME, "uid": owner["metadata"]["uid"] }]);
    })
    .await;
    forge(&sandbox, "nlu-release-10", 10, |body| {
        body["metadata"]["labels"]["applyset.kubernetes.io/part-of"] = json!("applyset-other-v1");
    })
    .await;
    let run = sandbox.run(&["history", "--json"]).await.expect(0);
    for name in [
        "backdoor",
        "-1-copy",
        "-release-7",
        "-release-8",
        "-release-9",
        "-release-10",
    ] {
        assert!(run.stderr.contains(name), "no {name} in {}", run.stderr);
    }
    let numbers = history(&sandbox).await;
    assert_eq!(numbers.len(), 1, "{numbers:#?}");
    for number in ["2", "3", "7", "8", "9", "10"] {
        sandbox.run(&["rollback", number, "--yes"]).await.expect(1);
    }
}

/// Names that others took are passed over, and a number that leaves none for the next is no release's.
#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn a_name_that_another_object_has_keeps_no_release_from_being_recorded() {
    let sandbox = Sandbox::new("taken-names").await;
    sandbox.apply().await;
    let unlabelled = |body: &mut Value| body["metadata"]["labels"] = json!({});
    forge(&sandbox, "nlu-release-2", 2, unlabelled).await;
    forge(&sandbox, "nlu-release-3", 77, unlabelled).await;
    let last = format!("nlu-release-{}", i64::MAX);
    forge(&sandbox, &last, i64::MAX, |_| ()).await;
    forge(&sandbox, "nlu-release-0", 0, |_| ()).await;
    sandbox.write(SMALLER);
    sandbox.apply().await;
    let run = sandbox.run(&["history", "--json"]).await.expect(0);
    assert!(
        run.stderr.contains(&last) && run.stderr.contains("nlu-release-0"),
        "{}",
        run.stderr
    );
    let numbers: Vec<Value> = history(&sandbox)
        .await
        .iter()
        .map(|it| it["number"].clone())
        .collect();
    assert_eq!(numbers, [1, 4]);
    let api: Api<ControllerRevision> = Api::namespaced(sandbox.client.clone(), &sandbox.namespace);
    let untouched = api
        .get("nlu-release-3")
        .await
        .expect("it is another user's");
    assert_eq!(untouched.revision, 77);
}

/// The rollout of a change that can never end, while the stack says to go back then.
async fn fail_with(sandbox: &Sandbox) -> crate::sandbox::Run {
    sandbox.allow_pods(1).await;
    sandbox.write(StackText {
        creates_namespace: false,
        sections: "[rollout]\non-failure = \"rollback\"\n[resources]\nmemory = { request = \"3Gi\", limit = \"3Gi\" }",
        ..SMALLER
    });
    sandbox
        .run(&["apply", "--yes", "--even-if-stuck"])
        .await
        .expect(1)
}

async fn with_one_release(test: &str) -> Sandbox {
    let sandbox = Sandbox::new(test).await;
    sandbox.create_namespace().await;
    sandbox.write(StackText {
        creates_namespace: false,
        sections: "[rollout]\non-failure = \"rollback\"",
        ..SMALLER
    });
    sandbox.apply().await;
    sandbox
}

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn the_automatic_rollback_passes_over_a_forged_release() {
    let sandbox = with_one_release("forged-auto").await;
    let privileged = json!({ "privileged": true });
    forge(&sandbox, "nlu-release-2", 2, |body| {
        pod(body)["containers"][0]["securityContext"] = privileged;
    })
    .await;
    let run = fail_with(&sandbox).await;
    assert!(
        run.stderr.contains("nlu-release-2 is skipped"),
        "{}",
        run.stderr
    );
    assert!(
        run.stderr.contains("rolled back to release 1"),
        "{}",
        run.stderr
    );
}

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn the_automatic_rollback_refuses_another_image_repository() {
    let sandbox = with_one_release("forged-image").await;
    forge(&sandbox, "nlu-release-2", 2, |body| {
        let image = format!("registry.evil.test/nlu@sha256:{}", "0".repeat(64));
        body["data"]["goal"]["image"]["reference"] = json!(image);
        pod(body)["containers"][0]["image"] = json!(image);
    })
    .await;
    let run = fail_with(&sandbox).await;
    assert!(
        run.stderr.contains("release 2 is not applied"),
        "{}",
        run.stderr
    );
    let live = sandbox.deployment().await.to_string();
    assert!(!live.contains("evil"), "{live}");
    let run = sandbox.run(&["rollback", "2", "--yes"]).await.expect(1);
    assert!(
        run.stderr.contains("registry.evil.test/nlu"),
        "{}",
        run.stderr
    );
}

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn drift_is_told_with_who_and_when_and_what_others_own_is_none() {
    let sandbox = Sandbox::new("drift-command").await;
    let nothing = sandbox.run(&["drift"]).await.expect(1);
    assert!(
        nothing.stderr.contains("has no release"),
        "{}",
        nothing.stderr
    );
    sandbox.write(StackText {
        top: "",
        creates_namespace: true,
        sections: "[autoscaling]\nreplicas = { min = 2, max = 8 }\ncpu = 60",
    });
    sandbox.apply().await;
    // An autoscaler's number, a defaulted field, somebody's annotation: not ours, so no drift.
    let scaled =
        json!({ "spec": { "replicas": 5 }, "metadata": { "annotations": { "team": "nlp" } } });
    sandbox.edit(Kind::Deployment, NAME, &scaled).await;
    let none = sandbox.run(&["drift"]).await.expect(0);
    assert!(none.stdout.contains("no drift"), "{}", none.stdout);

    let grace =
        json!({ "spec": { "template": { "spec": { "terminationGracePeriodSeconds": 77 } } } });
    sandbox.edit(Kind::Deployment, NAME, &grace).await;
    sandbox
        .api(Kind::Service)
        .delete(NAME, &Default::default())
        .await
        .expect("it was applied");
    let drift = sandbox.run(&["drift", "--json"]).await.expect(2).json();
    let object = |kind: &str| {
        let objects = drift["objects"].as_array().into_iter().flatten();
        let mut matching = objects.filter(|object| object["kind"] == kind);
        matching
            .next()
            .unwrap_or_else(|| panic!("no {kind} in {drift:#}"))
    };
    assert_eq!(object("Service")["what"], "missing");
    let field = &object("Deployment")["fields"][0];
    assert_eq!(
        field["path"],
        ".spec.template.spec.terminationGracePeriodSeconds"
    );
    assert_eq!(field["found"], 77);
    assert_eq!(field["by"]["manager"], "kubectl-edit");
    assert_eq!(field["by"]["operation"], "Update");
    assert!(field["by"]["time"].is_string());
}
