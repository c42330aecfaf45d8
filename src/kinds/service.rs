//! Service in front of the pods.

use serde_json::{Value, json};

use super::labels;
use crate::stack::Stack;

/// Name of the port in the container, the Service and the ServiceMonitor.
pub(super) const PORT_NAME: &str = "http";

pub(super) fn render(stack: &Stack) -> Value {
    let mut metadata = json!({});
    if !stack.service.annotations.is_empty() {
        metadata["annotations"] = json!(stack.service.annotations);
    }
    json!({
        "metadata": metadata,
        "spec": {
            "type": stack.service.kind.name(),
            "selector": labels::selector(stack),
            "ports": [{
                "name": PORT_NAME,
                "protocol": "TCP",
                "port": stack.service.port,
                "targetPort": PORT_NAME,
            }],
        },
    })
}
