//! What an object that is created holds, in a few lines for people: each kind's row says which.

use serde_json::Value;

/// A label and what stands behind it: `("ports", "http 7860 → http (ClusterIP)")`.
pub type Line = (&'static str, String);

/// A value as people write it: a text without quotes, anything else as JSON.
pub fn written(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        value => value.to_string(),
    }
}

pub(super) fn amounts(of: &Value) -> String {
    let of = of.as_object().into_iter().flatten();
    join(of.map(|(name, amount)| format!("{name} {}", scalar(amount))))
}

/// The items of a list; none of what is no list.
pub fn items(list: &Value) -> impl Iterator<Item = &Value> + Clone {
    list.as_array().into_iter().flatten()
}

/// Nothing for a field that is not there.
pub(super) fn scalar(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        value => written(value),
    }
}

pub(super) fn join(words: impl Iterator<Item = String>) -> String {
    words.collect::<Vec<_>>().join(", ")
}
