//! Every rendered variant, as the API server takes it under the strictest PodSecurity level.

use http::{Request, StatusCode};
use kube::api::{Patch, PatchParams, PostParams};
use kube::client::Body;
use serde_json::{Value, json};
use uninlu::gate::{self, Facts, Subject};
use uninlu::kinds::{Kind, MANAGER, ObjectId};
use uninlu::plan::{Goal, PlannedImage};
use uninlu::stack::{self, Stack};

use crate::sandbox::Sandbox;
use crate::stacks::{IMAGE, desired, repository, variants};

/// Each object by a dry run, and the Deployment's pod too: a Deployment is only warned about, its pods are refused.
#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn every_variant_is_taken_without_a_warning_or_the_gate_warned_before() {
    let sandbox = Sandbox::new("accepted").await;
    sandbox.create_restricted_namespace().await;
    for mut stack in every_stack() {
        stack.namespace.clone_from(&sandbox.namespace);
        let told = format!("{} {:?}", stack.source.file.display(), stack.environment);
        let mut warnings = Vec::new();
        let mut pod = None;
        for (id, body) in desired(&stack) {
            let (status, warned) = sandbox.dry_run(&id, &body).await;
            assert!(status.is_success(), "{told}: {id}: {status}: {body:#}");
            warnings.extend(warned);
            if id.kind == Kind::Deployment {
                pod = Some(sandbox.dry_run_pod(&body["spec"]["template"]).await);
            }
        }
        let is_told_by_gate = is_told_by_gate(&stack);
        let pod = pod.expect("every stack has a Deployment");
        if is_told_by_gate {
            assert_eq!(pod, StatusCode::FORBIDDEN, "{told}");
            assert!(
                matches!(&warnings[..], [one] if one.contains("hostPath")),
                "{told}: {warnings:#?}"
            );
        } else {
            assert_eq!(pod, StatusCode::CREATED, "{told}");
            assert!(warnings.is_empty(), "{told}: {warnings:#?}");
        }
    }
}

/// What the gate says of the stack in a namespace of the strictest level.
fn is_told_by_gate(stack: &Stack) -> bool {
    let image = PlannedImage {
        reference: IMAGE.into(),
        to_be_built: None,
    };
    let goal = Goal::of_stack(stack, image, None);
    let mut facts = Facts::unasked("not here");
    let level = (
        "pod-security.kubernetes.io/enforce".into(),
        "restricted".into(),
    );
    facts.cluster.namespace_labels = Ok([level].into());
    let verdicts = gate::check(&Subject::offline(stack, &goal, &facts, gate::today()));
    let mut findings = verdicts.findings.iter();
    findings.any(|finding| finding.rule == "pod-security")
}

fn every_stack() -> Vec<Stack> {
    let folders = std::fs::read_dir(repository("stacks")).expect("the stacks' folder");
    folders
        .flat_map(|folder| stack::load_every(&folder.expect("a folder").path()).expect("valid"))
        .chain(variants())
        .collect()
}

impl Sandbox {
    /// The namespace at level `restricted`, with the account under which the stacks' pods run.
    async fn create_restricted_namespace(&self) {
        let labels = ["enforce", "warn"]
            .map(|mode| (format!("pod-security.kubernetes.io/{mode}"), "restricted"));
        let namespace = json!({ "apiVersion": "v1", "kind": "Namespace",
            "metadata": { "name": self.namespace, "labels": labels.into_iter().collect::<std::collections::BTreeMap<_, _>>() } });
        self.apply_as("admin", Kind::Namespace, &namespace).await;
        let account = json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "siamese-uninlu" } });
        self.apply_as("admin", Kind::ServiceAccount, &account).await;
    }

    /// What the API server answers to the apply that writes nothing: its status, and what it warns of.
    async fn dry_run(&self, id: &ObjectId, body: &Value) -> (StatusCode, Vec<String>) {
        let api = self.api(id.kind);
        let parameters = PatchParams::apply(MANAGER).force().dry_run();
        let request = kube::core::Request::new(api.resource_url())
            .patch(&id.name, &parameters, &Patch::Apply(body))
            .expect("a request");
        self.answer(request).await
    }

    async fn dry_run_pod(&self, template: &Value) -> StatusCode {
        let pod = json!({ "apiVersion": "v1", "kind": "Pod",
            "metadata": { "name": "pod", "labels": template["metadata"]["labels"] }, "spec": template["spec"] });
        let parameters = PostParams {
            dry_run: true,
            ..Default::default()
        };
        let request =
            kube::core::Request::new(format!("/api/v1/namespaces/{}/pods", self.namespace))
                .create(&parameters, pod.to_string().into_bytes())
                .expect("a request");
        self.answer(request).await.0
    }

    async fn answer(&self, request: Request<Vec<u8>>) -> (StatusCode, Vec<String>) {
        let answer = self.client.send(request.map(Body::from)).await;
        let answer = answer.expect("the API server answers");
        let warnings = answer.headers().get_all("warning").iter();
        let words =
            |warning: &http::HeaderValue| String::from_utf8_lossy(warning.as_bytes()).into();
        (answer.status(), warnings.map(words).collect())
    }
}
