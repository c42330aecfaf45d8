//! Namespace, only on request.

use serde_json::{Value, json};

use super::Progress;
use super::row::{Causes, Render, Row};
use uninlu_stack::{ModelSource, Stack};

/// Its row in the table of kinds.
pub(super) const ROW: Row = Row {
    group: "",
    version: "v1",
    plural: "namespaces",
    is_namespaced: false,
    has_rivals: false,
    name: |_, namespace| namespace.to_owned(),
    render: Render::OnRequest(render),
    progress: |_| Progress::Ready,
    summary: |_| Vec::new(),
    causes: &[("", CAUSES)],
    shapes: &[],
};

const CAUSES: Causes = &[
    (".metadata.labels[\"pod-security", "model.source"),
    ("", "cluster.create-namespace"),
];

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
    Some(json!({ "metadata": { "labels": { mode: "restricted" } } }))
}
