//! What else is in the namespace: it is never harmed, and what is in the way or on its way out is named.

use kube::Api;
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::{Value, json};
use uninlu::kinds::Kind;

use crate::proxy::{Fault, Proxy, Rule};
use crate::sandbox::{CONTEXT, NAME, Run, Sandbox, StackText, says};

/// The API of a kind that no stack is made of.
fn api(sandbox: &Sandbox, version: &str, kind: &str, plural: &str) -> Api<DynamicObject> {
    let (group, version) = version.split_once('/').unwrap_or(("", version));
    let kind = GroupVersionKind::gvk(group, version, kind);
    let resource = ApiResource::from_gvk_with_plural(&kind, plural);
    Api::namespaced_with(sandbox.client.clone(), &sandbox.namespace, &resource)
}

async fn create(api: &Api<DynamicObject>, object: Value) {
    let object = serde_json::from_value(object).expect("an object");
    let created = api.create(&PostParams::default(), &object).await;
    created.expect("it is valid");
}

/// A custom resource definition, which no test takes away: others may look at it.
async fn define(sandbox: &Sandbox, group: &str, kind: &str, plural: &str) {
    let name = format!("{plural}.{group}");
    let schema = json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
    let definition = json!({ "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": name }, "spec": { "group": group, "scope": "Namespaced",
            "names": { "kind": kind, "plural": plural, "singular": kind.to_lowercase() },
            "versions": [{ "name": "v1alpha1", "served": true, "storage": true,
                "schema": { "openAPIV3Schema": schema } }] } });
    let resource = ApiResource::from_gvk_with_plural(
        &GroupVersionKind::gvk("apiextensions.k8s.io", "v1", "CustomResourceDefinition"),
        "customresourcedefinitions",
    );
    let definitions = Api::<DynamicObject>::all_with(sandbox.client.clone(), &resource);
    let parameters = PatchParams::apply("admin").force();
    let made = definitions
        .patch(&name, &parameters, &Patch::Apply(definition))
        .await;
    made.expect("a definition");
    sandbox
        .until("discovery knows the kind", async || {
            let groups = sandbox.client.list_api_groups_aggregated().await;
            let groups = groups.expect("the API server answers").items;
            let mut names = groups.into_iter().filter_map(|one| one.metadata?.name);
            names.any(|name| name == group)
        })
        .await;
}

/// Whether the namespace is gone.
async fn is_gone(sandbox: &Sandbox) -> bool {
    let namespace = sandbox.get(Kind::Namespace, &sandbox.namespace).await;
    namespace.is_none()
}

fn finalizers(names: &[&str]) -> Patch<Value> {
    Patch::Merge(json!({ "metadata": { "finalizers": names } }))
}

async fn hold(sandbox: &Sandbox, kind: Kind, name: &str, names: &[&str]) {
    let (api, parameters) = (sandbox.api(kind), PatchParams::default());
    let held = api.patch(name, &parameters, &finalizers(names)).await;
    held.expect("it is there");
}

async fn delete(sandbox: &Sandbox, kind: Kind, name: &str) {
    let deleted = sandbox
        .api(kind)
        .delete(name, &DeleteParams::default())
        .await;
    deleted.expect("it is there");
}

/// A second stack in the same namespace, which it does not make.
fn second_stack(namespace: &str) -> String {
    let digest = "0".repeat(64);
    format!(
        "name = \"b\"\nnamespace = \"{namespace}\"\nreplicas = 2\n[cluster]\ncontext = \"{CONTEXT}\"\n\
         [image]\nreference = \"registry.test/nlu@sha256:{digest}\"\n[model]\nsource = {{ pvc = \"nlu-models\" }}\n"
    )
}

