//! Service in front of the pods.

use serde_json::{Value, json};

use super::row::{Causes, Is, PROTOCOLS, Render, Row, Shape};
use super::summary::{items, join, scalar};
use super::{Progress, labels};
use uninlu_stack::Stack;

/// Name of the port in the container, the Service and the ServiceMonitor.
pub(super) const PORT_NAME: &str = "http";
/// Name of the port of probes and metrics, where they have their own.
pub(super) const MANAGEMENT_NAME: &str = "management";

/// Name of the container's port on which probes and metrics are answered.
pub(super) fn probed_name(stack: &Stack) -> &'static str {
    match stack.service.management_port {
        Some(_) => MANAGEMENT_NAME,
        None => PORT_NAME,
    }
}

/// Its row in the table of kinds.
pub(super) const ROW: Row = Row {
    group: "",
    version: "v1",
    plural: "services",
    is_namespaced: true,
    has_rivals: true,
    name: |stack, _| stack.to_owned(),
    render: Render::Always(|stack, _| render(stack)),
    progress: |_| Progress::Ready,
    summary: |object| vec![("ports", shown_ports(object))],
    causes: &[("", CAUSES)],
    shapes: &[(&[], SHAPE)],
};

const CAUSES: Causes = &[
    (
        ".spec.ports[management",
        "service.management-port service.port",
    ),
    (".spec.ports", "service.port service.management-port"),
    (".spec.type", "service.type"),
    (".metadata.annotations", "service.annotations"),
];

const SHAPE: Shape = &[
    ("metadata annotations", Is::Texts),
    (
        "spec type",
        Is::OneOf(&["ClusterIP", "NodePort", "LoadBalancer"]),
    ),
    ("spec selector", Is::Selector),
    ("spec ports * name", Is::Text),
    ("spec ports * protocol", PROTOCOLS),
    ("spec ports * port", Is::Number),
    ("spec ports * targetPort", Is::Text),
];

fn shown_ports(object: &Value) -> String {
    let spec = &object["spec"];
    let ports = items(&spec["ports"]).map(|port| {
        format!(
            "{} {} → {}",
            scalar(&port["name"]),
            scalar(&port["port"]),
            scalar(&port["targetPort"])
        )
    });
    format!("{} ({})", join(ports), scalar(&spec["type"]))
}

pub(super) fn render(stack: &Stack) -> Value {
    let mut metadata = json!({});
    if !stack.service.annotations.is_empty() {
        metadata["annotations"] = json!(stack.service.annotations);
    }
    json!({
        "metadata": metadata,
        "spec": {
            "type": stack.service.kind,
            "selector": labels::selector(stack),
            "ports": ports(stack),
        },
    })
}

fn ports(stack: &Stack) -> Vec<Value> {
    let port = |name: &str, port: u16| json!({ "name": name, "protocol": "TCP", "port": port, "targetPort": name });
    let service = &stack.service;
    let management = service
        .management_port
        .filter(|_| service.shows_management());
    let management = management.map(|number| port(MANAGEMENT_NAME, number));
    [port(PORT_NAME, service.port)]
        .into_iter()
        .chain(management)
        .collect()
}
