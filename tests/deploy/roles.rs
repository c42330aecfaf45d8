//! The roles of `docs/rbac/`, exactly as they are written there.

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::ListParams;
use kube::config::Kubeconfig;
use serde_json::Value;
use uninlu::kinds::Kind;

use crate::sandbox::{NAME, Run, Sandbox, StackText, field_paths};
use crate::stacks::repository;
use crate::users::{grant, kubeconfig, run_with, token, with_token};

/// A user with these roles, in a namespace that is not the stack's.
async fn user(test: &str, roles: &[&str]) -> (Sandbox, Kubeconfig) {
    let sandbox = Sandbox::in_namespace(test).await;
    for role in roles {
        let text = std::fs::read_to_string(repository(&format!("docs/rbac/{role}.yaml")));
        let role_body: Value = serde_saphyr::from_str(&text.expect("readable")).expect("YAML");
        grant(&sandbox, role, &role_body["rules"]).await;
    }
    let token = token(&sandbox).await;
    (sandbox, with_token(kubeconfig(), &token))
}

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn who_may_only_look_can_plan_and_is_told_that_it_is_approximate() {
    let (sandbox, user) = user("role-plan", &["plan"]).await;
    sandbox.apply().await;
    let run = async |arguments: &[&str]| run_with(&sandbox, &user, arguments).await;

    let unchanged = run(&["plan", "--json"]).await.expect(0);
    assert_eq!(
        unchanged.json()["has_changes"],
        false,
        "{}",
        unchanged.stdout
    );
    for command in ["drift", "history", "status", "gate"] {
        run(&[command]).await.expect(0);
    }

    sandbox.write(StackText {
        creates_namespace: false,
        sections: "[resources]\nmemory = { request = \"3Gi\", limit = \"3Gi\" }",
        ..StackText::default()
    });
    let changed = run(&["plan", "--json"]).await.expect(0);
    let deployment = changed.change("Deployment");
    let paths = field_paths(&deployment);
    assert_eq!(
        paths,
        [
            ".spec.template.spec.containers[server].resources.limits.memory",
            ".spec.template.spec.containers[server].resources.requests.memory",
        ]
    );
    let approximate = deployment["approximate"].as_str().unwrap_or_default();
    assert!(approximate.contains("may not try"), "{deployment:#}");
    let unknown = changed.json()["pods"]["unknown"].to_string();
    assert!(unknown.contains("not allowed to look"), "{unknown}");

    let mark = sandbox.audit();
    refused(run(&["plan", "--out", "plan.json"]).await, "approximate");
    assert!(
        !sandbox.path("plan.json").exists(),
        "an approximate plan was saved"
    );
    refused(run(&["apply", "--yes"]).await, "not allowed");
    assert!(mark.writes().is_empty(), "{:#?}", mark.writes());
}

fn refused(run: Run, word: &str) {
    let run = run.expect(1);
    assert!(run.stderr.contains(word), "{}", run.stderr);
}

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn who_may_verify_may_ask_the_pods() {
    let scaled = StackText {
        creates_namespace: false,
        top: "",
        sections: "[autoscaling]\nreplicas = { min = 2, max = 3 }\nrequests-per-second = 5",
    };
    // Fake nodes answer nothing, so only the refusals tell who may ask.
    for (test, roles, may_ask) in [
        ("role-no-verify", &["plan"][..], false),
        ("role-verify", &["plan", "verify"], true),
    ] {
        let (sandbox, user) = user(test, roles).await;
        sandbox.write(scaled);
        sandbox
            .run(&["apply", "--yes", "--no-wait"])
            .await
            .expect(0);
        let pods: Api<Pod> = Api::namespaced(sandbox.client.clone(), &sandbox.namespace);
        sandbox
            .until("the pods are there", async || {
                let list = pods.list(&ListParams::default()).await;
                list.expect("the API server answers").items.len() == 2
            })
            .await;
        let run = run_with(&sandbox, &user, &["verify", "--json", "--wait", "0"]).await;
        let told = run.expect(1).json();
        let is_refused = |id: &str| {
            let mut checks = told["checks"].as_array().into_iter().flatten();
            let check = checks.find(|check| check["id"] == id).expect("a check");
            check["evidence"]
                .to_string()
                .contains("not allowed to look")
        };
        for id in ["user", "health", "logs"] {
            assert_eq!(is_refused(id), !may_ask, "{id} with {roles:?}: {told:#}");
        }
    }
}

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn who_may_apply_can_do_everything() {
    let (sandbox, user) = user("role-apply", &["plan", "apply"]).await;
    let run = async |arguments: &[&str]| run_with(&sandbox, &user, arguments).await;
    run(&["apply", "--yes"]).await.expect(0);
    sandbox.write(StackText {
        creates_namespace: false,
        top: "",
        sections: "[network]\npolicy = false\n[autoscaling]\nreplicas = { min = 2, max = 3 }\ncpu = 60",
    });
    let saved = run(&["plan", "--out", "plan.json"]).await.expect(0);
    assert!(!saved.stdout.contains("approximate"), "{}", saved.stdout);
    run(&["apply", "plan.json", "--yes"]).await.expect(0);
    assert!(
        sandbox
            .get(Kind::HorizontalPodAutoscaler, NAME)
            .await
            .is_some()
    );
    run(&["rollback", "1", "--yes"]).await.expect(0);
    for command in ["status", "history", "drift"] {
        run(&[command]).await.expect(0);
    }
    run(&["destroy", "--yes"]).await.expect(0);
    for kind in Kind::ALL.into_iter().filter(|kind| kind.is_namespaced()) {
        assert!(
            sandbox.names(kind).await.is_empty(),
            "{} is left",
            kind.name()
        );
    }
}
