//! What a destroy deletes, in which order, and what stays.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};
use uninlu::kinds::{Kind, ObjectId};
use uninlu::plan::destruction::{Destruction, Remains, destruction};
use uninlu::plan::{Goal, Write, apply_set};

use super::{Cluster, applied, goal};

fn stack() -> Goal {
    let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/plan/cases/create/after.toml");
    goal(&case).expect("the case has a stack")
}

/// The stack as an apply left it, with each object's kind as its uid.
fn remains(goal: &Goal) -> BTreeMap<ObjectId, Value> {
    let as_left = |(id, body): (&ObjectId, &Value)| {
        let mut object = applied(id, body, &Cluster::default());
        object["metadata"]["uid"] = json!(id.kind.name());
        (id.clone(), object)
    };
    let mut objects: BTreeMap<ObjectId, Value> = goal.objects.iter().map(as_left).collect();
    let parent = apply_set::parent_id(&goal.target);
    let kinds = goal.objects.keys().map(|id| id.kind).collect();
    let body = apply_set::parent_body(&goal.target.stack, &parent, &kinds);
    objects.extend([as_left((&parent, &body))]);
    objects
}

fn of(goal: &Goal, objects: BTreeMap<ObjectId, Value>) -> Destruction {
    let remains = Remains {
        objects,
        ..Remains::default()
    };
    destruction(&goal.target, remains)
}

fn told(destruction: &Destruction) -> Vec<String> {
    let line = |write: &Write| match write {
        Write::Delete { id, uid, wait } => {
            let wait = if *wait { ", and wait" } else { "" };
            format!("{id}, uid {}{wait}", uid.as_deref().unwrap_or("any"))
        }
        other => format!("{other:?}"),
    };
    destruction.deletions().map(line).collect()
}

#[test]
fn the_parent_goes_after_its_members_and_the_namespace_last() {
    let goal = stack();
    let destruction = of(&goal, remains(&goal));
    assert_eq!(
        told(&destruction),
        [
            "PodDisruptionBudget demo/nlu, uid PodDisruptionBudget",
            "Deployment demo/nlu, uid Deployment, and wait",
            "Service demo/nlu, uid Service",
            "NetworkPolicy demo/nlu, uid NetworkPolicy",
            "ConfigMap demo/nlu-settings, uid ConfigMap",
            "ServiceAccount demo/nlu, uid ServiceAccount",
            "ConfigMap demo/nlu-applyset, uid ConfigMap",
            "Namespace demo, uid Namespace, and wait",
        ]
    );
    assert!(destruction.asks_for_inhabitants());
}

#[test]
fn what_others_own_or_applied_stays() {
    let goal = stack();
    let mut objects = remains(&goal);
    for (id, object) in &mut objects {
        match id.kind {
            Kind::Service => {
                object["metadata"]["ownerReferences"] =
                    json!([{ "kind": "Gateway", "name": "edge" }]);
            }
            Kind::NetworkPolicy => object["metadata"]["managedFields"] = json!([]),
            Kind::ServiceAccount => object["metadata"]["labels"] = json!({}),
            _ => (),
        }
    }
    let mut destruction = of(&goal, objects);
    destruction.keep_namespace("it holds Pod other".into());
    let kept: Vec<String> = destruction
        .kept
        .iter()
        .map(|(id, reason)| format!("{id}: {reason}"))
        .collect();
    assert_eq!(
        kept,
        [
            "NetworkPolicy demo/nlu: uninlu never applied it",
            "Service demo/nlu: Gateway edge owns it",
            "Namespace demo: it holds Pod other",
        ]
    );
    let told = told(&destruction).join("\n");
    for kind in ["Service ", "NetworkPolicy", "ServiceAccount", "Namespace"] {
        assert!(!told.contains(kind), "{told}");
    }
}

#[test]
fn a_namespace_that_is_going_goes_whatever_lives_in_it() {
    let goal = stack();
    let mut objects = remains(&goal);
    for (_, object) in objects
        .iter_mut()
        .filter(|(id, _)| id.kind == Kind::Namespace)
    {
        object["metadata"]["deletionTimestamp"] = json!("2026-11-28T19:00:00Z");
    }
    let destruction = of(&goal, objects);
    assert!(!destruction.asks_for_inhabitants());
    assert!(
        told(&destruction)
            .iter()
            .any(|line| line.starts_with("Namespace"))
    );
}