/// A Role and an Ingress, which no stack has.
async fn bystanders(sandbox: &Sandbox) -> [Api<DynamicObject>; 2] {
    let roles = api(sandbox, "rbac.authorization.k8s.io/v1", "Role", "roles");
    create(
        &roles,
        json!({ "metadata": { "name": "bystander" },
        "rules": [{ "apiGroups": [""], "resources": ["pods"], "verbs": ["get"] }] }),
    )
    .await;
    let ingresses = api(sandbox, "networking.k8s.io/v1", "Ingress", "ingresses");
    let backend = json!({ "service": { "name": "b", "port": { "number": 7860 } } });
    create(
        &ingresses,
        json!({ "metadata": { "name": "bystander" }, "spec": { "defaultBackend": backend } }),
    )
    .await;
    [roles, ingresses]
}

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn destroy_leaves_another_stack_and_what_else_lives_in_the_namespace() {
    let sandbox = Sandbox::new("two-stacks").await;
    std::fs::write(sandbox.path("b.toml"), second_stack(&sandbox.namespace)).expect("writable");
    for stack in ["uninlu.toml", "b.toml"] {
        sandbox
            .run(&["apply", stack, "--yes", "--no-wait", "--even-if-stuck"])
            .await
            .expect(0);
    }
    let bystanders = bystanders(&sandbox).await;
    // Every namespace has the account; what it owns is somebody's.
    let accounts = api(&sandbox, "v1", "ServiceAccount", "serviceaccounts");
    let account = accounts
        .get("default")
        .await
        .expect("every namespace has it");
    let of_account = api(&sandbox, "v1", "ConfigMap", "configmaps");
    create(
        &of_account,
        json!({ "metadata": { "name": "of-account", "ownerReferences": [{ "apiVersion": "v1",
        "kind": "ServiceAccount", "name": "default", "uid": account.metadata.uid }] } }),
    )
    .await;
    let run = sandbox.run(&["destroy", "--yes"]).await.expect(0);
    let named = [
        "ConfigMap of-account",
        "Deployment.apps b",
        "Service b",
        "Role.rbac.authorization.k8s.io bystander",
        "Ingress.networking.k8s.io bystander",
    ];
    says(&run.stdout, &named);
    says(&run.stderr, &named);
    assert!(sandbox.get(Kind::Deployment, NAME).await.is_none());
    let second = sandbox
        .get(Kind::Deployment, "b")
        .await
        .expect("it is another stack's");
    assert!(
        second["metadata"]["deletionTimestamp"].is_null(),
        "{second:#}"
    );
    for api in &bystanders {
        assert!(api.get_opt("bystander").await.expect("an answer").is_some());
        api.delete("bystander", &DeleteParams::default())
            .await
            .expect("it is there");
    }
    let deleted = of_account
        .delete("of-account", &DeleteParams::default())
        .await;
    deleted.expect("it is there");
    // The second stack never takes the namespace, even if it says that it makes it.
    sandbox.run(&["destroy", "b.toml", "--yes"]).await.expect(0);
    assert!(
        sandbox
            .get(Kind::Namespace, &sandbox.namespace)
            .await
            .is_some()
    );
    sandbox
        .until(
            "nothing of the second stack is left to hold the namespace",
            async || {
                sandbox.run(&["destroy", "--yes"]).await.expect(0);
                is_gone(&sandbox).await
            },
        )
        .await;
}

/// A custom resource, a copy of our labels, and an object of ours that somebody else came to own.
#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn destroy_knows_its_own_by_more_than_labels() {
    let sandbox = Sandbox::new("own-labels").await;
    define(&sandbox, "uninlu.test", "Widget", "widgets").await;
    sandbox
        .run(&["apply", "--yes", "--no-wait"])
        .await
        .expect(0);
    let widgets = api(&sandbox, "uninlu.test/v1alpha1", "Widget", "widgets");
    create(&widgets, json!({ "apiVersion": "uninlu.test/v1alpha1", "kind": "Widget", "metadata": { "name": "mine" } })).await;
    let labels = sandbox.deployment().await["metadata"]["labels"].clone();
    let copies = sandbox.api(Kind::ConfigMap);
    create(
        &copies,
        json!({ "metadata": { "name": "copy", "labels": labels } }),
    )
    .await;
    let pods = api(&sandbox, "v1", "Pod", "pods");
    create(
        &pods,
        json!({ "metadata": { "name": "copy", "labels": labels },
        "spec": { "containers": [{ "name": "one", "image": "registry.test/one" }] } }),
    )
    .await;
    let owner = copies.get("copy").await.expect("it is there").metadata.uid;
    let owned = json!({ "metadata": { "ownerReferences": [
        { "apiVersion": "v1", "kind": "ConfigMap", "name": "copy", "uid": owner }] } });
    sandbox.edit(Kind::Service, NAME, &owned).await;

    let run = sandbox.run(&["destroy", "--yes"]).await.expect(0);
    says(
        &run.stdout,
        &[
            "Widget.uninlu.test mine",
            "ConfigMap copy",
            "Pod copy",
            "ConfigMap copy owns it",
        ],
    );
    assert!(widgets.get_opt("mine").await.expect("an answer").is_some());
    assert!(copies.get_opt("copy").await.expect("an answer").is_some());
    assert!(pods.get_opt("copy").await.expect("an answer").is_some());
    assert!(sandbox.get(Kind::Service, NAME).await.is_some());
    assert!(sandbox.get(Kind::Deployment, NAME).await.is_none());
}

