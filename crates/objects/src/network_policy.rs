//! NetworkPolicy: callers reach the server's port, the server calls nobody but the collector of its traces.

use serde_json::{Value, json};

use super::row::{Causes, Is, PROTOCOLS, Render, Row, Shape};
use super::summary::{Line, items, join, scalar};
use super::{Progress, labels};
use uninlu_stack::{CONTAINER_PORT, Stack};

/// Its row in the table of kinds.
pub(super) const ROW: Row = Row {
    group: "networking.k8s.io",
    version: "v1",
    plural: "networkpolicies",
    is_namespaced: true,
    has_rivals: false,
    name: |stack, _| stack.to_owned(),
    render: Render::OnRequest(render),
    progress: |_| Progress::Ready,
    summary,
    causes: &[("", CAUSES)],
    shapes: &[(&[], SHAPE)],
};

const CAUSES: Causes = &[
    (".spec.egress", "tracing.endpoint"),
    (
        ".spec.ingress",
        "network.from-namespaces service.management-port",
    ),
    ("", "network.policy"),
];

const SHAPE: Shape = &[
    ("spec podSelector matchLabels", Is::Selector),
    ("spec policyTypes *", Is::OneOf(&["Ingress", "Egress"])),
    ("spec * * ports * port", Is::Number),
    ("spec * * ports * protocol", PROTOCOLS),
    (
        "spec ingress * from * namespaceSelector matchExpressions * key",
        Is::Text,
    ),
    (
        "spec ingress * from * namespaceSelector matchExpressions * operator",
        Is::Exactly("In"),
    ),
    (
        "spec ingress * from * namespaceSelector matchExpressions * values *",
        Is::Text,
    ),
];

fn summary(object: &Value) -> Vec<Line> {
    let spec = &object["spec"];
    let ports = items(&spec["ingress"]).flat_map(|rule| items(&rule["ports"]));
    let ports =
        join(ports.map(|port| format!("{}/{}", scalar(&port["port"]), scalar(&port["protocol"]))));
    let sources = items(&spec["ingress"]).flat_map(|rule| items(&rule["from"]));
    let sources = match sources.count() {
        0 => "from everywhere".to_owned(),
        count => format!("from {count} sources"),
    };
    let has_egress = items(&spec["policyTypes"]).any(|direction| direction == "Egress");
    let egress = match items(&spec["egress"]).count() {
        _ if !has_egress => String::new(),
        0 => "none".to_owned(),
        count => format!("{count} rules"),
    };
    vec![
        ("ingress", format!("{ports} {sources}")),
        ("egress", egress),
    ]
}

pub(super) fn render(stack: &Stack) -> Option<Value> {
    if !stack.network.policy {
        return None;
    }
    let ports: Vec<Value> = [CONTAINER_PORT]
        .into_iter()
        .chain(stack.service.management_port)
        .map(|port| json!({ "protocol": "TCP", "port": port }))
        .collect();
    let mut ingress = json!({ "ports": ports });
    if !stack.network.from_namespaces.is_empty() {
        ingress["from"] = json!([{ "namespaceSelector": { "matchExpressions": [{
            "key": "kubernetes.io/metadata.name",
            "operator": "In",
            "values": stack.network.from_namespaces,
        }] } }]);
    }
    let mut policy = json!({
        "metadata": {},
        "spec": {
            "podSelector": { "matchLabels": labels::selector(stack) },
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [ingress],
        },
    });
    if let Some(collector) = &stack.tracing {
        let port = |protocol: &str, port: u16| json!({ "protocol": protocol, "port": port });
        // Names are asked for at port 53; a collector's pods cannot be told from its URL.
        policy["spec"]["egress"] =
            json!([{ "ports": [port("UDP", 53), port("TCP", 53), port("TCP", collector.port)] }]);
    }
    Some(policy)
}
