//! Saved plans: carried out exactly, or not at all.

use std::os::unix::fs::PermissionsExt;

use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};
use uninlu::kinds::Kind;

use crate::sandbox::{NAME, Run, Sandbox, StackText, says};

const CHANGED: StackText<'_> = StackText {
    top: "replicas = 2",
    creates_namespace: true,
    sections: "[resources]\nmemory = { request = \"3Gi\", limit = \"3Gi\" }",
};

/// A stack that is applied, and a saved plan of a change to it.
async fn planned(test: &str) -> Sandbox {
    let sandbox = Sandbox::new(test).await;
    sandbox.apply().await;
    sandbox.write(CHANGED);
    sandbox.run(&["plan", "--out", "plan.json"]).await.expect(0);
    sandbox
}

/// The plan is refused, with the words, before anything but the lock was written.
async fn refused(sandbox: &Sandbox, words: &[&str]) {
    let mark = sandbox.audit();
    let run = sandbox
        .run(&["apply", "plan.json", "--yes"])
        .await
        .expect(1);
    says(&run.stderr, words);
    let writes = mark.writes();
    let is_lock = |uri: &str| uri.contains("/leases");
    assert!(
        writes.iter().all(|write| is_lock(&write.uri)),
        "{writes:#?}"
    );
}

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn a_saved_plan_is_applied_without_its_stack_file() {
    let sandbox = planned("plan-file").await;
    let file = sandbox.path("plan.json");
    let mode = std::fs::metadata(&file)
        .expect("it was written")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    sandbox.write_verbatim("this is no stack file any more");
    sandbox
        .run(&["apply", "plan.json", "--yes"])
        .await
        .expect(0);
    let live = sandbox.deployment().await;
    assert_eq!(
        live["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["memory"],
        "3Gi"
    );
    refused(
        &sandbox,
        &["the cluster changed", "changed to what was planned"],
    )
    .await;
}

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn a_first_plan_can_be_saved_too() {
    let sandbox = Sandbox::new("plan-first").await;
    sandbox.run(&["plan", "--out", "plan.json"]).await.expect(0);
    sandbox
        .run(&["apply", "plan.json", "--yes"])
        .await
        .expect(0);
    assert_eq!(sandbox.plan().await.json()["has_changes"], false);
}

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn a_field_that_somebody_changed_since_refuses_the_plan() {
    let sandbox = planned("plan-moved").await;
    let patch =
        json!({ "spec": { "template": { "spec": { "terminationGracePeriodSeconds": 77 } } } });
    sandbox.edit(Kind::Deployment, NAME, &patch).await;
    let words = ["terminationGracePeriodSeconds", "77", "kubectl-edit"];
    refused(&sandbox, &words).await;
}

/// Same name, same labels, same fields: and still another object.
#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn an_object_that_was_made_again_since_refuses_the_plan() {
    let sandbox = planned("plan-uid").await;
    let mut service = sandbox.get(Kind::Service, NAME).await.expect("a Service");
    let labels = service["metadata"]["labels"].take();
    service["metadata"] = json!({ "name": NAME, "labels": labels });
    if let Some(spec) = service["spec"].as_object_mut() {
        spec.remove("clusterIP");
        spec.remove("clusterIPs");
    }
    service["status"].take();
    sandbox
        .api(Kind::Service)
        .delete(NAME, &DeleteParams::default())
        .await
        .expect("it was applied");
    sandbox.apply_as("uninlu", Kind::Service, &service).await;
    refused(&sandbox, &["Service", "deleted and recreated", "uid"]).await;
}

