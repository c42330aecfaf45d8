//! Plans without a cluster: a folder of `tests/plan/cases` is a case, and adding one adds no Rust.
//!
//! `after.toml` is the stack to plan, `before.toml` (if it is there) the stack that was applied earlier: what it renders
//! is what the cluster holds. `cluster.yaml` (if it is there) says in what the cluster differs from that.

mod destruction;
mod file;
mod merge;
mod moved;
mod outlook;
mod provenance;
mod writes;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use uninlu::document::Document;
use uninlu::kinds::{Desired, Kind, MANAGER, ObjectId};
use uninlu::plan::{
    self, Cause, Conflict, Goal, Live, PlannedImage, Prediction, apply_set, render,
};
use uninlu::stack;

use merge::merge;

/// In what the cluster differs from what `before.toml` renders; by kind, since a stack has one object of most.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct Cluster {
    /// Merge patches over the live objects.
    live: BTreeMap<String, Value>,
    /// Entries of `managedFields` besides our own.
    managers: BTreeMap<String, Vec<Value>>,
    /// Conflicts that the API server answers.
    conflicts: BTreeMap<String, Vec<(String, String)>>,
    /// Immutable fields that the API server names.
    immutable: BTreeMap<String, Vec<(String, String)>>,
    /// Kinds whose live object the list by our labels does not show: it is somebody else's, or was deleted.
    not_listed: Vec<String>,
    /// Kinds of `before.toml` whose object does not exist.
    missing: Vec<String>,
    /// Kinds that the ApplySet's parent names besides those of `before.toml`: an apply that added them was killed.
    recorded: Vec<String>,
    /// Why the image must be built first.
    to_be_built: Option<String>,
}

#[test]
fn plans_of_the_cases() {
    insta::glob!("cases/*", |folder| {
        insta::assert_snapshot!(told(planned(folder)));
    });
}

fn planned(folder: &Path) -> Result<plan::Plan, plan::Refusal> {
    let goal = goal(&folder.join("after.toml")).expect("a case has an after.toml");
    planned_from(folder, applied_before(folder), goal)
}

/// What `before.toml` renders.
fn applied_before(folder: &Path) -> Option<Desired> {
    goal(&folder.join("before.toml")).map(|before| before.objects)
}

fn planned_from(
    folder: &Path,
    before: Option<Desired>,
    mut goal: Goal,
) -> Result<plan::Plan, plan::Refusal> {
    let cluster = fs::read_to_string(folder.join("cluster.yaml"))
        .map(|text| serde_saphyr::from_str(&text).expect("cluster.yaml is valid"))
        .unwrap_or_default();
    let live = live(&goal, before.as_ref(), &cluster);
    goal.image.to_be_built = cluster.to_be_built;
    plan::plan(goal, &live)
}

const IMAGE: &str = "registry.test/siamese-uninlu@sha256:0123";

/// A table for a pull request, and the plan as it is for whoever unfolds it.
#[test]
fn a_plan_as_markdown() {
    for case in ["prune", "unchanged"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/plan/cases")
            .join(case);
        let plan = planned(&folder).expect("nothing is in its way");
        insta::assert_snapshot!(format!("markdown-{case}"), render::markdown(&plan, None));
    }
}

/// The plan for people and for programs, or why there is none.
fn told(plan: Result<plan::Plan, plan::Refusal>) -> String {
    match plan {
        Ok(plan) => {
            let text = uninlu::ui::plain(&render::text(&plan, None, render::Detail::Brief));
            let planned = render::json(&plan, None, &[]);
            let document = Document::new("plan", &plan.goal.target, planned);
            let mut json = serde_json::to_value(document).expect("a plan is JSON");
            // It covers the bodies too, which are the matter of other snapshots.
            json["digest"] = "DIGEST".into();
            json["digests"] = "DIGESTS".into();
            format!("{text}\n{json:#}")
        }
        Err(refusal) => format!("{:?}", miette::Report::from(refusal)),
    }
}

