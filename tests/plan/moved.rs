//! What counts as a move of the ground under a plan, and what does not.

use serde_json::{Value, json};
use uninlu::kinds::{Kind, ObjectId};
use uninlu::plan::owner::Owner;
use uninlu::plan::{Action, Change, Conflict, FieldChange, Plan, moved};

use super::file::plan;

/// A plan whose one change is this.
fn of(change: Change) -> Plan {
    let mut plan = plan();
    plan.changes = vec![change];
    plan
}

fn id() -> ObjectId {
    ObjectId {
        kind: Kind::Deployment,
        namespace: Some("nlu".into()),
        name: "nlu".into(),
    }
}

fn update(from: Value, to: Value) -> Change {
    let field = FieldChange {
        path: ".spec.replicas".into(),
        from: Some(from),
        to: Some(to),
        owner: None,
        because: None,
    };
    Change {
        action: Action::Update,
        fields: vec![field],
        uid: Some("1".into()),
        ..of_action(Action::Update)
    }
}

fn of_action(action: Action) -> Change {
    let template = plan().changes.remove(0);
    Change {
        id: id(),
        action,
        fields: Vec::new(),
        uid: (action != Action::Create).then(|| "1".into()),
        approximate: None,
        going: None,
        paused: None,
        ..template
    }
}

fn words(shown: Change, now: Change) -> Vec<String> {
    moved(&of(shown), &of(now))
}

#[test]
fn the_same_ground_is_no_move() {
    for change in [
        update(json!(2), json!(3)),
        of_action(Action::Keep),
        of_action(Action::Create),
    ] {
        assert!(words(change.clone(), change).is_empty());
    }
}

#[test]
fn what_was_to_go_and_is_gone_is_no_move() {
    let mut now = of(of_action(Action::Keep));
    now.changes.clear();
    assert!(moved(&of(of_action(Action::Delete)), &now).is_empty());
}

#[test]
fn who_changed_what_is_named() {
    let mut changed = update(json!(5), json!(3));
    changed.fields[0].owner = Some(Owner {
        manager: "kubectl-edit".into(),
        operation: "Update".into(),
        time: "2026-01-01T00:00:00Z".into(),
    });
    let mut made_again = update(json!(2), json!(3));
    made_again.uid = Some("2".into());
    let mut owned = update(json!(2), json!(3));
    owned.conflicts.push(Conflict {
        field: ".spec.replicas".into(),
        manager: "somebody".into(),
    });
    let shown = || update(json!(2), json!(3));
    for (now, expected) in [
        (
            changed,
            "Deployment nlu/nlu: .spec.replicas was 2 and is 5, set by kubectl-edit at 2026-01-01T00:00:00Z",
        ),
        (
            made_again,
            "Deployment nlu/nlu was deleted and recreated (its uid was 1 and is 2)",
        ),
        (
            owned,
            "Deployment nlu/nlu: .spec.replicas now belongs to somebody",
        ),
        (
            update(json!(2), json!(4)),
            "Deployment nlu/nlu: .spec.replicas would have become 3 and would now become 4",
        ),
        (
            of_action(Action::Keep),
            "Deployment nlu/nlu: .spec.replicas changed to what was planned",
        ),
        (of_action(Action::Create), "Deployment nlu/nlu was deleted"),
    ] {
        assert_eq!(words(shown(), now), [expected]);
    }
    assert_eq!(
        words(of_action(Action::Create), of_action(Action::Keep)),
        ["Deployment nlu/nlu was created by someone else"]
    );
}

/// The digest that a build pinned is what was waited for; every other field still counts.
#[test]
fn the_image_of_an_open_plan_may_become_known() {
    let image = |tag: &str| FieldChange {
        path: ".spec.template.spec.containers[server].image".into(),
        from: Some(json!("before")),
        to: Some(json!(tag)),
        owner: None,
        because: None,
    };
    let with = |tag: &str| Change {
        fields: vec![image(tag)],
        ..of_action(Action::Update)
    };
    let mut shown = of(with("tag"));
    assert!(!moved(&shown, &of(with("digest"))).is_empty());
    shown.goal.image.to_be_built = Some("it is not in the registry".into());
    assert!(moved(&shown, &of(with("digest"))).is_empty());
    assert!(moved(&shown, &of(of_action(Action::Keep))).is_empty());
    assert!(!moved(&shown, &of(update(json!(2), json!(3)))).is_empty());
}
