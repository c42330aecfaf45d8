//! ConfigMap of the hot settings.

use serde_json::{Value, json};

use crate::stack::Stack;

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
    let server = &stack.server;
    let mut settings = format!(
        "max-length = {}\nbatch-tokens = {}\nmax-wait = \"{}\"\n",
        server.max_length, server.batch_tokens, server.max_wait
    );
    // Only where they are written: a server from before these keys refuses a file that holds one.
    for (key, value) in [("max-work", server.max_work), ("max-time", server.max_time)] {
        if let Some(value) = value {
            settings += &format!("{key} = \"{value}\"\n");
        }
    }
    if let Some(level) = server.log_level {
        settings += &format!("log-level = \"{}\"\n", level.name());
    }
    json!({ "metadata": { "name": name(stack) }, "data": { FILE: settings } })
}
