//! By what a rollout gets stuck, and what may only hold it up: `apply` and the gate's rule `stuck` ask this.

use std::path::Path;

use k8s_openapi::api::core::v1::{LimitRange, Node, Pod, ResourceQuota};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use uninlu::plan::outlook::{self, Outlook, Surroundings};
use uninlu::plan::{self, Change, Goal, Live, Nearby, Plan, PlannedImage, render};
use uninlu::stack;

fn plan_of(sections: &str) -> Plan {
    let text = format!(
        "name = \"nlu\"\nnamespace = \"nlu\"\nreplicas = 2\n[cluster]\ncontext = \"prod\"\n\
         [image]\nreference = \"registry.test/nlu@sha256:{}\"\n[model]\nsource = {{ pvc = \"models\" }}\n{sections}",
        "1".repeat(64)
    );
    let stack = stack::parse(&text, Path::new("uninlu.toml"), None).expect("valid");
    let image = PlannedImage {
        reference: "registry.test/nlu".into(),
        to_be_built: None,
    };
    plan::plan(Goal::of_stack(&stack, image, None), &Live::default()).expect("a plan")
}

fn object<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).expect("an object")
}

fn node(cpu: &str) -> Node {
    object(json!({ "metadata": { "name": "one" },
        "status": { "allocatable": { "cpu": cpu, "memory": "64Gi", "pods": "110" } } }))
}

/// Large enough, and closed.
fn tainted(cpu: &str) -> Node {
    let mut node = node(cpu);
    let taint = json!([{ "key": "full", "value": "1", "effect": "NoSchedule" }]);
    node.spec.get_or_insert_default().taints = Some(object(taint));
    node
}

fn running(image: &str) -> Pod {
    object(
        json!({ "metadata": { "name": "other", "namespace": "kube-system" },
        "spec": { "nodeName": "one", "containers": [{ "name": "main", "image": image }] } }),
    )
}

/// Enough of everything.
fn around() -> Surroundings {
    let claim =
        json!({ "metadata": { "name": "models" }, "spec": { "accessModes": ["ReadOnlyMany"] } });
    Surroundings {
        nodes: Ok(vec![node("32")]),
        pods: Ok(Vec::new()),
        quotas: Ok(Vec::new()),
        limits: Ok(Vec::new()),
        claims: [("models".to_owned(), Ok(Some(object(claim))))].into(),
        secrets: [].into(),
        metrics: Vec::new(),
    }
}

fn look(plan: &Plan, around: &Surroundings) -> Outlook {
    outlook::look(plan, around).expect("pods are created")
}

fn reasons(plan: &Plan, around: &Surroundings) -> Vec<String> {
    let outlook = look(plan, around);
    outlook.blocks().map(|block| block.reason.clone()).collect()
}

fn is_stuck(plan: &Plan, around: &Surroundings) -> bool {
    !reasons(plan, around).is_empty()
}

