//! A namespace's objects come back as a stack file.

use kube::api::PostParams;
use serde_json::{Value, json};
use uninlu::kinds::Kind;

use crate::sandbox::{CONTEXT, NAME, Sandbox, StackText};

fn import(namespace: &str) -> [&str; 6] {
    [
        "import",
        "live",
        "--context",
        CONTEXT,
        "--namespace",
        namespace,
    ]
}

/// Reads the namespace, and writes the stack file that comes of it in place of the old one.
async fn import_live(sandbox: &Sandbox) -> Value {
    let out = ["--out", "uninlu.toml", "--force", "--json"];
    let arguments = import(&sandbox.namespace);
    let run = sandbox
        .run(&[&arguments[..], &out[..]].concat())
        .await
        .expect(0);
    run.json()
}

/// What the tutorial's stack says, for pods that the test cluster can run.
const TUTORIAL: &str = r#"
[labels]
team = "language"
[server]
max-length = 512
[resources]
cpu = { request = "500m", limit = "1500m" }
memory = { request = "2Gi", limit = "4Gi" }
[service]
port = 80
annotations = { "example.com/owner" = "nlu" }
[probes]
startup = { period = "4s", budget = "91s" }
liveness = { period = "30s", timeout = "5s" }
readiness = { period = "15s", timeout = "3s" }
[rollout]
drain = "15s"
"#;

const AUTOSCALED: &str = r#"
[autoscaling]
replicas = { min = 2, max = 8 }
cpu = 60
requests-per-second = 20
behavior = { scale-down = { stabilization = "10m" } }
[disruption]
min-available = 1
"#;

/// The one thing that a stack owes who lost its file: with the imported one nothing changes.
#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn what_was_applied_comes_back_as_a_stack_that_changes_nothing() {
    let autoscaled = format!("{TUTORIAL}{AUTOSCALED}[network]\nfrom-namespaces = [\"web\"]\n");
    let fixed = format!("{TUTORIAL}[network]\npolicy = false\n");
    let cases = [
        ("import-fixed", "replicas = 3", fixed),
        ("import-autoscaled", "", autoscaled),
    ];
    for (namespace, top, sections) in &cases {
        let sandbox = Sandbox::new(namespace).await;
        sandbox.write(StackText {
            top,
            sections,
            ..StackText::default()
        });
        sandbox.apply().await;
        let mark = sandbox.audit();
        let report = import_live(&sandbox).await;
        assert!(
            mark.writes().is_empty(),
            "an import wrote: {:#?}",
            mark.writes()
        );
        for none in ["to_set", "not_taken", "fixed"] {
            assert_eq!(report[none], json!([]), "{none} of {namespace}");
        }
        // The stack's own model folder is on the node; no other rule objects to what uninlu made.
        let rules: Vec<&Value> = report["findings"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|it| &it["rule"])
            .collect();
        assert_eq!(rules, ["host-path"], "{:#}", report["findings"]);
        assert_eq!(
            report["first_apply"][0]["action"], "keep",
            "{:#}",
            report["first_apply"]
        );
        let plan = sandbox.plan().await.json();
        assert_eq!(
            plan["has_changes"], false,
            "{namespace}: {plan:#}\n{}",
            report["stack_file"]
        );
    }
}

/// What kubectl makes of a usual Deployment: adopted, and said beforehand what the first apply does to it.
#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn of_what_kubectl_made_the_report_tells_what_the_first_apply_does() {
    let sandbox = Sandbox::in_namespace("import-kubectl").await;
    made_by_kubectl(&sandbox).await;
    let report = import_live(&sandbox).await;
    let findings = report["findings"].as_array().expect("a list");
    let found = |rule: &str| findings.iter().find(|finding| finding["rule"] == rule);
    for rule in [
        "replicas-contended",
        "startup-probe",
        "disruption-budget",
        "writable-root",
    ] {
        let finding = found(rule).unwrap_or_else(|| panic!("no {rule} in {findings:#?}"));
        assert_eq!(
            finding["places"],
            json!([]),
            "a live object is written nowhere"
        );
        assert!(finding["object"].is_string(), "{finding:#}");
    }
    let deployment = &report["first_apply"]
        .as_array()
        .expect("a list")
        .iter()
        .find(|effect| effect["object"] == "Deployment nlu")
        .expect("the Deployment")
        .clone();
    assert_eq!(deployment["action"], "replace", "{deployment:#}");

    sandbox.run(&["validate"]).await.expect(0);
    // It proposes to build the server, and no registry is here.
    let text = report["stack_file"].as_str().expect("text");
    let built = format!(
        "reference = \"registry.test/nlu@sha256:{}\"",
        "1".repeat(64)
    );
    assert!(
        text.contains("repository = \"registry.test/nlu\""),
        "{text}"
    );
    sandbox.write_verbatim(&text.replace("repository = \"registry.test/nlu\"", &built));
    sandbox.run(&["adopt", "--yes"]).await.expect(0);
    let plan = sandbox.plan().await;
    assert_eq!(
        plan.change("Deployment")["action"],
        "replace",
        "as the report said"
    );
    assert_eq!(plan.change("HorizontalPodAutoscaler")["action"], "update");
    let scaled = &sandbox
        .get(Kind::HorizontalPodAutoscaler, NAME)
        .await
        .expect("it is there")["spec"];
    assert!(
        text.contains("replicas = { min = 2, max = 5 }"),
        "{scaled:#}\n{text}"
    );
}

