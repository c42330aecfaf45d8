//! The requests of an apply, literally: which, in which order, and with which bodies.

use std::path::Path;

use serde_json::Value;
use uninlu::kinds::MANAGER;
use uninlu::plan::diff::diff;
use uninlu::plan::replicas::HAND_OVER_MANAGER;
use uninlu::plan::{Goal, Plan, PlannedImage, Write, moved};
use uninlu::stack;

use super::planned;

#[test]
fn writes_of_the_cases() {
    insta::glob!("cases/*", |folder| {
        if let Ok(plan) = planned(folder) {
            let lines: Vec<String> = plan.writes.iter().map(|write| told(write, &plan)).collect();
            insta::assert_snapshot!(lines.join("\n"));
        }
    });
}

/// A body by what differs from the rendered one; where nothing is rendered, whole.
fn told(write: &Write, plan: &Plan) -> String {
    match write {
        Write::Apply {
            id,
            body,
            manager,
            force,
        } => {
            let force = if *force { ", by force" } else { "" };
            let rendered = plan.goal.objects.get(id).filter(|_| manager == MANAGER);
            let body = match rendered {
                Some(rendered) => differences(rendered, body),
                None => format!("\n    {}", version_free(body)),
            };
            format!("apply {id} as {manager}{force}{body}")
        }
        Write::ReleaseReplicas { id } => format!("release the replicas of {id}"),
        Write::Delete { id, uid, wait } => {
            let wait = if *wait { ", and wait" } else { "" };
            let uid = uid.as_deref().unwrap_or("any");
            format!("delete {id}, uid {uid}{wait}")
        }
    }
}

fn differences(rendered: &Value, body: &Value) -> String {
    let fields = diff(rendered, body).into_iter();
    fields
        .map(|field| format!("\n    {} = {}", field.path, field.to.unwrap_or_default()))
        .collect()
}

/// The parent names the version of the tool.
fn version_free(body: &Value) -> String {
    let tooling = format!("{MANAGER}/{}", env!("CARGO_PKG_VERSION"));
    body.to_string().replace(&tooling, "uninlu/VERSION")
}

fn case(name: &str) -> Plan {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/plan/cases");
    planned(&folder.join(name)).expect("nothing is in its way")
}

/// Where autoscaling is declared, only the hand-over's manager holds the number at the end.
#[test]
fn the_last_apply_of_an_autoscaled_deployment_has_no_number() {
    for name in ["autoscaling-first", "autoscaling-on", "autoscaling-kept"] {
        let plan = case(name);
        let mut numbers = plan.writes.iter().filter_map(|write| match write {
            Write::Apply {
                id, body, manager, ..
            } if id.kind.name() == "Deployment" => {
                Some((manager.as_str(), body["spec"]["replicas"].as_i64()))
            }
            _ => None,
        });
        let (manager, number) = numbers.next_back().expect("the Deployment is written");
        assert_eq!((manager, number), (MANAGER, None), "{name}");
    }
}

/// The digest that a build pinned is all that the build changes.
#[test]
fn a_pinned_image_changes_nothing_but_the_image() {
    const PINNED: &str = "registry.test/siamese-uninlu@sha256:4567";
    let mut shown = case("create");
    shown.goal.image.to_be_built = Some("the registry does not have it".into());
    for write in &shown.writes {
        let pinned = write.clone().with_image(PINNED);
        let (Write::Apply { body: before, .. }, Write::Apply { body: after, .. }) =
            (write, &pinned)
        else {
            panic!("a first apply only applies: {write:?}");
        };
        let paths: Vec<String> = diff(before, after).into_iter().map(|it| it.path).collect();
        let is_deployment = write.id().kind.name() == "Deployment";
        let image = ".spec.template.spec.containers[server].image".to_owned();
        assert_eq!(paths, if is_deployment { vec![image] } else { vec![] });
    }
}

/// What is sent after a build is what rendering with its digest sends.
#[test]
fn a_goal_with_its_image_built_is_the_one_rendered_with_it() {
    let image = |reference: &str, to_be_built: Option<&str>| PlannedImage {
        reference: reference.into(),
        to_be_built: to_be_built.map(str::to_owned),
    };
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/plan/cases/create/after.toml");
    let text = std::fs::read_to_string(&file).expect("the case has a stack");
    let stack = stack::parse(&text, &file, None).expect("valid");
    let open = Goal::of_stack(
        &stack,
        image("nlu:tag", Some("not there")),
        Some("abc".into()),
    );
    let built = Goal::of_stack(&stack, image("nlu@sha256:4567", None), Some("abc".into()));
    assert_eq!(open.with_image("nlu@sha256:4567".into()), built);
}

/// The hand-over's manager sends one field and what names the object.
#[test]
fn the_hand_over_sends_the_number_alone() {
    let plan = case("autoscaling-on");
    let parts = plan.writes.iter().filter_map(|write| match write {
        Write::Apply { body, manager, .. } if manager == HAND_OVER_MANAGER => Some(body),
        _ => None,
    });
    let parts: Vec<&Value> = parts.collect();
    let [part] = parts.as_slice() else {
        panic!("one hand-over: {parts:?}");
    };
    let spec = part["spec"]
        .as_object()
        .map(|spec| spec.keys().collect::<Vec<_>>());
    assert_eq!(spec.expect("a spec"), ["replicas"]);
}

/// Whatever else would be sent than what was shown is refused.
#[test]
fn a_request_that_was_not_shown_is_named() {
    let shown = case("settings");
    let mut now = shown.clone();
    for write in &mut now.writes {
        if let Write::Apply { body, .. } = write {
            body["metadata"]["labels"]["more"] = "yes".into();
        }
    }
    assert!(moved(&shown, &shown).is_empty());
    let words = moved(&shown, &now).join("; ");
    assert!(words.contains("is not the planned one"), "{words}");
}
