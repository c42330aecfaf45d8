//! The objects that a stack stands for, and what the row of its kind says of one.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use uninlu_stack::Stack;

use super::row::{Facts, Render};
use super::{Going, Kind, Line, ObjectId, Progress, config_map, labels};

/// The objects that a stack stands for, each as the body of a server-side apply.
pub type Desired = BTreeMap<ObjectId, Value>;

/// Renders every object of the stack. A kind that the stack does not want is absent.
pub fn desired(stack: &Stack, facts: &Facts) -> Desired {
    Kind::ALL
        .into_iter()
        .filter_map(|kind| {
            let body = render(kind, stack, facts)?;
            Some((object_id(kind, &body), body))
        })
        .collect()
}

/// The first object of a kind: a stack has one of each.
pub fn of_kind(objects: &Desired, kind: Kind) -> Option<&Value> {
    let mut objects = objects.iter();
    objects
        .find(|(id, _)| id.kind == kind)
        .map(|(_, body)| body)
}

fn render(kind: Kind, stack: &Stack, facts: &Facts) -> Option<Value> {
    let body = match kind.row().render {
        Render::Always(render) => render(stack, facts),
        Render::OnRequest(render) => render(stack)?,
    };
    Some(with_identity(kind, stack, body))
}

/// The ConfigMap of the hot settings.
pub fn settings(stack: &Stack) -> Value {
    with_identity(Kind::ConfigMap, stack, config_map::render(stack))
}

/// Adds apiVersion, kind, name, namespace and labels.
fn with_identity(kind: Kind, stack: &Stack, mut body: Value) -> Value {
    let resource = kind.api_resource();
    let mut metadata = json!({ "name": kind.name_of_object(&stack.name, &stack.namespace) });
    extend(&mut metadata, body["metadata"].take());
    if kind.is_namespaced() {
        metadata["namespace"] = json!(stack.namespace);
    }
    let mut labels = labels::of_object(stack);
    if let Some(own) = metadata["labels"].as_object() {
        labels.extend(own.clone());
    }
    metadata["labels"] = Value::Object(labels);
    body["metadata"] = metadata;
    let mut object = json!({ "apiVersion": resource.api_version, "kind": resource.kind });
    extend(&mut object, body);
    object
}

fn extend(object: &mut Value, more: Value) {
    if let (Value::Object(object), Value::Object(more)) = (object, more) {
        object.extend(more);
    }
}

/// Which object a body is; `None` when its kind is not one of ours.
pub fn identify(body: &Value) -> Option<ObjectId> {
    let kind = Kind::by_name(body["kind"].as_str()?)?;
    (body["apiVersion"] == kind.api_resource().api_version).then(|| object_id(kind, body))
}

fn object_id(kind: Kind, body: &Value) -> ObjectId {
    let text = |key: &str| body["metadata"][key].as_str().map(str::to_owned);
    ObjectId {
        kind,
        namespace: text("namespace"),
        name: text("name").unwrap_or_default(),
    }
}

/// How far an object is, from its live state alone; a Deployment's pods are explained by [`pod::explain`].
pub fn progress(kind: Kind, live: &Value) -> Progress {
    if let Some(going) = Going::of(live) {
        return Progress::Failed(going.words());
    }
    (kind.row().progress)(live)
}

/// What a plan shows of an object that is created. All its fields are in the object.
pub fn summary(kind: Kind, object: &Value) -> Vec<Line> {
    let mut lines = (kind.row().summary)(object);
    lines.retain(|(_, words)| !words.is_empty());
    lines
}