/// What may not be listed may be there.
#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn a_kind_that_may_not_be_listed_keeps_the_namespace() {
    let sandbox = Sandbox::new("own-forbidden").await;
    sandbox
        .run(&["apply", "--yes", "--no-wait"])
        .await
        .expect(0);
    let forbidden = |on| Rule {
        on,
        skip: 0,
        times: usize::MAX,
        fault: Fault::Answer {
            code: 403,
            retry_after: None,
        },
    };
    let kinds = Proxy::start(
        &sandbox,
        &[forbidden(|request| {
            request.uri.path().ends_with("/ingresses")
        })],
    )
    .await;
    let run = sandbox
        .run_through(&kinds, &["destroy", "--yes"])
        .await
        .expect(0);
    says(
        &run.stdout,
        &["it may hold any Ingress.networking.k8s.io (not allowed to look)"],
    );
    assert!(sandbox.get(Kind::Deployment, NAME).await.is_none());
    assert!(
        sandbox
            .get(Kind::Namespace, &sandbox.namespace)
            .await
            .is_some()
    );
    let groups = Proxy::start(
        &sandbox,
        &[forbidden(|request| request.uri.path() == "/apis")],
    )
    .await;
    let run = sandbox
        .run_through(&groups, &["destroy", "--yes"])
        .await
        .expect(0);
    says(&run.stdout, &["discovery fails", "nothing to destroy"]);
    assert!(
        sandbox
            .get(Kind::Namespace, &sandbox.namespace)
            .await
            .is_some()
    );
    sandbox.run(&["destroy", "--yes"]).await.expect(0);
    assert!(
        sandbox
            .get(Kind::Namespace, &sandbox.namespace)
            .await
            .is_none()
    );
}

const LOAD_BALANCER: &str = "service.kubernetes.io/load-balancer-cleanup";

fn patient(seconds: u32) -> String {
    format!(
        "[probes]\nstartup = {{ period = \"2s\", budget = \"{seconds}s\" }}\n[rollout]\ntimeout = \"{seconds}s\""
    )
}

async fn newest_release(sandbox: &Sandbox) -> Option<i64> {
    let version = "apps/v1";
    let revisions = api(
        sandbox,
        version,
        "ControllerRevision",
        "controllerrevisions",
    );
    let all = revisions
        .list(&Default::default())
        .await
        .expect("an answer");
    let numbers = all
        .items
        .iter()
        .filter_map(|one| one.data["revision"].as_i64());
    numbers.max()
}

