//! Namespace, only on request.

use serde_json::{Value, json};

use uninlu_stack::{ModelSource, Stack};

/// PodSecurity's level is enforced at `restricted`, which our pods meet; a model from a host path meets no level, so
/// that such a namespace only warns.
pub(super) fn render(stack: &Stack) -> Option<Value> {
    if !stack.cluster.create_namespace {
        return None;
    }
    let mode = match stack.model.source {
        ModelSource::HostPath { .. } => "pod-security.kubernetes.io/warn",
        ModelSource::Pvc { .. } | ModelSource::Image { .. } => "pod-security.kubernetes.io/enforce",
    };
    Some(json!({ "metadata": { "name": stack.namespace, "labels": { mode: "restricted" } } }))
}
