//! Labels: recommended ones on every object, a never-changing pair as the selector.

use serde_json::{Map, Value, json};

use uninlu_stack::Stack;

/// Value of `app.kubernetes.io/managed-by`, and the field manager of every write.
pub const MANAGER: &str = "uninlu";
/// Label that tells a stack's objects from another's.
pub const INSTANCE: &str = "app.kubernetes.io/instance";
/// Label that tells our objects from others'.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// The pod's only container.
pub const CONTAINER: &str = "server";

/// What the service is, whatever it is called.
pub(super) const NAME: &str = "siamese-uninlu";
/// The label that says so.
pub(super) const NAME_LABEL: &str = "app.kubernetes.io/name";

/// Label selector of everything that belongs to the stack.
pub fn instance_selector(stack_name: &str) -> String {
    format!("{MANAGED_BY}={MANAGER},{INSTANCE}={stack_name}")
}

/// The labels of every object: the recommended ones and the stack's own.
pub(super) fn of_object(stack: &Stack) -> Map<String, Value> {
    let mut labels = selector(stack);
    labels.insert(
        "app.kubernetes.io/component".into(),
        json!("inference-server"),
    );
    labels.insert("app.kubernetes.io/part-of".into(), json!("uninlu"));
    labels.insert(MANAGED_BY.into(), json!(MANAGER));
    labels.extend(
        stack
            .labels
            .iter()
            .map(|(key, value)| (key.clone(), json!(value))),
    );
    labels
}

/// The labels by which pods are selected. A Deployment's selector is immutable: nothing that may change stands here.
pub(super) fn selector(stack: &Stack) -> Map<String, Value> {
    Map::from_iter([
        (NAME_LABEL.to_owned(), json!(NAME)),
        (INSTANCE.to_owned(), json!(stack.name)),
    ])
}
