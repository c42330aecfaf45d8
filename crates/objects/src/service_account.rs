//! ServiceAccount: an identity of its own, without a token, since the server never calls the API.

use serde_json::{Value, json};

use super::Progress;
use super::row::{Is, Render, Row};
use uninlu_stack::Stack;

/// Its row in the table of kinds.
pub(super) const ROW: Row = Row {
    group: "",
    version: "v1",
    plural: "serviceaccounts",
    is_namespaced: true,
    has_rivals: false,
    name: |stack, _| stack.to_owned(),
    render: Render::Always(|stack, _| render(stack)),
    progress: |_| Progress::Ready,
    summary: |_| Vec::new(),
    causes: &[],
    shapes: &[(&[], &[("automountServiceAccountToken", Is::False)])],
};

pub(super) fn render(_: &Stack) -> Value {
    json!({ "metadata": {}, "automountServiceAccountToken": false })
}