/// Status moves all the time, and an autoscaler scales: neither is the plan's ground.
#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn an_autoscaler_that_scaled_since_does_not_refuse_the_plan() {
    const AUTOSCALED: StackText<'_> = StackText {
        top: "",
        creates_namespace: true,
        sections: "[autoscaling]\nreplicas = { min = 2, max = 8 }\ncpu = 60",
    };
    let sandbox = Sandbox::new("plan-scaled").await;
    sandbox.write(AUTOSCALED);
    sandbox.apply().await;
    sandbox.write(StackText {
        sections: "[autoscaling]\nreplicas = { min = 2, max = 8 }\ncpu = 60\n[server]\nmax-length = 99",
        ..AUTOSCALED
    });
    sandbox.run(&["plan", "--out", "plan.json"]).await.expect(0);
    let scaled: Value = json!({ "spec": { "replicas": 5 } });
    let parameters = PatchParams {
        field_manager: Some("kube-controller-manager".into()),
        ..Default::default()
    };
    sandbox
        .api(Kind::Deployment)
        .patch_scale(NAME, &parameters, &Patch::Merge(&scaled))
        .await
        .expect("the patch is valid");
    sandbox
        .run(&["apply", "plan.json", "--yes"])
        .await
        .expect(0);
    assert_eq!(sandbox.deployment().await["spec"]["replicas"], 5);
}

/// As on a full disk: the write fails in the middle. Nothing half-written stays, and what was there does.
#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn a_plan_that_does_not_fit_leaves_the_earlier_one() {
    let sandbox = planned("no-room").await;
    let earlier = std::fs::read(sandbox.path("plan.json")).expect("the plan");
    assert!(earlier.len() > 1024, "it would fit");
    let limited = "trap '' XFSZ; ulimit -f 1; exec \"$0\" \"$@\"";
    let output = sandbox
        .command_of(
            "bash",
            &[
                "-c",
                limited,
                env!("CARGO_BIN_EXE_uninlu"),
                "plan",
                "--out",
                "plan.json",
            ],
        )
        .output()
        .await;
    let run = Run::from(output.expect("bash starts")).expect(1);
    for words in ["cannot write the plan to plan.json", "Is there room"] {
        assert!(run.stderr.contains(words), "no `{words}` in {}", run.stderr);
    }
    assert_eq!(
        std::fs::read(sandbox.path("plan.json")).expect("the plan"),
        earlier
    );
    let mut files: Vec<_> = std::fs::read_dir(sandbox.path("."))
        .expect("a folder")
        .map(|entry| entry.expect("readable").file_name())
        .collect();
    files.sort();
    assert_eq!(files, ["plan.json", "uninlu.toml"]);
}

/// Whatever names a Secret's value never reaches a plan, a record or an output: stacks only name Secrets.
#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn no_secrets_value_is_in_a_plan_a_record_or_an_output() {
    const CANARY: &str = "canary-5f0c2d";
    let sandbox = Sandbox::new("plan-secret").await;
    sandbox.create_namespace().await;
    sandbox.write(StackText {
        creates_namespace: false,
        sections: "[access]\napi-key = { secret = \"keys\", key = \"uninlu\" }",
        ..StackText::default()
    });
    let secrets: kube::Api<k8s_openapi::api::core::v1::Secret> =
        kube::Api::namespaced(sandbox.client.clone(), &sandbox.namespace);
    let secret = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "keys" },
        "stringData": { "uninlu": CANARY } });
    secrets
        .patch("keys", &PatchParams::apply("admin"), &Patch::Apply(secret))
        .await
        .expect("a secret");
    let mut told = String::new();
    for arguments in [
        &["plan", "--out", "plan.json"][..],
        &["plan", "--json"],
        &["plan", "--markdown"],
        &["apply", "--yes"],
        &["history", "--json"],
        &["history", "1", "--json"],
        &["drift", "--json"],
        &["status", "--json"],
    ] {
        let run = sandbox.run(arguments).await.expect(0);
        told = told + &run.stdout + &run.stderr;
    }
    told += &std::fs::read_to_string(sandbox.path("plan.json")).expect("a plan");
    let revisions: kube::Api<k8s_openapi::api::apps::v1::ControllerRevision> =
        kube::Api::namespaced(sandbox.client.clone(), &sandbox.namespace);
    let records = revisions.list(&Default::default()).await.expect("records");
    assert_eq!(records.items.len(), 1);
    told += &serde_json::to_string(&records.items).expect("JSON");
    assert!(told.contains("keys"), "the Secret's name is no secret");
    let encoded = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, CANARY);
    assert!(!told.contains(CANARY) && !told.contains(&encoded));
}
