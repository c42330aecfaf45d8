//! An object on its way out: it was deleted, and stays until its finalizers are gone.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::summary::items;

/// Since when an object is being deleted, and what holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Going {
    /// Its uid: an object that is made after it has another one.
    pub uid: Option<String>,
    /// `metadata.deletionTimestamp` (RFC 3339); it includes the grace period.
    pub since: String,
    /// Its finalizers; of a namespace, what its controller says about the rest of its content.
    pub held_by: Vec<String>,
}

impl Going {
    /// `None` when nobody deleted the object.
    pub fn of(live: &Value) -> Option<Self> {
        let metadata = &live["metadata"];
        let since = metadata["deletionTimestamp"].as_str()?.to_owned();
        let mut held_by: Vec<String> = items(&metadata["finalizers"])
            .filter_map(Value::as_str)
            .map(|name| format!("finalizer {name}"))
            .collect();
        held_by.extend(rest_of_namespace(live));
        Some(Self {
            uid: metadata["uid"].as_str().map(str::to_owned),
            since,
            held_by,
        })
    }

    /// `is being deleted since 2026-11-28T19:00:00Z, held by finalizer example.com/cleanup`
    pub fn words(&self) -> String {
        let since = format!("is being deleted since {}", self.since);
        match self.held_by.as_slice() {
            [] => since,
            held_by => format!("{since}, held by {}", held_by.join(", ")),
        }
    }
}

/// The namespace controller writes what is left and why into conditions (`NamespaceContentRemaining`,
/// `NamespaceFinalizersRemaining`, `NamespaceDeletionDiscoveryFailure`, …) of status `True`.
fn rest_of_namespace(live: &Value) -> impl Iterator<Item = String> {
    items(&live["status"]["conditions"])
        .filter(|condition| {
            let kind = condition["type"].as_str().unwrap_or_default();
            kind.starts_with("Namespace") && condition["status"] == "True"
        })
        .filter_map(|condition| condition["message"].as_str().map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn words(live: &Value) -> Option<String> {
        Going::of(live).map(|going| going.words())
    }

    #[test]
    fn what_is_not_deleted_is_not_going() {
        assert_eq!(
            words(&json!({ "metadata": { "finalizers": ["a/b"] } })),
            None
        );
    }

    #[test]
    fn finalizers_are_named() {
        let held =
            json!({ "metadata": { "deletionTimestamp": "T", "finalizers": ["a/b", "c/d"] } });
        let expected = "is being deleted since T, held by finalizer a/b, finalizer c/d";
        assert_eq!(words(&held).as_deref(), Some(expected));
        let free = json!({ "metadata": { "deletionTimestamp": "T" } });
        assert_eq!(words(&free).as_deref(), Some("is being deleted since T"));
    }

    #[test]
    fn of_a_namespace_the_content_that_is_left_is_named() {
        let namespace = json!({ "metadata": { "deletionTimestamp": "T" }, "spec": { "finalizers": ["kubernetes"] },
            "status": { "phase": "Terminating", "conditions": [
                { "type": "NamespaceDeletionContentFailure", "status": "False", "message": "All content successfully deleted" },
                { "type": "NamespaceFinalizersRemaining", "status": "True", "message": "a/b in 1 resource instances" },
            ] } });
        let expected = "is being deleted since T, held by a/b in 1 resource instances";
        assert_eq!(words(&namespace).as_deref(), Some(expected));
    }
}