/// Each command that looks at the stack's objects says which of them goes, and what holds it.
async fn named_everywhere(sandbox: &Sandbox, words: &[&str]) {
    let plan = sandbox
        .run(&["plan", "--detailed-exitcode"])
        .await
        .expect(2);
    says(&plan.stdout, words);
    assert!(!plan.stdout.contains("no differences"), "{}", plan.stdout);
    for command in [&["gate"][..], &["plan", "--markdown"]] {
        says(&sandbox.run(command).await.expect(0).stdout, words);
    }
    // In the table the namespace stands above the object.
    let object = words[0].replace(&format!("{}/", sandbox.namespace), "");
    let status = sandbox.run(&["status"]).await.expect(0).stdout;
    says(&status, &[&[&*object], &words[1..]].concat());
    let shown = sandbox.plan().await.change("Service")["being_deleted"].to_string();
    says(&shown, &words[1..]);
    says(&sandbox.run(&["drift"]).await.expect(2).stdout, words);
}

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn an_object_that_is_being_deleted_is_named_and_waited_for() {
    let sandbox = Sandbox::in_namespace("going-object").await;
    let sections = patient(20);
    sandbox.write(StackText {
        creates_namespace: false,
        sections: &sections,
        ..StackText::default()
    });
    sandbox.apply().await;
    sandbox.run(&["plan", "--out", "plan.json"]).await.expect(0);
    hold(&sandbox, Kind::Service, NAME, &[LOAD_BALANCER]).await;
    let old = sandbox.get(Kind::Service, NAME).await.expect("it is there");
    delete(&sandbox, Kind::Service, NAME).await;

    let id = format!("Service {}/{NAME}", sandbox.namespace);
    named_everywhere(&sandbox, &[&id, "is being deleted since", LOAD_BALANCER]).await;
    let saved = sandbox
        .run(&["apply", "plan.json", "--yes"])
        .await
        .expect(1);
    says(
        &saved.stderr,
        &[&id, "is being deleted since", LOAD_BALANCER],
    );
    let stuck = sandbox.run(&["apply", "--yes"]).await.expect(1);
    says(
        &stuck.stderr,
        &["still there after 20 s", &id, LOAD_BALANCER],
    );

    // An apply that waits goes on as soon as the finalizer is gone.
    let before = newest_release(&sandbox).await;
    let (run, ()) = tokio::join!(sandbox.run(&["apply", "--yes"]), async {
        // A release begins when all has been looked at, right before the wait.
        sandbox
            .until("the apply waits", async || {
                newest_release(&sandbox).await > before
            })
            .await;
        hold(&sandbox, Kind::Service, NAME, &[]).await;
    });
    run.expect(0);
    let new = sandbox
        .get(Kind::Service, NAME)
        .await
        .expect("it was made anew");
    assert_ne!(new["metadata"]["uid"], old["metadata"]["uid"]);
    assert!(new["metadata"]["deletionTimestamp"].is_null(), "{new:#}");
    assert_eq!(sandbox.plan().await.json()["has_changes"], false);
}

/// The parent of the ApplySet goes, and a Deployment by the foreground: the one is no object of the stack file, the other
/// takes its pods along.
#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn the_deployment_and_the_bookkeeping_that_go() {
    let sandbox = Sandbox::in_namespace("going-parent").await;
    sandbox.apply().await;
    let parent = format!("{NAME}-applyset");
    for (kind, name) in [(Kind::Deployment, NAME), (Kind::ConfigMap, parent.as_str())] {
        hold(&sandbox, kind, name, &["uninlu.test/hold"]).await;
        delete(&sandbox, kind, name).await;
        let plan = sandbox
            .run(&["plan", "--detailed-exitcode"])
            .await
            .expect(2);
        says(
            &plan.stdout,
            &[name, "is being deleted since", "uninlu.test/hold"],
        );
        says(
            &sandbox.run(&["gate"]).await.expect(0).stdout,
            &[name, "is being deleted since"],
        );
        says(
            &sandbox.run(&["status"]).await.expect(0).stdout,
            &[name, "is being deleted since"],
        );
    }
    for (kind, name) in [(Kind::Deployment, NAME), (Kind::ConfigMap, parent.as_str())] {
        hold(&sandbox, kind, name, &[]).await;
    }
    sandbox.apply().await;
    assert_eq!(sandbox.plan().await.json()["has_changes"], false);
}