fn goal(file: &Path) -> Option<Goal> {
    let text = fs::read_to_string(file).ok()?;
    let stack = stack::parse(&text, file, None).expect("the case's stack is valid");
    let image = PlannedImage {
        reference: IMAGE.into(),
        to_be_built: None,
    };
    Some(Goal::of_stack(&stack, image, None))
}

fn live(goal: &Goal, before: Option<&Desired>, cluster: &Cluster) -> Live {
    let after = &goal.objects;
    let mut ours: BTreeMap<ObjectId, Value> = before
        .into_iter()
        .flatten()
        .map(|(id, body)| (id.clone(), applied(id, body, cluster)))
        .collect();
    let predictions = after
        .iter()
        .map(|(id, body)| (id.clone(), prediction(id, body, before, cluster)))
        .collect();
    if let Some(before) = before {
        let parent = apply_set::parent_id(&goal.target);
        let recorded = cluster.recorded.iter();
        let recorded = recorded.map(|name| Kind::by_name(name).expect("a kind of ours"));
        let kinds = before.keys().map(|id| id.kind).chain(recorded).collect();
        let body = apply_set::parent_body(&goal.target.stack, &parent, &kinds);
        ours.insert(parent, body);
    }
    let hidden = cluster.not_listed.iter().chain(&cluster.missing);
    ours.retain(|id, _| !hidden.clone().any(|kind| kind == id.kind.name()));
    Live {
        ours,
        predictions,
        ..Live::default()
    }
}

/// What the cluster holds after an apply of `body`, and after what others did since.
fn applied(id: &ObjectId, body: &Value, cluster: &Cluster) -> Value {
    let mut object = existing(body);
    let mut managers = vec![json!({
        "manager": MANAGER, "operation": "Apply", "time": "2026-01-01T00:00:00Z", "fieldsV1": fields(body),
    })];
    managers.extend(
        cluster
            .managers
            .get(id.kind.name())
            .into_iter()
            .flatten()
            .cloned(),
    );
    object["metadata"]["managedFields"] = json!(managers);
    if let Some(patch) = cluster.live.get(id.kind.name()) {
        merge(&mut object, patch);
    }
    object
}

fn existing(body: &Value) -> Value {
    let mut object = body.clone();
    object["metadata"]["uid"] = json!("11111111-1111-1111-1111-111111111111");
    object["metadata"]["resourceVersion"] = json!("1");
    object
}

fn prediction(
    id: &ObjectId,
    body: &Value,
    before: Option<&Desired>,
    cluster: &Cluster,
) -> Prediction {
    let kind = id.kind.name();
    let pairs = |pairs: &Vec<(String, String)>| pairs.clone().into_iter();
    let conflicts = cluster.conflicts.get(kind).map(|conflicts| {
        pairs(conflicts)
            .map(|(field, manager)| Conflict { field, manager })
            .collect()
    });
    if let Some(immutable) = cluster.immutable.get(kind) {
        return Prediction::Immutable {
            causes: pairs(immutable)
                .map(|(field, message)| Cause { field, message })
                .collect(),
            conflicts: conflicts.unwrap_or_default(),
        };
    }
    if let Some(conflicts) = conflicts {
        return Prediction::Conflicting {
            forced: existing(body),
            conflicts,
        };
    }
    match before {
        None if id.kind != Kind::Namespace => Prediction::NamespaceMissing,
        Some(before) if before.contains_key(id) && !cluster.missing.iter().any(|it| it == kind) => {
            Prediction::Applied(existing(body))
        }
        _ => Prediction::Applied(body.clone()),
    }
}

/// The field set of everything in the body; lists are owned whole, which is enough here.
fn fields(body: &Value) -> Value {
    match body {
        Value::Object(object) => Value::Object(
            object
                .iter()
                .map(|(key, value)| (format!("f:{key}"), fields(value)))
                .collect(),
        ),
        _ => Value::Object(Map::new()),
    }
}
