//! What the tool relies on and no documentation promises: the API server's own behaviour, asked directly. When one of
//! these fails on a new Kubernetes, the named room of the tool has to be looked at before anything else.

use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams, Preconditions};
use kube::core::Status;
use serde_json::{Value, json};
use uninlu::kinds::Kind;

use crate::sandbox::Sandbox;

const MANAGER: &str = "trap";

async fn sandbox(test: &str) -> Sandbox {
    let sandbox = Sandbox::new(test).await;
    sandbox.create_namespace().await;
    sandbox
}

/// A server-side apply; `force` and `dry_run` as the parameters of that name.
async fn apply(
    sandbox: &Sandbox,
    kind: Kind,
    body: &Value,
    (manager, force, dry_run): (&str, bool, bool),
) -> Result<Value, Status> {
    let parameters = PatchParams {
        force,
        dry_run,
        field_manager: Some(manager.into()),
        ..Default::default()
    };
    let name = body["metadata"]["name"].as_str().expect("a name");
    let answer: Result<DynamicObject, kube::Error> = sandbox
        .api(kind)
        .patch(name, &parameters, &Patch::Apply(body))
        .await;
    match answer {
        Ok(object) => Ok(serde_json::to_value(object).expect("JSON")),
        Err(kube::Error::Api(status)) => Err(*status),
        Err(error) => panic!("the API server answers: {error}"),
    }
}

const PLAIN: (&str, bool, bool) = (MANAGER, false, false);

fn map(name: &str, value: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name }, "data": { "key": value } })
}

fn causes(status: &Status) -> Vec<(String, String)> {
    let details = status
        .details
        .as_ref()
        .map(|details| details.causes.clone());
    let causes = details.unwrap_or_default().into_iter();
    causes.map(|cause| (cause.reason, cause.field)).collect()
}

/// `cluster/apply.rs`: to send the same body twice does no harm.
#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn an_apply_that_changes_nothing_moves_no_version() {
    let sandbox = sandbox("trap-same").await;
    let first = apply(&sandbox, Kind::ConfigMap, &map("a", "1"), PLAIN)
        .await
        .expect("made");
    let second = apply(&sandbox, Kind::ConfigMap, &map("a", "1"), PLAIN)
        .await
        .expect("the same");
    assert_eq!(
        first["metadata"]["resourceVersion"],
        second["metadata"]["resourceVersion"]
    );
}

/// `plan.body`: the uid guards, the version would refuse mere status writes and make what is gone.
#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn versions_and_uids_as_preconditions() {
    let sandbox = sandbox("trap-preconditions").await;
    let live = apply(&sandbox, Kind::ConfigMap, &map("a", "1"), PLAIN)
        .await
        .expect("made");
    let moved = apply(&sandbox, Kind::ConfigMap, &map("a", "2"), PLAIN)
        .await
        .expect("changed");
    let (stale, uid) = (
        &live["metadata"]["resourceVersion"],
        &live["metadata"]["uid"],
    );
    assert_ne!(stale, &moved["metadata"]["resourceVersion"]);

    let mut with_version = map("a", "3");
    with_version["metadata"]["resourceVersion"] = stale.clone();
    for (force, dry_run) in [(false, false), (true, false), (true, true)] {
        let status = apply(
            &sandbox,
            Kind::ConfigMap,
            &with_version,
            (MANAGER, force, dry_run),
        )
        .await
        .expect_err("stale");
        assert_eq!(
            (status.code, causes(&status)),
            (409, Vec::new()),
            "{status:?}"
        );
    }

    let mut other_uid = map("a", "3");
    other_uid["metadata"]["uid"] = json!("11111111-1111-1111-1111-111111111111");
    let status = apply(&sandbox, Kind::ConfigMap, &other_uid, PLAIN)
        .await
        .expect_err("another object");
    // Not a field to replace an object for: `observe::is_immutable` leaves out causes in metadata.
    assert_eq!(status.code, 422, "{status:?}");
    let about: Vec<String> = causes(&status)
        .into_iter()
        .map(|(_, field)| field)
        .collect();
    assert!(
        about.iter().all(|field| field == "metadata.uid"),
        "{about:?}"
    );

    let mut gone = map("gone", "1");
    gone["metadata"]["uid"] = uid.clone();
    let status = apply(&sandbox, Kind::ConfigMap, &gone, PLAIN)
        .await
        .expect_err("it is not there");
    assert_eq!(status.code, 409, "{status:?}");
    gone["metadata"] = json!({ "name": "gone", "resourceVersion": stale });
    let made = apply(&sandbox, Kind::ConfigMap, &gone, PLAIN).await;
    assert!(
        made.is_ok(),
        "a version alone does not keep it from being made: {made:?}"
    );
}