/// What is in the way, and not by which it gets stuck.
fn warnings(plan: &Plan, around: &Surroundings) -> String {
    let outlook = look(plan, around);
    assert_eq!(outlook.blocks().count(), 0, "{:#?}", outlook.obstacles);
    let words = outlook.obstacles.iter().map(|it| it.words.clone());
    words.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_cluster_with_room_blocks_nothing() {
    let plan = plan_of("");
    assert_eq!(warnings(&plan, &around()), "");
    let json = render::json(&plan, Some(&look(&plan, &around())), &[]);
    assert_eq!(
        serde_json::to_value(json).expect("JSON")["gets_stuck"],
        false
    );
}

#[test]
fn what_keeps_new_pods_from_starting_blocks() {
    let quota: ResourceQuota = object(json!({ "metadata": { "name": "pods" },
        "status": { "hard": { "pods": "1" }, "used": { "pods": "0" } } }));
    let range: LimitRange = object(json!({ "metadata": { "name": "small" },
        "spec": { "limits": [{ "type": "Container", "max": { "memory": "64Mi" } }] } }));
    let cases = [
        (
            "0 of 2 new pods find room",
            Surroundings {
                nodes: Ok(vec![node("10m")]),
                ..around()
            },
        ),
        (
            "the quota `pods` has no room for 2 new pods: pods",
            Surroundings {
                quotas: Ok(vec![quota]),
                ..around()
            },
        ),
        (
            "the LimitRange `small` refuses the pods",
            Surroundings {
                limits: Ok(vec![range]),
                ..around()
            },
        ),
        (
            "the PersistentVolumeClaim `models` does not exist",
            Surroundings {
                claims: [("models".to_owned(), Ok(None))].into(),
                ..around()
            },
        ),
    ];
    let plan = plan_of("");
    for (words, around) in cases {
        let found = reasons(&plan, &around).join("\n");
        assert!(found.contains(words), "no `{words}` in {found}");
        let outlook = look(&plan, &around);
        let json = render::json(&plan, Some(&outlook), &[]);
        assert_eq!(
            serde_json::to_value(json).expect("JSON")["gets_stuck"],
            true
        );
        for block in outlook.blocks() {
            let shown = format!(
                "! the rollout will get stuck: {}; {}",
                block.reason, block.fix
            );
            let text =
                uninlu::ui::plain(&render::text(&plan, Some(&outlook), render::Detail::Brief));
            assert!(text.contains(&shown), "no `{shown}` in {text}");
        }
    }
}

/// A registry may give its image to anyone; a volume is never mounted without its Secret.
#[test]
fn a_missing_secret_blocks_where_it_is_mounted() {
    let missing = |name: &str| Surroundings {
        secrets: [(name.to_owned(), Ok(false))].into(),
        ..around()
    };
    let mounted = plan_of("[access]\napi-key = { secret = \"keys\", key = \"key\" }");
    assert_eq!(
        reasons(&mounted, &missing("keys")),
        ["the Secret `keys` does not exist"]
    );
    let pulled = warnings(&plan_of(""), &missing("registry"));
    assert!(pulled.contains("by which the image is pulled"), "{pulled}");
}

/// Where the stack file says that nodes come, or what brings them runs, a full cluster is waited for.
#[test]
fn no_room_blocks_unless_a_node_may_come() {
    let full = |pods: Vec<Pod>| Surroundings {
        nodes: Ok(vec![node("10m")]),
        pods: Ok(pods),
        ..around()
    };
    let unsaid = plan_of("");
    // No node is large enough for one pod: another one like them would not help.
    assert!(is_stuck(&unsaid, &full(Vec::new())));
    assert!(is_stuck(
        &unsaid,
        &full(vec![running("registry.k8s.io/coredns:v1")])
    ));
    for nodes in [Vec::new(), vec![tainted("64")]] {
        let around = Surroundings {
            nodes: Ok(nodes),
            ..around()
        };
        let outlook = look(&unsaid, &around);
        assert_eq!((outlook.blocks().count(), outlook.doubts().count()), (0, 1));
        let words = &outlook.obstacles[0].words;
        assert!(
            words.starts_with(
                "the rollout will get stuck unless a node comes, for which apply waits 5 min 00 s"
            ),
            "{words}"
        );
        assert!(is_stuck(
            &plan_of("[rollout]\nwait-for-nodes = \"0s\""),
            &around
        ));
    }
    for image in [
        "registry.k8s.io/autoscaling/cluster-autoscaler:v1.34.0",
        "public.ecr.aws/karpenter/controller:1.8@sha256:00",
    ] {
        let said = warnings(&unsaid, &full(vec![running(image)]));
        assert!(said.contains("apply waits 5 min 00 s for a node"), "{said}");
    }
    for (duration, waits) in [("5m", "5 min 00 s"), ("20m", "20 min 00 s")] {
        let plan = plan_of(&format!("[rollout]\nwait-for-nodes = \"{duration}\""));
        let said = warnings(&plan, &full(Vec::new()));
        assert!(
            said.contains(&format!("apply waits {waits} for a node")),
            "{said}"
        );
    }
    let impatient = plan_of("[rollout]\nwait-for-nodes = \"0s\"");
    let scaled = full(vec![running(
        "registry.k8s.io/autoscaling/cluster-autoscaler:v1",
    )]);
    assert!(is_stuck(&impatient, &scaled));
}

/// Pods are scaled all the same, and only replaced ones wait.
#[test]
fn a_pause_blocks_what_replaces_pods() {
    let paused = |restarts: bool| {
        let mut plan = plan_of("");
        for change in &mut plan.changes {
            pause(change, restarts);
        }
        plan
    };
    let found = reasons(&paused(true), &around());
    assert_eq!(found, ["the Deployment is paused"]);
    let scaled = outlook::look(&paused(false), &around()).expect("a pause is worth a word");
    assert_eq!(scaled.blocks().count(), 0, "{:#?}", scaled.obstacles);
    assert_eq!(scaled.obstacles.len(), 1, "{:#?}", scaled.obstacles);
}

fn pause(change: &mut Change, restarts: bool) {
    if change.id.kind != uninlu::kinds::Kind::Deployment {
        return;
    }
    change.action = plan::Action::Update;
    change.paused = Some("the Deployment is paused".to_owned());
    let path = if restarts {
        ".spec.template.spec.x"
    } else {
        ".spec.replicas"
    };
    change.fields = vec![plan::FieldChange {
        path: path.to_owned(),
        from: Some(json!(1)),
        to: Some(json!(2)),
        owner: None,
        because: None,
    }];
}

/// A second autoscaler hinders ours; the rollout ends all the same.
#[test]
fn a_rival_blocks_nothing() {
    let plan = plan_of("");
    let rival = json!({ "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
        "metadata": { "name": "old", "namespace": "nlu" },
        "spec": { "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "nlu" } } });
    let nearby = Nearby {
        others: vec![rival],
        unknown: Vec::new(),
    };
    let outlook = outlook::with_nearby(Some(look(&plan, &around())), &plan, &nearby);
    let outlook = outlook.expect("an outlook");
    assert_eq!(outlook.blocks().count(), 0);
    assert!(
        outlook.obstacles[0]
            .words
            .contains("HorizontalPodAutoscaler nlu/old")
    );
}
