//! What a live object says of itself.

use serde_json::Value;

/// How far an object is, for a wait that can explain itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// As wanted.
    Ready,
    /// Not yet, and why.
    Waiting(String),
    /// It will not come by itself, and why.
    Failed(String),
}

/// The condition of that type in `status.conditions`: its status and, in words, why.
pub(super) fn condition<'a>(live: &'a Value, kind: &str) -> Option<(&'a str, &'a str, &'a str)> {
    let conditions = live["status"]["conditions"].as_array()?;
    let condition = conditions
        .iter()
        .find(|condition| condition["type"] == kind)?;
    let text = |key: &str| condition[key].as_str().unwrap_or_default();
    Some((text("status"), text("reason"), text("message")))
}

/// Whether the controller has seen the latest change; everything else in `status` is about the past until then.
pub(super) fn is_observed(live: &Value) -> bool {
    live["metadata"]["generation"] == live["status"]["observedGeneration"]
}