/// `cluster/observe.rs` reads conflicts from the causes.
#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn a_conflict_names_field_and_manager() {
    let sandbox = sandbox("trap-conflict").await;
    apply(
        &sandbox,
        Kind::ConfigMap,
        &map("a", "1"),
        ("other", false, false),
    )
    .await
    .expect("made");
    let status = apply(&sandbox, Kind::ConfigMap, &map("a", "2"), PLAIN)
        .await
        .expect_err("owned");
    assert_eq!(status.code, 409);
    assert_eq!(
        causes(&status),
        [("FieldManagerConflict".into(), ".data.key".into())]
    );
    assert!(
        status
            .details
            .is_some_and(|details| details.causes[0].message == r#"conflict with "other""#)
    );
}

fn deployment(app: &str) -> Value {
    json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "a" }, "spec": {
        "replicas": 0,
        "selector": { "matchLabels": { "app": app } },
        "template": { "metadata": { "labels": { "app": app } },
            "spec": { "containers": [{ "name": "a", "image": "registry.test/a" }] } } } })
}

/// `cluster/observe.rs`: 422 with causes outside of metadata means replace; 500 is an error of the input.
#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn immutable_and_unknown_fields() {
    let sandbox = sandbox("trap-immutable").await;
    apply(&sandbox, Kind::Deployment, &deployment("one"), PLAIN)
        .await
        .expect("made");
    let status = apply(&sandbox, Kind::Deployment, &deployment("two"), PLAIN)
        .await
        .expect_err("immutable");
    assert_eq!(
        (status.code, causes(&status)),
        (
            422,
            vec![("FieldValueInvalid".into(), "spec.selector".into())]
        )
    );

    let mut unknown = deployment("one");
    unknown["spec"]["replicaz"] = json!(1);
    let status = apply(&sandbox, Kind::Deployment, &unknown, PLAIN)
        .await
        .expect_err("unknown");
    assert_eq!(status.code, 500);
    assert!(
        status.message.contains("field not declared in schema"),
        "{}",
        status.message
    );
}

/// `plan::refuse_foreign` tells a prediction of what exists from one of what would be made by the version.
#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn a_dry_run_invents_a_uid_and_no_version() {
    let sandbox = sandbox("trap-dry-run").await;
    let predicted = apply(
        &sandbox,
        Kind::ConfigMap,
        &map("a", "1"),
        (MANAGER, false, true),
    )
    .await
    .expect("possible");
    assert!(predicted["metadata"]["uid"].is_string());
    assert!(predicted["metadata"]["resourceVersion"].is_null());
    assert!(
        sandbox.get(Kind::ConfigMap, "a").await.is_none(),
        "a dry run made it"
    );
}

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn nothing_can_be_tried_in_a_namespace_that_is_not_there() {
    let sandbox = Sandbox::new("trap-no-namespace").await;
    for dry_run in [true, false] {
        let status = apply(
            &sandbox,
            Kind::ConfigMap,
            &map("a", "1"),
            (MANAGER, false, dry_run),
        )
        .await
        .expect_err("nowhere");
        let kind = status.details.map(|details| details.kind);
        assert_eq!((status.code, kind.as_deref()), (404, Some("namespaces")));
    }
}

/// `cluster/apply.rs`: another object of the same name is never deleted.
#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn a_deletion_of_another_uid_is_refused() {
    let sandbox = sandbox("trap-delete").await;
    apply(&sandbox, Kind::ConfigMap, &map("a", "1"), PLAIN)
        .await
        .expect("made");
    for dry_run in [true, false] {
        let parameters = DeleteParams {
            dry_run,
            preconditions: Some(Preconditions {
                uid: Some("11111111-1111-1111-1111-111111111111".into()),
                resource_version: None,
            }),
            ..Default::default()
        };
        let answer = sandbox.api(Kind::ConfigMap).delete("a", &parameters).await;
        assert!(matches!(answer, Err(kube::Error::Api(status)) if status.code == 409));
    }
    assert!(sandbox.get(Kind::ConfigMap, "a").await.is_some());
}
