//! Create, look again, change, prune, destroy.

use serde_json::json;
use uninlu::kinds::Kind;

use crate::sandbox::{NAME, Sandbox, StackText};

/// The objects of the `local` stack: Namespace, ServiceAccount, ConfigMap, Service, Deployment, PodDisruptionBudget.
const OBJECTS: usize = 6;

const WITHOUT_POLICY: StackText<'_> = StackText {
    top: "replicas = 2",
    creates_namespace: true,
    sections: "[network]\npolicy = false",
};

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn an_unchanged_stack_is_planned_in_thirteen_requests_and_applied_without_a_write() {
    let sandbox = Sandbox::new("unchanged").await;
    sandbox.write(WITHOUT_POLICY);
    sandbox.apply().await;

    let mark = sandbox.audit();
    let plan = sandbox
        .run(&["plan", "--json", "--detailed-exitcode"])
        .await
        .expect(0);
    let requests = mark.requests();
    assert_eq!(plan.json()["has_changes"], false, "{}", plan.stdout);
    assert_eq!(
        plan.json()["changes"].as_array().map(Vec::len),
        Some(OBJECTS)
    );
    // A list and a dry run each, and the list of autoscalers: one of somebody else would be in the way.
    assert!(
        requests.len() <= 2 * OBJECTS + 1,
        "{} requests: {requests:#?}",
        requests.len()
    );
    assert!(
        mark.writes().is_empty(),
        "a plan wrote: {:#?}",
        mark.writes()
    );

    let mark = sandbox.audit();
    sandbox.apply().await;
    assert!(
        !mark.requests().is_empty(),
        "the audit log does not show the tool at all"
    );
    assert!(
        mark.writes().is_empty(),
        "an apply without changes wrote: {:#?}",
        mark.writes()
    );
}

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn a_first_plan_creates_everything_and_writes_nothing() {
    let sandbox = Sandbox::new("first-plan").await;
    let mark = sandbox.audit();
    let plan = sandbox
        .run(&["plan", "--json", "--detailed-exitcode"])
        .await
        .expect(2);
    let changes = plan.json()["changes"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    assert!(
        changes.iter().all(|change| change["action"] == "create"),
        "{}",
        plan.stdout
    );
    assert!(
        mark.writes().is_empty(),
        "a plan wrote: {:#?}",
        mark.writes()
    );
    assert!(
        sandbox
            .get(Kind::Namespace, &sandbox.namespace)
            .await
            .is_none()
    );
}

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn a_changed_setting_is_shown_by_field_and_rolled_out() {
    let sandbox = Sandbox::new("changed").await;
    sandbox.apply().await;
    sandbox.write(StackText {
        sections: "[resources]\nmemory = { request = \"3Gi\", limit = \"3Gi\" }\n[server]\nmax-length = 77",
        ..StackText::default()
    });

    let deployment = sandbox.plan().await.change("Deployment");
    let field = ".spec.template.spec.containers[server].resources.limits.memory";
    let fields = deployment["fields"].as_array().cloned().unwrap_or_default();
    assert!(
        fields
            .iter()
            .any(|change| change["path"] == field && change["to"] == "3Gi"),
        "{deployment:#}"
    );
    assert_eq!(deployment["restarts_pods"], true);

    sandbox.apply().await;
    let live = sandbox.deployment().await;
    assert_eq!(
        live["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["memory"],
        "3Gi"
    );
    assert_eq!(
        live["status"]["updatedReplicas"], 2,
        "apply returned before the rollout was done"
    );
    let settings = sandbox
        .get(Kind::ConfigMap, &format!("{NAME}-settings"))
        .await
        .expect("the settings exist");
    assert!(
        settings["data"]["settings.toml"]
            .as_str()
            .is_some_and(|text| text.contains("max-length = 77"))
    );
}

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn what_left_the_stack_is_deleted_and_nothing_else_is() {
    let sandbox = Sandbox::new("prune").await;
    sandbox.apply().await;
    let bystander = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": {
        "name": "bystander", "labels": { "app.kubernetes.io/managed-by": "uninlu", "app.kubernetes.io/instance": NAME },
    } });
    sandbox
        .apply_as("somebody", Kind::ConfigMap, &bystander)
        .await;
    sandbox.write(StackText {
        top: "replicas = 1",
        ..WITHOUT_POLICY
    });

    let plan = sandbox.plan().await;
    assert_eq!(
        plan.change("PodDisruptionBudget")["action"],
        "delete",
        "one pod has no budget"
    );
    assert_eq!(plan.change("NetworkPolicy")["action"], "delete");
    sandbox.apply().await;
    assert!(sandbox.names(Kind::PodDisruptionBudget).await.is_empty());
    assert!(sandbox.names(Kind::NetworkPolicy).await.is_empty());
    assert!(
        sandbox.get(Kind::ConfigMap, "bystander").await.is_some(),
        "labels alone do not make an object ours"
    );
    assert_eq!(sandbox.plan().await.json()["has_changes"], false);
}

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn status_tells_objects_and_pods() {
    let sandbox = Sandbox::new("status").await;
    for arguments in [&["status"][..], &["status", "--json"]] {
        let before = sandbox.run(arguments).await.expect(4);
        assert!(!before.stdout.is_empty(), "{}", before.stderr);
    }
    sandbox.apply().await;
    let full = std::fs::File::options().write(true).open("/dev/full");
    let mut command = sandbox.command(&["status"]);
    command.stdout(full.expect("Linux"));
    let status = command.status().await.expect("it runs");
    assert_eq!(status.code(), Some(1));
    let status = sandbox.run(&["status", "--json"]).await.expect(0).json();
    let deployment = status["objects"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|object| object["kind"] == "Deployment");
    assert_eq!(
        deployment.map(|object| &object["progress"]["state"]),
        Some(&json!("ready")),
        "{status:#}"
    );
    let pods = status["pods"].as_array().cloned().unwrap_or_default();
    assert_eq!(pods.len(), 2, "{status:#}");
    assert!(
        pods.iter().all(|pod| pod["progress"]["state"] == "ready"),
        "{status:#}"
    );
}

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn destroy_leaves_nothing_and_then_has_nothing_to_do() {
    let sandbox = Sandbox::new("destroy").await;
    sandbox.apply().await;
    sandbox.run(&["destroy"]).await.expect(1);
    assert!(
        sandbox.get(Kind::Deployment, NAME).await.is_some(),
        "nobody confirmed"
    );
    sandbox.run(&["destroy", "--yes"]).await.expect(0);
    for kind in Kind::ALL.into_iter().filter(|kind| kind.is_namespaced()) {
        assert!(
            sandbox.names(kind).await.is_empty(),
            "{} is left",
            kind.name()
        );
    }
    assert!(
        sandbox
            .get(Kind::Namespace, &sandbox.namespace)
            .await
            .is_none(),
        "the namespace was the stack's"
    );

    let mark = sandbox.audit();
    let again = sandbox.run(&["destroy", "--yes"]).await.expect(0);
    assert!(
        again.stdout.contains("nothing to destroy"),
        "{}",
        again.stdout
    );
    assert!(mark.writes().is_empty());
}

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn destroy_keeps_a_namespace_that_others_use() {
    let sandbox = Sandbox::new("shared").await;
    sandbox.apply().await;
    let bystander =
        json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "bystander" } });
    sandbox
        .apply_as("somebody", Kind::ConfigMap, &bystander)
        .await;

    let run = sandbox.run(&["destroy", "--yes"]).await.expect(0);
    for told in [&run.stdout, &run.stderr] {
        assert!(told.contains("it holds ConfigMap bystander"), "{told}");
    }
    assert!(sandbox.get(Kind::Deployment, NAME).await.is_none());
    assert!(sandbox.get(Kind::ConfigMap, "bystander").await.is_some());

    let mark = sandbox.audit();
    let again = sandbox.run(&["destroy", "--yes"]).await.expect(0);
    assert!(
        again.stdout.contains("nothing to destroy"),
        "{}",
        again.stdout
    );
    assert!(
        again.stdout.contains("ConfigMap bystander"),
        "{}",
        again.stdout
    );
    assert!(mark.writes().is_empty(), "{:#?}", mark.writes());

    let gone = sandbox
        .api(Kind::ConfigMap)
        .delete("bystander", &Default::default())
        .await;
    gone.expect("it was there");
    sandbox.run(&["destroy", "--yes"]).await.expect(0);
    let namespace = sandbox.get(Kind::Namespace, &sandbox.namespace).await;
    assert!(namespace.is_none(), "nobody else lives there any more");
}

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn a_namespace_that_is_not_the_stacks_stays() {
    let sandbox = Sandbox::new("given-namespace").await;
    sandbox.write(StackText {
        creates_namespace: false,
        ..StackText::default()
    });
    let missing = sandbox.run(&["apply", "--yes"]).await.expect(1);
    assert!(
        missing.stderr.contains("does not exist"),
        "{}",
        missing.stderr
    );

    sandbox.create_namespace().await;
    sandbox.apply().await;
    sandbox.run(&["destroy", "--yes"]).await.expect(0);
    assert!(
        sandbox
            .get(Kind::Namespace, &sandbox.namespace)
            .await
            .is_some()
    );
    assert!(sandbox.names(Kind::Deployment).await.is_empty());
}
