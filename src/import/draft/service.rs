//! How callers reach the pods, and who is answered.

use serde_json::{Map, Value};
use uninlu_settings::variables;

use super::keys::{Draft, in_pod, is_of_tools, table};
use crate::import::view::View;
use crate::kinds::{MANAGED_BY, MANAGER, items};
use crate::rules::Fields;

pub(super) fn service(view: &View<'_>, draft: &mut Draft) {
    let Some(service) = view.service else { return };
    let ports = service.items("/spec/ports");
    // A second port may be for metrics; the server has one.
    let chosen = ports
        .iter()
        .position(|(_, port)| matches!(port["name"].as_str(), Some("http" | "web" | "api")))
        .unwrap_or(0);
    for (index, (pointer, port)) in ports.iter().enumerate() {
        if index != chosen {
            draft.leave(
                service,
                pointer,
                "the server has one port, for requests and for metrics",
            );
        } else if let Some(number) = port["port"].as_i64() {
            draft.set("service", "port", number);
            // A live Service has the number that the cluster chose.
            if !view.source.is_live && port["nodePort"].as_i64().is_some() {
                let pointer = format!("{pointer}/nodePort");
                draft.leave(
                    service,
                    &pointer,
                    "the cluster chooses the port on its nodes",
                );
            }
        }
    }
    match service.text("/spec/type") {
        "" | "ClusterIP" => (),
        kind @ ("NodePort" | "LoadBalancer") => draft.set("service", "type", kind),
        _ => draft.leave(
            service,
            "/spec/type",
            "a stack's Service is `ClusterIP`, `NodePort` or `LoadBalancer`",
        ),
    }
    let annotations: Map<String, Value> = service
        .entries("/metadata/annotations")
        .into_iter()
        .filter(|(key, _)| !is_of_tools(key))
        .map(|(key, value)| (key, Value::from(value)))
        .collect();
    if !annotations.is_empty() {
        draft.set("service", "annotations", Value::Object(annotations));
    }
}

pub(super) fn network(view: &View<'_>, draft: &mut Draft) {
    let Some(policy) = view.policy else {
        if view.pod.is_own_server() {
            draft.set("network", "policy", false);
        }
        return;
    };
    let mut namespaces: Vec<Value> = Vec::new();
    for (pointer, _) in policy.items("/spec/ingress") {
        for (pointer, from) in policy.items(&format!("{pointer}/from")) {
            let selector = &from["namespaceSelector"];
            let name = "kubernetes.io/metadata.name";
            let by_name = selector["matchLabels"][name].as_str();
            let by_list = items(&selector["matchExpressions"])
                .filter(|it| it["key"] == name)
                .flat_map(|it| items(&it["values"]));
            let found: Vec<Value> = by_name
                .into_iter()
                .chain(by_list.filter_map(|it| it.as_str()))
                .map(Value::from)
                .collect();
            if found.is_empty() {
                draft.leave(policy, &pointer, "a stack admits callers by their namespaces' names (`[network] from-namespaces`)");
            }
            namespaces.extend(found);
        }
    }
    if !namespaces.is_empty() {
        draft.set("network", "from-namespaces", namespaces);
    }
    if !view.pod.is_own_server() && policy.at("/spec/egress").is_some() {
        draft.leave(
            policy,
            "/spec/egress",
            "the server calls only a collector of traces",
        );
    }
}

pub(super) fn access(view: &View<'_>, draft: &mut Draft) {
    let environment = view.pod.environment();
    if environment.contains_key(variables::API_KEY_FILE) {
        let secrets = view.deployment.items(&in_pod("/volumes"));
        let secret = secrets
            .iter()
            .find(|(_, volume)| volume["name"] == "secrets");
        let named = secret.and_then(|(_, volume)| {
            let secret = volume["secret"]["secretName"].as_str()?;
            let key = volume["secret"]["items"][0]["key"].as_str()?;
            Some(table([
                ("secret", Value::from(secret)),
                ("key", Value::from(key)),
            ]))
        });
        if let Some(named) = named {
            draft.set("access", "api-key", named);
        }
    }
    if let Some((origins, _)) = environment.get(variables::CORS_ORIGINS) {
        let origins: Vec<Value> = origins.split(',').map(Value::from).collect();
        draft.set("access", "origins", origins);
    }
    if let Some((endpoint, pointer)) = environment.get(variables::TRACES_ENDPOINT) {
        match endpoint.starts_with("http://") {
            true => draft.set("tracing", "endpoint", endpoint.as_str()),
            false => draft.leave(
                view.deployment,
                pointer,
                "the server's image has no certificates: traces go to a collector by plain HTTP",
            ),
        }
    }
}

/// Objects that have no place in a stack; they stay as they are.
pub(super) fn leave_others(view: &View<'_>, draft: &mut Draft) {
    if view.source.is_live {
        return;
    }
    let taken = [
        Some(view.deployment),
        view.autoscaler,
        view.budget,
        view.service,
        view.account,
        view.policy,
        view.settings,
    ];
    for object in &view.source.objects {
        let is_taken = taken
            .iter()
            .flatten()
            .any(|taken| std::ptr::eq(*taken, object));
        let is_ours = object.text(&format!(
            "/metadata/labels/{}",
            MANAGED_BY.replace('/', "~1")
        )) == MANAGER;
        if is_taken || is_ours || object.kind() == "Namespace" {
            continue;
        }
        let why = match object.kind() {
            "ConfigMap" => {
                "hot settings are `[server]`; what else it holds, the server does not read"
            }
            "Secret" => "a stack names Secrets that exist, and holds none",
            "ServiceMonitor" | "PodMonitor" => {
                "`uninlu render service-monitor` prints one that fits"
            }
            "Deployment" | "StatefulSet" | "DaemonSet" | "Job" | "CronJob" => {
                "a stack is one service; keep it where it is"
            }
            _ => "a stack has no such object; keep it beside the stack",
        };
        draft.leave(object, "", why);
    }
}
