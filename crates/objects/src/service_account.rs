//! ServiceAccount: an identity of its own, without a token, since the server never calls the API.

use serde_json::{Value, json};

use uninlu_stack::Stack;

pub(super) fn render(_: &Stack) -> Value {
    json!({ "metadata": {}, "automountServiceAccountToken": false })
}
