//! Who owns a field: `metadata.managedFields`, as server-side apply keeps it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use uninlu_objects::{MANAGER, items, written};

/// Who set a field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Owner {
    /// Field manager, `kubectl-edit`.
    pub manager: String,
    /// `Apply` or `Update`.
    pub operation: String,
    /// When, as the API server wrote it (RFC 3339).
    pub time: String,
}

/// The manager other than us that owns the field at `path` (as [`super::diff`] writes paths).
pub fn foreign_owner(live: &Value, path: &str) -> Option<Owner> {
    entries(live)
        .filter(|entry| entry["manager"] != MANAGER && owns(&entry["fieldsV1"], &segments(path)))
        .max_by_key(|entry| entry["time"].as_str().unwrap_or_default().to_owned())
        .map(owner)
}

/// Whether the manager `name` owns `path` through an apply.
pub fn is_applied_by(live: &Value, name: &str, path: &str) -> bool {
    entries(live).any(|entry| {
        entry["manager"] == name
            && entry["operation"] == "Apply"
            && entry["subresource"].is_null()
            && owns(&entry["fieldsV1"], &segments(path))
    })
}

/// Whether we ever applied the object.
pub fn is_managed_by_us(live: &Value) -> bool {
    entries(live).any(|entry| entry["manager"] == MANAGER)
}

fn entries(live: &Value) -> impl Iterator<Item = &Value> {
    items(&live["metadata"]["managedFields"])
}

fn owner(entry: &Value) -> Owner {
    let text = |key: &str| entry[key].as_str().unwrap_or_default().to_owned();
    Owner {
        manager: text("manager"),
        operation: text("operation"),
        time: text("time"),
    }
}

/// `.spec.containers[server].image` → `spec`, `containers`, `[server]`, `image`.
fn segments(path: &str) -> Vec<String> {
    let mut segments = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        if let Some(bracket) = rest.strip_prefix('[') {
            let end = bracket.find(']').unwrap_or(bracket.len());
            segments.push(format!("[{}]", bracket[..end].trim_matches('"')));
            rest = bracket.get(end + 1..).unwrap_or_default();
        } else {
            let field = rest.strip_prefix('.').unwrap_or(rest);
            let end = field.find(['.', '[']).unwrap_or(field.len());
            segments.push(field[..end].to_owned());
            rest = &field[end..];
        }
    }
    segments
}

/// Whether the field set holds the path, a part of it, or something below it.
fn owns(fields: &Value, segments: &[String]) -> bool {
    let Some((first, rest)) = segments.split_first() else {
        return true;
    };
    let Some(set) = fields.as_object() else {
        return false;
    };
    if set.is_empty() {
        return false;
    }
    let child = match first
        .strip_prefix('[')
        .and_then(|item| item.strip_suffix(']'))
    {
        Some(item) => set.iter().find(|(key, _)| is_item(key, item)),
        None => set
            .iter()
            .find(|(key, _)| key.strip_prefix("f:") == Some(first)),
    };
    child.is_some_and(|(_, below)| {
        below.as_object().is_some_and(serde_json::Map::is_empty) || owns(below, rest)
    })
}

/// `k:{"name":"server"}` names the list item `server`; `f:settings.toml` the quoted key.
fn is_item(key: &str, item: &str) -> bool {
    if key.strip_prefix("f:") == Some(item) {
        return true;
    }
    let Some(keys) = key
        .strip_prefix("k:")
        .and_then(|json| serde_json::from_str::<Value>(json).ok())
    else {
        return false;
    };
    keys.as_object()
        .is_some_and(|keys| keys.values().any(|value| written(value) == item))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object() -> Value {
        json!({ "metadata": { "managedFields": [
            { "manager": "uninlu", "operation": "Apply", "time": "2026-01-01T00:00:00Z",
              "fieldsV1": { "f:spec": { "f:replicas": {} } } },
            { "manager": "kubectl-edit", "operation": "Update", "time": "2026-01-02T00:00:00Z", "fieldsV1": { "f:spec":
                { "f:template": { "f:spec": { "f:containers": { "k:{\"name\":\"server\"}": { "f:image": {} } } } } },
                "f:data": { "f:settings.toml": {} } } },
        ] } })
    }

    #[test]
    fn the_owner_of_a_field_in_a_list_item_is_found() {
        let owner = foreign_owner(&object(), ".spec.template.spec.containers[server].image")
            .expect("an owner");
        assert_eq!(
            (owner.manager.as_str(), owner.operation.as_str()),
            ("kubectl-edit", "Update")
        );
    }

    #[test]
    fn a_quoted_key_is_found() {
        assert!(foreign_owner(&object(), r#".data["settings.toml"]"#).is_some());
    }

    #[test]
    fn an_item_with_a_number_as_its_key_is_found() {
        let ports = json!({ "f:spec": { "f:ports": { r#"k:{"port":80,"protocol":"TCP"}"#: { "f:port": {} } } } });
        let live =
            json!({ "metadata": { "managedFields": [{ "manager": "other", "fieldsV1": ports }] } });
        assert!(foreign_owner(&live, ".spec.ports[80].port").is_some());
    }

    #[test]
    fn our_own_fields_have_no_foreign_owner() {
        assert_eq!(foreign_owner(&object(), ".spec.replicas"), None);
        assert!(is_applied_by(&object(), "uninlu", ".spec.replicas"));
        assert!(!is_applied_by(&object(), "uninlu", ".spec.paused"));
    }
}