/// With the stack's own labels, all but the pods stays, and which of their fields change is said.
#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn objects_of_another_tool_that_a_stack_can_express_restart_nothing() {
    let sandbox = Sandbox::in_namespace("import-helm").await;
    sandbox.write(StackText {
        sections: TUTORIAL,
        creates_namespace: false,
        ..StackText::default()
    });
    let rendered = sandbox.run(&["render"]).await.expect(0).stdout;
    let objects: Vec<Value> = serde_saphyr::from_multiple(&rendered).expect("YAML");
    for object in objects {
        create(&sandbox, object, "helm").await;
    }
    let report = import_live(&sandbox).await;
    assert_eq!(
        report["first_apply"][0]["action"], "keep",
        "{:#}",
        report["first_apply"]
    );
    sandbox.run(&["adopt", "--yes"]).await.expect(0);
    let plan = sandbox.plan().await;
    assert_eq!(
        plan.change("Deployment")["restarts_pods"],
        false,
        "{:#}",
        plan.change("Deployment")
    );
}

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn a_namespace_without_a_deployment_is_told() {
    let sandbox = Sandbox::in_namespace("import-empty").await;
    let arguments = import(&sandbox.namespace);
    let run = sandbox.run(&arguments).await.expect(1);
    assert!(
        run.stderr.contains("no Deployment is in it"),
        "{}",
        run.stderr
    );
    let named = [&arguments[..], &["--name", "other"]].concat();
    let run = sandbox.run(&named).await.expect(1);
    assert!(run.stderr.contains("no Deployment"), "{}", run.stderr);
}

async fn create(sandbox: &Sandbox, object: Value, manager: &str) {
    let kind = Kind::by_name(object["kind"].as_str().expect("a kind")).expect("ours");
    let parameters = PostParams {
        field_manager: Some(manager.to_owned()),
        ..Default::default()
    };
    let object = serde_json::from_value(object).expect("an object");
    sandbox
        .api(kind)
        .create(&parameters, &object)
        .await
        .expect("it is valid");
}

async fn made_by_kubectl(sandbox: &Sandbox) {
    let labels = json!({ "app": "nlu" });
    let probe =
        json!({ "httpGet": { "path": "/health", "port": 7860 }, "initialDelaySeconds": 60 });
    let objects = [
        json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": NAME }, "spec": {
            "replicas": 2,
            "selector": { "matchLabels": labels },
            "template": { "metadata": { "labels": labels }, "spec": { "containers": [{
                "name": "app", "image": "registry.test/nlu:1", "livenessProbe": probe, "readinessProbe": probe,
                "ports": [{ "name": "http", "containerPort": 7860 }],
                "resources": { "requests": { "cpu": "100m" } },
            }] } },
        } }),
        json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": NAME }, "spec": {
            "selector": labels, "ports": [{ "name": "http", "port": 80, "targetPort": "http" }] } }),
        json!({ "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": { "name": NAME }, "spec": {
            "minAvailable": 2, "selector": { "matchLabels": labels } } }),
        json!({ "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": { "name": NAME }, "spec": {
            "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": NAME },
            "minReplicas": 2, "maxReplicas": 5,
            "metrics": [{ "type": "Pods", "pods": { "metric": { "name": "http_requests_total" },
                "target": { "type": "AverageValue", "averageValue": "20" } } }] } }),
    ];
    for object in objects {
        create(sandbox, object, "kubectl-create").await;
    }
}
