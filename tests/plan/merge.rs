//! Patches that cases lay over objects.

use serde_json::Value;

/// RFC 7386, but for lists: an object patches the items of a list by their index.
pub(crate) fn merge(target: &mut Value, patch: &Value) {
    match (target, patch) {
        (Value::Object(target), Value::Object(patch)) => {
            for (key, value) in patch {
                merge(target.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (Value::Array(target), Value::Object(patch)) => {
            for (index, value) in patch {
                let index: usize = index.parse().expect("a list is patched by index");
                if index == target.len() {
                    target.push(Value::Null);
                }
                merge(&mut target[index], value);
            }
        }
        (target, patch) => *target = patch.clone(),
    }
}
