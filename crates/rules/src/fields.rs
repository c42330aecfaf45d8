//! Fields of a Kubernetes object by JSON pointer (RFC 6901).

use std::collections::BTreeMap;

use serde_json::Value;
use uninlu_stack::Quantity;

/// How rules read an object.
pub trait Fields {
    /// The field, unless it is absent or null.
    fn at(&self, pointer: &str) -> Option<&Value>;
    /// The field's text; empty when it is none.
    fn text(&self, pointer: &str) -> &str;
    /// The field's whole number.
    fn int(&self, pointer: &str) -> Option<i64>;
    /// The items of a list, each with its pointer.
    fn items(&self, pointer: &str) -> Vec<(String, &Value)>;
    /// The entries of a map of texts.
    fn entries(&self, pointer: &str) -> BTreeMap<String, String>;
    /// `Deployment`
    fn kind(&self) -> &str;
    /// `nlu`
    fn name(&self) -> &str;
    /// `Deployment nlu`
    fn id(&self) -> String;
    /// The field as people write it: `.spec.template.spec.containers[server].image`.
    fn path(&self, pointer: &str) -> String;
}

impl Fields for Value {
    fn at(&self, pointer: &str) -> Option<&Value> {
        self.pointer(pointer).filter(|value| !value.is_null())
    }

    fn text(&self, pointer: &str) -> &str {
        self.at(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    fn int(&self, pointer: &str) -> Option<i64> {
        self.at(pointer).and_then(Value::as_i64)
    }

    fn items(&self, pointer: &str) -> Vec<(String, &Value)> {
        let items = self.at(pointer).and_then(Value::as_array);
        let items = items.into_iter().flatten().enumerate();
        items
            .map(|(index, item)| (format!("{pointer}/{index}"), item))
            .collect()
    }

    fn entries(&self, pointer: &str) -> BTreeMap<String, String> {
        let entries = self.at(pointer).and_then(Value::as_object);
        let entries = entries.into_iter().flatten();
        entries
            .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
            .collect()
    }

    fn kind(&self) -> &str {
        self.text("/kind")
    }

    fn name(&self) -> &str {
        self.text("/metadata/name")
    }

    fn id(&self) -> String {
        format!("{} {}", self.kind(), self.name()).trim().to_owned()
    }

    fn path(&self, pointer: &str) -> String {
        let mut path = String::new();
        let mut here = String::new();
        for key in pointer.split('/').skip(1) {
            here = format!("{here}/{key}");
            let plain = key.replace("~1", "/").replace("~0", "~");
            let named = self.pointer(&here).and_then(|item| item["name"].as_str());
            match (plain.parse::<usize>(), named) {
                (Ok(_), Some(name)) => path.push_str(&format!("[{name}]")),
                (Ok(index), None) => path.push_str(&format!("[{index}]")),
                _ if plain.contains(['.', '/']) => path.push_str(&format!("[\"{plain}\"]")),
                _ => path.push_str(&format!(".{plain}")),
            }
        }
        path
    }
}

/// A quantity as text or as a number.
pub fn quantity(value: &Value) -> Option<Quantity> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    Quantity::parse(&text).ok()
}

/// Whether a selector finds pods with these labels.
pub fn selects(selector: &BTreeMap<String, String>, labels: &BTreeMap<String, String>) -> bool {
    let is_there = |(key, value)| labels.get(key) == Some(value);
    !selector.is_empty() && selector.iter().all(is_there)
}
