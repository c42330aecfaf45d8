//! What the API server chooses when an object is written (a NodePort, a cluster IP): a dry run only guesses it, and
//! guesses anew each time.

use serde_json::{Value, json};

use super::diff::item_key;
use uninlu_objects::{Kind, items};

/// In place of a value that only the apply will know.
pub(super) const CHOSEN: &str = "(chosen at apply)";

/// Fields of a Service's `spec` that its allocators fill.
const ALLOCATED: [&str; 3] = ["clusterIP", "clusterIPs", "healthCheckNodePort"];

/// Puts [`CHOSEN`] where the prediction guesses: neither the body says the field, nor has the live object a value.
pub(super) fn hide_guesses(kind: Kind, body: &Value, current: &Value, predicted: &mut Value) {
    if kind != Kind::Service {
        return;
    }
    for key in ALLOCATED {
        let is_open = [body, current]
            .iter()
            .all(|object| is_none(&object["spec"][key]));
        if is_open && !is_none(&predicted["spec"][key]) {
            predicted["spec"][key] = json!(CHOSEN);
        }
    }
    let ports = predicted["spec"]["ports"].as_array_mut();
    for port in ports.into_iter().flatten() {
        let is_open = [body, current]
            .iter()
            .all(|object| is_none(&node_port(object, port)));
        if is_open && !is_none(&port["nodePort"]) {
            port["nodePort"] = json!(CHOSEN);
        }
    }
}

/// The NodePort that an object has for that port.
fn node_port(object: &Value, port: &Value) -> Value {
    let same = items(&object["spec"]["ports"]).find(|known| item_key(known) == item_key(port));
    same.map_or(Value::Null, |known| known["nodePort"].clone())
}

fn is_none(value: &Value) -> bool {
    *value == Value::Null || *value == json!("") || *value == json!(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(port: Value, address: Value) -> Value {
        json!({ "spec": { "clusterIP": address, "ports": [{ "name": "http", "port": 80, "nodePort": port }] } })
    }

    fn hidden(body: Value, current: Value) -> Value {
        let mut predicted = service(json!(31_234), json!("10.0.0.7"));
        hide_guesses(Kind::Service, &body, &current, &mut predicted);
        predicted
    }

    #[test]
    fn a_guess_is_hidden_and_a_fact_is_not() {
        let (none, known) = (
            service(Value::Null, json!("")),
            service(json!(30_000), json!("10.0.0.7")),
        );
        let guessed = service(json!(CHOSEN), json!(CHOSEN));
        let predicted = service(json!(31_234), json!("10.0.0.7"));
        assert_eq!(hidden(none.clone(), none.clone()), guessed);
        assert_eq!(hidden(none.clone(), known.clone()), predicted);
        assert_eq!(hidden(known, none), predicted);
    }
}
