//! What Prometheus and its adapter need: rendered as text, applied by whoever runs them.

use serde_json::{Value, json};

use super::labels;
use super::service::probed_name;
use uninlu_stack::Stack;

/// The metric that the autoscaler reads. The adapter's rule makes it, the HorizontalPodAutoscaler names it: one
/// constant, so that the two cannot contradict each other.
pub const REQUESTS_PER_SECOND: &str = "http_requests_per_second";
/// The counter that the server exports; it counts each request once, when it is answered.
const REQUESTS_TOTAL: &str = "http_requests_total";

/// A ServiceMonitor of the Prometheus operator (`monitoring.coreos.com/v1`).
pub fn service_monitor(stack: &Stack) -> Value {
    json!({
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "ServiceMonitor",
        "metadata": { "name": stack.name, "namespace": stack.namespace, "labels": labels::of_object(stack) },
        "spec": {
            "selector": { "matchLabels": labels::of_object(stack) },
            "endpoints": [endpoint(stack)],
        },
    })
}

/// With a port of its own the pods' is named, since not every Service shows it. Prometheus finds the ports of a
/// Service's pods that the Service does not name too (role `endpoints`).
fn endpoint(stack: &Stack) -> Value {
    let key = match stack.service.management_port {
        Some(_) => "targetPort",
        None => "port",
    };
    json!({ key: probed_name(stack), "path": "/metrics", "interval": "15s" })
}

/// Configuration of the Prometheus Adapter: requests per second of a pod, as the custom metrics API serves it.
pub fn adapter(stack: &Stack) -> Value {
    let series = format!(
        r#"{REQUESTS_TOTAL}{{namespace="{}",pod!="",route="/api/predict"}}"#,
        stack.namespace
    );
    json!({ "rules": [{
        "seriesQuery": series,
        "resources": { "overrides": { "namespace": { "resource": "namespace" }, "pod": { "resource": "pod" } } },
        "name": { "matches": format!("^{REQUESTS_TOTAL}$"), "as": REQUESTS_PER_SECOND },
        "metricsQuery":
            r#"sum(rate(<<.Series>>{<<.LabelMatchers>>,route="/api/predict"}[1m])) by (<<.GroupBy>>)"#,
    }] })
}
