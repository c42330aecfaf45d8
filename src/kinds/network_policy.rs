//! NetworkPolicy: callers reach the server's port, the server calls nobody.

use serde_json::{Value, json};

use super::labels;
use crate::stack::{CONTAINER_PORT, Stack};

pub(super) fn render(stack: &Stack) -> Option<Value> {
    if !stack.network.policy {
        return None;
    }
    let mut ingress = json!({ "ports": [{ "protocol": "TCP", "port": CONTAINER_PORT }] });
    if !stack.network.from_namespaces.is_empty() {
        ingress["from"] = json!([{ "namespaceSelector": { "matchExpressions": [{
            "key": "kubernetes.io/metadata.name",
            "operator": "In",
            "values": stack.network.from_namespaces,
        }] } }]);
    }
    Some(json!({
        "metadata": {},
        "spec": {
            "podSelector": { "matchLabels": labels::selector(stack) },
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [ingress],
        },
    }))
}
