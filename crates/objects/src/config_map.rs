//! ConfigMap of the hot settings.

use serde_json::{Value, json};

use uninlu_stack::Stack;

/// Folder in which the container sees the settings. The whole folder is mounted: a file mounted by `subPath` is never
/// updated in a running pod.
pub(super) const FOLDER: &str = "/etc/uninlu";
/// The settings file in that folder.
pub(super) const FILE: &str = "settings.toml";

pub(super) fn name(stack: &Stack) -> String {
    name_of(&stack.name)
}

pub(super) fn name_of(stack_name: &str) -> String {
    format!("{stack_name}-settings")
}

pub(super) fn render(stack: &Stack) -> Value {
    let entries = stack.server.entries().into_iter();
    // Numbers and plain texts are the same in JSON and TOML.
    let lines = entries.map(|(key, value)| format!("{key} = {value}\n"));
    let settings: String = lines.collect();
    json!({ "metadata": { "name": name(stack) }, "data": { FILE: settings } })
}
