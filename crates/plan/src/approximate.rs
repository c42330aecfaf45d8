//! What an apply would make of an object, where the API server may not be asked: our fields laid over the live object.
//! What an apply would remove is not seen, and admission is not asked.

use serde_json::Value;

use super::diff::{is_keyed, item_key};
use uninlu_stack::Quantity;

/// Keys whose values are quantities, which the API server writes in another form (`1024Mi` becomes `1Gi`).
const QUANTITIES: [&str; 4] = ["requests", "limits", "averageValue", "sizeLimit"];

/// `live` with everything that `body` says.
pub(super) fn lay_over(live: &Value, body: &Value) -> Value {
    let mut result = live.clone();
    lay(&mut result, body, false);
    result
}

fn lay(target: &mut Value, body: &Value, is_quantity: bool) {
    match (target, body) {
        (Value::Object(target), Value::Object(body)) => {
            for (key, value) in body {
                let is_quantity = is_quantity || QUANTITIES.contains(&key.as_str());
                lay(
                    target.entry(key.clone()).or_insert(Value::Null),
                    value,
                    is_quantity,
                );
            }
        }
        (Value::Array(target), Value::Array(body)) if is_keyed(target) && is_keyed(body) => {
            for item in body {
                let known = target
                    .iter_mut()
                    .find(|known| item_key(known) == item_key(item));
                match known {
                    Some(known) => lay(known, item, is_quantity),
                    None => target.push(item.clone()),
                }
            }
        }
        (target, body) if is_quantity && is_same_quantity(target, body) => (),
        (target, body) => *target = body.clone(),
    }
}

pub(super) fn is_same_quantity(one: &Value, other: &Value) -> bool {
    let read = |value: &Value| Quantity::parse(value.as_str()?).ok();
    read(one).is_some_and(|one| Some(one) == read(other))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::lay_over;

    #[test]
    fn what_the_body_says_is_laid_over_and_the_rest_stays() {
        let live = json!({ "spec": { "replicas": 3, "containers": [
            { "name": "server", "image": "a", "terminationMessagePath": "/dev/termination-log",
              "resources": { "limits": { "memory": "1Gi", "cpu": "1" } } },
            { "name": "injected" },
        ] } });
        let body = json!({ "spec": { "containers": [
            { "name": "server", "image": "b", "resources": { "limits": { "memory": "1024Mi", "cpu": "2" } } },
        ] } });
        let expected = json!({ "spec": { "replicas": 3, "containers": [
            { "name": "server", "image": "b", "terminationMessagePath": "/dev/termination-log",
              "resources": { "limits": { "memory": "1Gi", "cpu": "2" } } },
            { "name": "injected" },
        ] } });
        assert_eq!(lay_over(&live, &body), expected);
    }
}
