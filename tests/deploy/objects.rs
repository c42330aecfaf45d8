//! Everything that a stack file can ask for, as a real API server sees it in a namespace of the level `restricted`.

use http::header::WARNING;
use kube::api::{DynamicObject, Patch, PatchParams};
use kube::client::Body;
use kube::core::Request;
use kube::{Api, Client};
use serde_json::{Value, json};
use uninlu::kinds::{self, Facts, Kind, ObjectId};
use uninlu::stack::{self, Stack};

use crate::sandbox::Sandbox;

/// Sections that say how else the pods may get the model, be reached, be scaled.
const VARIANTS: [&str; 4] = [
    "[model]\nsource = { pvc = \"nlu-models\", path = \"uninlu\" }",
    "[model]\nsource = { image = \"model\" }\n[network]\nfrom-namespaces = [\"gateway\"]",
    "[model]\nsource = { pvc = \"nlu-models\" }\n[service]\ntype = \"NodePort\"\n[network]\npolicy = false",
    "[model]\nsource = { pvc = \"nlu-models\" }\n[disruption]\nmin-available = \"50%\"\n[autoscaling]\nreplicas = { min = 3, max = 9 }\ncpu = 60\nrequests-per-second = 20\n[autoscaling.behavior]\nscale-up = { stabilization = \"0s\", select = \"max\", policies = [{ pods = 2, period = \"60s\" }] }\nscale-down = { stabilization = \"5m\", policies = [{ percent = 50, period = \"2m\" }] }",
];
const HOST_PATH: &str = "[model]\nsource = { host-path = \"/srv/model\" }";

async fn restricted(test: &str) -> Sandbox {
    let sandbox = Sandbox::new(test).await;
    sandbox.create_namespace().await;
    let labels = json!({ "metadata": { "labels": {
        "pod-security.kubernetes.io/enforce": "restricted",
        "pod-security.kubernetes.io/warn": "restricted",
    } } });
    sandbox
        .edit(Kind::Namespace, &sandbox.namespace, &labels)
        .await;
    sandbox
}

fn stack_of(namespace: &str, sections: &str) -> Stack {
    let digest = "0".repeat(64);
    let replicas = if sections.contains("[autoscaling]") {
        ""
    } else {
        "replicas = 2"
    };
    let text = format!(
        "name = \"nlu\"\nnamespace = \"{namespace}\"\n{replicas}\n[cluster]\ncontext = \"uninlu-test\"\n\
         [image]\nreference = \"registry.test/siamese-uninlu@sha256:{digest}\"\n{sections}\n"
    );
    stack::parse(&text, "uninlu.toml".as_ref(), None).expect("a valid stack")
}

/// What the API server warns of when it is asked to apply the object, without doing it.
async fn warnings(client: &Client, id: &ObjectId, body: &Value) -> Vec<String> {
    let namespace = body["metadata"]["namespace"]
        .as_str()
        .expect("every object here lives in a namespace");
    let resource = id.kind.api_resource();
    let path = Api::<DynamicObject>::namespaced_with(client.clone(), namespace, &resource)
        .resource_url()
        .to_owned();
    let parameters = PatchParams::apply("uninlu").dry_run();
    let request = Request::new(path)
        .patch(&id.name, &parameters, &Patch::Apply(body))
        .expect("a request");
    let response = client
        .send(request.map(Body::from))
        .await
        .expect("the API server answers");
    let status = response.status();
    assert!(status.is_success(), "{status}: {body:#}");
    response
        .headers()
        .get_all(WARNING)
        .iter()
        .map(|warning| warning.to_str().expect("text").to_owned())
        .collect()
}

async fn all_warnings(sandbox: &Sandbox, sections: &str) -> Vec<String> {
    let stack = stack_of(&sandbox.namespace, sections);
    let image = "registry.test/siamese-uninlu@sha256:0".into();
    let mut all = Vec::new();
    for (id, body) in &kinds::desired(&stack, &Facts { image }) {
        all.extend(warnings(&sandbox.client, id, body).await);
    }
    all
}

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn every_variant_is_accepted_where_pods_are_restricted() {
    let sandbox = restricted("variants").await;
    for sections in VARIANTS {
        let warnings = all_warnings(&sandbox, sections).await;
        assert!(warnings.is_empty(), "{sections}: {warnings:?}");
    }
}

/// The one exception; the gate tells it before anything is applied.
#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn a_folder_of_the_node_is_refused_there_and_the_gate_says_so() {
    let sandbox = restricted("host-path").await;
    let warnings = all_warnings(&sandbox, HOST_PATH).await;
    assert!(
        warnings.iter().any(|warning| warning.contains("hostPath")),
        "{warnings:?}"
    );
    let stack = stack_of(&sandbox.namespace, HOST_PATH);
    let findings = uninlu::gate::check(&stack, uninlu::gate::today());
    assert!(
        findings.iter().any(|finding| finding.rule == "host-path"),
        "{findings:?}"
    );
}
