//! ConfigMap of the hot settings.

use serde_json::{Map, Value, json};
use uninlu_settings::{Settings, variables};

use super::Progress;
use super::row::{Causes, Is, Render, Row};
use super::summary::join;
use uninlu_stack::Stack;

/// Its row in the table of kinds.
pub(super) const ROW: Row = Row {
    group: "",
    version: "v1",
    plural: "configmaps",
    is_namespaced: true,
    has_rivals: false,
    name: |stack, _| name_of(stack),
    render: Render::Always(|stack, _| render(stack)),
    progress: |_| Progress::Ready,
    summary: |object| vec![("data", data(object))],
    causes: &[("", CAUSES)],
    shapes: &[(&[], &[("data settings.toml", Is::Text)])],
};

const CAUSES: Causes = &[(".data", "server")];

pub(super) fn name_of(stack_name: &str) -> String {
    format!("{stack_name}-settings")
}

fn data(object: &Value) -> String {
    let data = object["data"].as_object().into_iter().flatten();
    let files = data.map(
        |(name, text)| match text.as_str().unwrap_or_default().trim() {
            "" => format!("{name} is empty: the server uses its defaults"),
            text => format!("{name}: {}", text.lines().collect::<Vec<_>>().join("; ")),
        },
    );
    join(files)
}

pub(super) fn render(stack: &Stack) -> Value {
    // Numbers and plain texts are the same in JSON and TOML.
    let lines = written(&stack.server)
        .into_iter()
        .map(|(key, value)| format!("{key} = {value}\n"));
    let settings: String = lines.collect();
    json!({ "metadata": {}, "data": { variables::SETTINGS_FILE: settings } })
}

/// The keys and values that a stack writes.
pub(super) fn written(settings: &Settings) -> Map<String, Value> {
    match serde_json::to_value(settings) {
        Ok(Value::Object(entries)) => entries,
        _ => Map::new(),
    }
}