async fn refused(sandbox: &Sandbox, words: &[&str]) {
    for command in [
        &["plan"][..],
        &["gate"],
        &["drift"],
        &["apply", "--yes"],
        &["rollback", "1", "--yes"],
    ] {
        let run: Run = sandbox.run(command).await.expect(1);
        says(&run.stderr, words);
    }
}

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn a_namespace_that_is_being_deleted_is_named() {
    for (test, creates_namespace) in [("going-given", false), ("going-own", true)] {
        let sandbox = Sandbox::new(test).await;
        if !creates_namespace {
            sandbox.create_namespace().await;
        }
        sandbox.write(StackText {
            creates_namespace,
            ..StackText::default()
        });
        sandbox.apply().await;
        hold(&sandbox, Kind::Service, NAME, &[LOAD_BALANCER]).await;
        delete(&sandbox, Kind::Namespace, &sandbox.namespace).await;
        let words = [
            sandbox.namespace.as_str(),
            "is being deleted since",
            LOAD_BALANCER,
        ];
        sandbox
            .until("the namespace's controller says what is left", async || {
                let run = sandbox.run(&["plan"]).await.expect(1);
                run.stderr.contains(LOAD_BALANCER)
            })
            .await;
        let status = sandbox.run(&["status"]).await.expect(0);
        says(&status.stdout, &words);
        // Its releases go too, so `drift` and `rollback` have none to speak of.
        for command in [&["plan"][..], &["gate"], &["apply", "--yes"]] {
            says(&sandbox.run(command).await.expect(1).stderr, &words);
        }
        hold(&sandbox, Kind::Service, NAME, &[]).await;
        sandbox
            .until("the namespace is gone", async || is_gone(&sandbox).await)
            .await;
    }
}

/// Before its controller has begun: only the namespace goes, and everything in it is as it was.
#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn a_namespace_that_has_only_just_been_deleted() {
    let sandbox = Sandbox::in_namespace("going-at-once").await;
    sandbox.apply().await;
    // A finalizer of its own keeps the releases too.
    let revisions = api(
        &sandbox,
        "apps/v1",
        "ControllerRevision",
        "controllerrevisions",
    );
    let name = revisions
        .list(&Default::default())
        .await
        .expect("an answer")
        .items
        .remove(0);
    let name = name.metadata.name.expect("a name");
    let parameters = PatchParams::default();
    let patched = revisions
        .patch(&name, &parameters, &finalizers(&["uninlu.test/hold"]))
        .await;
    patched.expect("it is there");
    delete(&sandbox, Kind::Namespace, &sandbox.namespace).await;
    refused(&sandbox, &[&sandbox.namespace, "is being deleted"]).await;
    let patched = revisions.patch(&name, &parameters, &finalizers(&[])).await;
    patched.expect("it is there");
}

const AUTOSCALED: StackText<'_> = StackText {
    top: "",
    creates_namespace: false,
    sections: "[autoscaling]\nreplicas = { min = 2, max = 4 }\ncpu = 60",
};

/// As `kubectl apply` would make them.
async fn old_autoscaler_and_budget(sandbox: &Sandbox) {
    let target = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "name": NAME });
    let autoscalers = api(
        sandbox,
        "autoscaling/v1",
        "HorizontalPodAutoscaler",
        "horizontalpodautoscalers",
    );
    create(
        &autoscalers,
        json!({ "metadata": { "name": "old-hpa" }, "spec": { "scaleTargetRef": target,
        "minReplicas": 1, "maxReplicas": 10, "targetCPUUtilizationPercentage": 50 } }),
    )
    .await;
    let budget = json!({ "metadata": { "name": "old-pdb" }, "spec": { "maxUnavailable": "50%",
        "selector": { "matchLabels": { "app.kubernetes.io/instance": NAME } } } });
    create(&sandbox.api(Kind::PodDisruptionBudget), budget).await;
}

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn a_second_autoscaler_and_budget_are_obstacles() {
    let sandbox = Sandbox::in_namespace("rivals").await;
    sandbox.write(AUTOSCALED);
    old_autoscaler_and_budget(&sandbox).await;
    let named = [
        "old-hpa scales Deployment nlu too",
        "old-pdb selects this stack's pods too",
    ];
    for command in [&["plan"][..], &["gate"]] {
        says(&sandbox.run(command).await.expect(0).stdout, &named);
    }
    says(
        &sandbox.plan().await.json()["pods"]["obstacles"].to_string(),
        &named,
    );
    sandbox
        .run(&["apply", "--yes", "--no-wait"])
        .await
        .expect(0);
    // They are named as long as they are there, whether or not there is anything to do.
    for command in [&["plan"][..], &["gate"], &["apply", "--yes", "--no-wait"]] {
        says(&sandbox.run(command).await.expect(0).stdout, &named);
    }
}

