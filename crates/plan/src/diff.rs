//! The difference of two objects, field by field.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// One field that differs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FieldChange {
    /// Path in the object; list items are named by their key: `.spec.template.spec.containers[server].image`.
    pub path: String,
    /// Value now; absent when the field is new.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Value>,
    /// Value after the apply; absent when the field goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Value>,
    /// Who set the present value, when it was not us.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<super::owner::Owner>,
    /// The key of the stack file that says so, and its place: `replicas, uninlu.toml:3`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
}

/// Fields of `metadata` that the API server keeps for itself or invents in a dry run.
const BOOKKEEPING: [&str; 7] = [
    "managedFields",
    "resourceVersion",
    "uid",
    "generation",
    "creationTimestamp",
    "selfLink",
    "deletionGracePeriodSeconds",
];

/// Annotations that controllers write about an object.
const CONTROLLERS_ANNOTATIONS: [&str; 1] = ["deployment.kubernetes.io/revision"];

/// Every field in which `to` differs from `from`, in the order of their paths. Status and bookkeeping do not count.
pub fn diff(from: &Value, to: &Value) -> Vec<FieldChange> {
    let mut changes = Vec::new();
    compare("", &comparable(from), &comparable(to), &mut changes);
    changes
}

/// Every field of an object that is created: its scalars, and its lists that have no keys as a whole.
pub fn fields_of(object: &Value) -> Vec<FieldChange> {
    let mut fields = Vec::new();
    add_fields("", &comparable(object), &mut fields);
    let is_coordinate = |path: &str| {
        [
            ".apiVersion",
            ".kind",
            ".metadata.name",
            ".metadata.namespace",
        ]
        .contains(&path)
    };
    fields.retain(|field| !is_coordinate(&field.path));
    fields
}

fn add_fields(path: &str, value: &Value, fields: &mut Vec<FieldChange>) {
    match value {
        Value::Object(of) if !of.is_empty() => {
            for (key, value) in of {
                add_fields(&format!("{path}{}", segment(key)), value, fields);
            }
        }
        Value::Array(items) if !items.is_empty() && is_keyed(items) => {
            for item in items {
                let key = item_key(item).unwrap_or_default();
                add_fields(&format!("{path}[{key}]"), item, fields);
            }
        }
        value => fields.push(change(path.to_owned(), None, Some(value))),
    }
}

fn comparable(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
        if let Some(metadata) = fields.get_mut("metadata").and_then(Value::as_object_mut) {
            BOOKKEEPING
                .iter()
                .for_each(|key| drop(metadata.remove(*key)));
            if let Some(annotations) = metadata
                .get_mut("annotations")
                .and_then(Value::as_object_mut)
            {
                CONTROLLERS_ANNOTATIONS
                    .iter()
                    .for_each(|key| drop(annotations.remove(*key)));
                if annotations.is_empty() {
                    metadata.remove("annotations");
                }
            }
        }
    }
    object
}

fn compare(path: &str, from: &Value, to: &Value, changes: &mut Vec<FieldChange>) {
    match (from, to) {
        (Value::Object(from), Value::Object(to)) => compare_objects(path, from, to, changes),
        (Value::Array(from), Value::Array(to)) if is_keyed(from) && is_keyed(to) => {
            compare_keyed(path, from, to, changes)
        }
        _ if from == to => (),
        _ => changes.push(change(path.to_owned(), Some(from), Some(to))),
    }
}

fn compare_objects(
    path: &str,
    from: &Map<String, Value>,
    to: &Map<String, Value>,
    changes: &mut Vec<FieldChange>,
) {
    let mut keys: Vec<&String> = from.keys().chain(to.keys()).collect();
    keys.sort_unstable();
    keys.dedup();
    for key in keys {
        let path = format!("{path}{}", segment(key));
        match (from.get(key), to.get(key)) {
            (Some(from), Some(to)) => compare(&path, from, to, changes),
            (from, to) => changes.push(change(path, from, to)),
        }
    }
}

/// Keys with dots or slashes (labels, file names) are quoted, so that a path can be read back.
pub(super) fn segment(key: &str) -> String {
    if key.contains(['.', '/', '[']) {
        format!("[{key:?}]")
    } else {
        format!(".{key}")
    }
}

/// List items are matched by the key that Kubernetes merges them by, not by their place: an inserted item must not
/// make all later ones look changed.
pub(super) fn item_key(item: &Value) -> Option<String> {
    [
        "name",
        "mountPath",
        "containerPort",
        "port",
        "topologyKey",
        "type",
        "key",
    ]
    .iter()
    .find_map(|key| match item.get(*key)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    })
}

pub(super) fn is_keyed(items: &[Value]) -> bool {
    let mut keys: Vec<Option<String>> = items.iter().map(item_key).collect();
    keys.sort_unstable();
    keys.iter().all(Option::is_some) && keys.windows(2).all(|pair| pair[0] != pair[1])
}

fn compare_keyed(path: &str, from: &[Value], to: &[Value], changes: &mut Vec<FieldChange>) {
    let find = |items: &[Value], key: &Option<String>| {
        items.iter().find(|item| item_key(item) == *key).cloned()
    };
    for item in from {
        let key = item_key(item);
        let path = format!("{path}[{}]", key.as_deref().unwrap_or_default());
        match find(to, &key) {
            Some(other) => compare(&path, item, &other, changes),
            None => changes.push(change(path, Some(item), None)),
        }
    }
    for item in to {
        let key = item_key(item);
        if find(from, &key).is_none() {
            let path = format!("{path}[{}]", key.as_deref().unwrap_or_default());
            changes.push(change(path, None, Some(item)));
        }
    }
}

fn change(path: String, from: Option<&Value>, to: Option<&Value>) -> FieldChange {
    FieldChange {
        path,
        from: from.cloned(),
        to: to.cloned(),
        owner: None,
        because: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn paths(from: Value, to: Value) -> Vec<String> {
        diff(&from, &to)
            .into_iter()
            .map(|change| change.path)
            .collect()
    }

    #[test]
    fn bookkeeping_and_status_are_no_differences() {
        let from = json!({ "metadata": { "uid": "a", "resourceVersion": "1", "generation": 1 }, "status": { "ready": 1 } });
        let to = json!({ "metadata": { "uid": "b" }, "status": {} });
        assert!(paths(from, to).is_empty());
    }

    /// The controller may write its annotation between the list and the dry run.
    #[test]
    fn an_annotation_of_a_controller_is_no_difference_where_it_is_the_only_one() {
        let written =
            json!({ "metadata": { "annotations": { "deployment.kubernetes.io/revision": "1" } } });
        assert!(paths(written.clone(), json!({ "metadata": {} })).is_empty());
        assert!(paths(json!({ "metadata": {} }), written).is_empty());
    }

    #[test]
    fn list_items_are_matched_by_name() {
        let from = json!({ "env": [{ "name": "A", "value": "1" }, { "name": "B", "value": "2" }] });
        let to = json!({ "env": [{ "name": "NEW", "value": "0" }, { "name": "A", "value": "1" }, { "name": "B", "value": "3" }] });
        assert_eq!(paths(from, to), [".env[B].value", ".env[NEW]"]);
    }

    #[test]
    fn a_list_without_keys_is_compared_whole() {
        assert_eq!(
            paths(json!({ "args": ["a"] }), json!({ "args": ["a", "b"] })),
            [".args"]
        );
    }

    #[test]
    fn keys_with_dots_are_quoted() {
        let from = json!({ "data": { "settings.toml": "x" } });
        assert_eq!(
            paths(from, json!({ "data": {} })),
            [r#".data["settings.toml"]"#]
        );
    }
}