/// Controllers of other kinds, an autoscaler of KEDA's, and a Service of ours that takes another's pods.
#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn other_controllers_of_the_pods_are_obstacles() {
    let sandbox = Sandbox::in_namespace("rival-controllers").await;
    define(&sandbox, "keda.sh", "ScaledObject", "scaledobjects").await;
    let scaled = api(
        &sandbox,
        "keda.sh/v1alpha1",
        "ScaledObject",
        "scaledobjects",
    );
    create(&scaled, json!({ "apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": { "name": "scaled" },
        "spec": { "scaleTargetRef": { "name": NAME } } })).await;
    let expressions = json!({ "matchExpressions": [
        { "key": "app.kubernetes.io/instance", "operator": "In", "values": [NAME, "web"] }] });
    let pods = |labels: Value| {
        json!({ "metadata": { "labels": labels },
        "spec": { "containers": [{ "name": "one", "image": "registry.test/one" }] } })
    };
    let instance = json!({ "app.kubernetes.io/instance": "web" });
    let sets = api(&sandbox, "apps/v1", "StatefulSet", "statefulsets");
    create(
        &sets,
        json!({ "metadata": { "name": "stateful" }, "spec": { "replicas": 0, "serviceName": "web",
        "selector": expressions, "template": pods(instance) } }),
    )
    .await;
    let like_ours = json!({ "app": "canary", "app.kubernetes.io/name": "siamese-uninlu", "app.kubernetes.io/instance": NAME });
    create(
        &sandbox.api(Kind::Deployment),
        json!({ "metadata": { "name": "canary" }, "spec": { "replicas": 0,
        "selector": { "matchLabels": { "app": "canary" } }, "template": pods(like_ours) } }),
    )
    .await;
    let labels =
        json!({ "app.kubernetes.io/name": "siamese-uninlu", "app.kubernetes.io/instance": NAME });
    // Labels that the bare pod lacks: the controller would adopt that one.
    let managed = json!({ "app.kubernetes.io/managed-by": "uninlu" });
    let controllers = api(
        &sandbox,
        "v1",
        "ReplicationController",
        "replicationcontrollers",
    );
    create(
        &controllers,
        json!({ "metadata": { "name": "oldest" }, "spec": { "replicas": 0,
        "selector": managed, "template": pods(managed.clone()) } }),
    )
    .await;
    let mut bare = pods(labels);
    bare["metadata"]["name"] = json!("bare");
    create(&api(&sandbox, "v1", "Pod", "pods"), bare).await;
    let named = [
        "/bare has labels that this stack's Service selects",
        "oldest has a selector that this stack's pods meet too",
        "scaled scales Deployment nlu, whose number of pods this stack sets",
        "stateful has a selector that this stack's pods meet too",
        "canary has pods that this stack's Service selects too",
    ];
    for command in [&["plan"][..], &["gate"]] {
        says(&sandbox.run(command).await.expect(0).stdout, &named);
    }
    sandbox
        .run(&["apply", "--yes", "--no-wait"])
        .await
        .expect(0);
    says(&sandbox.run(&["gate"]).await.expect(0).stdout, &named);
}

/// An import says what must go before the apply.
#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn an_import_names_what_must_be_deleted_before_the_apply() {
    let sandbox = Sandbox::in_namespace("rival-import").await;
    sandbox.write(AUTOSCALED);
    sandbox
        .run(&["apply", "--yes", "--no-wait"])
        .await
        .expect(0);
    old_autoscaler_and_budget(&sandbox).await;
    let run = sandbox
        .run(&[
            "import",
            "live",
            "--context",
            CONTEXT,
            "--namespace",
            &sandbox.namespace,
        ])
        .await
        .expect(0);
    for name in ["old-hpa", "old-pdb"] {
        let mut lines = run.stderr.lines();
        let line =
            lines.find(|line| line.contains(name) && line.contains("delete it before the apply"));
        assert!(line.is_some(), "{name}: {}", run.stderr);
    }
}
