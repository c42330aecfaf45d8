//! What templates compute with.

use std::collections::BTreeMap;

use serde_json::{Number, Value as Json};

use super::text::Text;
use crate::import::Place;
use crate::import::yaml::{Located, step};

/// A value and where it is written.
#[derive(Debug, Clone)]
pub(in crate::import) struct Value {
    pub(in crate::import) data: Data,
    pub(in crate::import) from: Option<Place>,
}

#[derive(Debug, Clone)]
pub(in crate::import) enum Data {
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Text),
    List(Vec<Value>),
    Map(BTreeMap<String, Value>),
    /// `.Files`
    Files,
    /// `.Capabilities.APIVersions`
    ApiVersions,
}

impl From<Data> for Value {
    fn from(data: Data) -> Self {
        Self { data, from: None }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Data::Text(Text::plain(text)).into()
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Data::Text(Text::plain(text)).into()
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Data::Bool(value).into()
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Data::Int(value).into()
    }
}

impl From<Text> for Value {
    fn from(text: Text) -> Self {
        Data::Text(text).into()
    }
}

impl FromIterator<(&'static str, Value)> for Value {
    fn from_iter<I: IntoIterator<Item = (&'static str, Value)>>(entries: I) -> Self {
        let entries = entries.into_iter();
        Data::Map(
            entries
                .map(|(key, value)| (key.to_owned(), value))
                .collect(),
        )
        .into()
    }
}

impl Value {
    pub(in crate::import) const NIL: Value = Value {
        data: Data::Nil,
        from: None,
    };

    /// What a file says, each node with its place in it.
    pub(in crate::import) fn located(located: &Located, file: &str) -> Value {
        of_json(&located.value, "", &|pointer| {
            located.lines.get(pointer).map(|line| Place {
                file: file.to_owned(),
                line: *line,
            })
        })
    }

    /// The same without places.
    pub(super) fn of_json(json: &Json) -> Value {
        of_json(json, "", &|_| None)
    }

    pub(super) fn to_json(&self) -> Json {
        match &self.data {
            Data::Nil | Data::Files | Data::ApiVersions => Json::Null,
            Data::Bool(value) => (*value).into(),
            Data::Int(value) => (*value).into(),
            Data::Float(value) if is_whole(*value) => (*value as i64).into(),
            Data::Float(value) => Number::from_f64(*value).map_or(Json::Null, Json::Number),
            Data::Text(text) => text.text.as_str().into(),
            Data::List(items) => items.iter().map(Value::to_json).collect(),
            Data::Map(entries) => {
                let entries = entries.iter();
                entries
                    .map(|(key, value)| (key.clone(), value.to_json()))
                    .collect()
            }
        }
    }

    /// Go's notion of truth: nothing that is empty.
    pub(super) fn is_true(&self) -> bool {
        match &self.data {
            Data::Nil => false,
            Data::Bool(value) => *value,
            Data::Int(value) => *value != 0,
            Data::Float(value) => *value != 0.0,
            Data::Text(text) => !text.text.is_empty(),
            Data::List(items) => !items.is_empty(),
            Data::Map(entries) => !entries.is_empty(),
            Data::Files | Data::ApiVersions => true,
        }
    }

    /// As Go prints it, each line with where it comes from. Nothing prints as nothing, as Helm has it.
    pub(super) fn print(&self) -> Text {
        let text = match &self.data {
            Data::Text(text) if !text.lines.is_empty() => return text.clone(),
            Data::Text(text) => text.text.clone(),
            Data::Nil | Data::Files | Data::ApiVersions => String::new(),
            Data::Bool(value) => value.to_string(),
            Data::Int(value) => value.to_string(),
            Data::Float(value) => go_float(*value),
            Data::List(items) => {
                let items: Vec<String> = items.iter().map(|item| item.print().text).collect();
                format!("[{}]", items.join(" "))
            }
            Data::Map(entries) => {
                let entry =
                    |(key, value): (&String, &Value)| format!("{key}:{}", value.print().text);
                let entries: Vec<String> = entries.iter().map(entry).collect();
                format!("map[{}]", entries.join(" "))
            }
        };
        Text::of(text, self.from.as_ref())
    }

    pub(super) fn as_int(&self) -> Option<i64> {
        match &self.data {
            Data::Int(value) => Some(*value),
            Data::Float(value) => Some(*value as i64),
            Data::Bool(value) => Some((*value).into()),
            Data::Text(text) => text.text.trim().parse().ok(),
            _ => None,
        }
    }

    pub(super) fn as_float(&self) -> Option<f64> {
        match &self.data {
            Data::Int(value) => Some(*value as f64),
            Data::Float(value) => Some(*value),
            Data::Text(text) => text.text.trim().parse().ok(),
            _ => None,
        }
    }

    /// The entry of a map; nothing where there is none.
    pub(in crate::import) fn get(&self, key: &str) -> Value {
        match &self.data {
            Data::Map(entries) => entries.get(key).cloned().unwrap_or(Value::NIL),
            _ => Value::NIL,
        }
    }

    /// `over` laid over this, as Helm lays values: maps are merged, and null takes an entry away.
    pub(in crate::import) fn merged(self, over: Value) -> Value {
        match (self.data, over.data) {
            (Data::Map(mut entries), Data::Map(others)) => {
                for (key, other) in others {
                    match (entries.remove(&key), other) {
                        (
                            _,
                            Value {
                                data: Data::Nil, ..
                            },
                        ) => (),
                        (Some(entry), other) => drop(entries.insert(key, entry.merged(other))),
                        (None, other) => drop(entries.insert(key, other)),
                    }
                }
                Value {
                    data: Data::Map(entries),
                    from: self.from.or(over.from),
                }
            }
            (_, data) => Value {
                data,
                from: over.from,
            },
        }
    }
}

/// Whether a whole number says the same.
pub(super) fn is_whole(value: f64) -> bool {
    value.fract() == 0.0 && value.abs() < 9e15
}

/// As Go's `%v`: with an exponent from a million on.
fn go_float(value: f64) -> String {
    let scientific = format!("{value:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    match (-4..6).contains(&exponent) {
        true => value.to_string(),
        false => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{digits}e{sign}{:02}", exponent.abs())
        }
    }
}

fn of_json(json: &Json, pointer: &str, place: &impl Fn(&str) -> Option<Place>) -> Value {
    let data = match json {
        Json::Null => Data::Nil,
        Json::Bool(value) => Data::Bool(*value),
        // Helm reads every number as one with a fraction, and prints large ones accordingly.
        Json::Number(number) => Data::Float(number.as_f64().unwrap_or_default()),
        Json::String(text) => Data::Text(Text::plain(text)),
        Json::Array(items) => {
            let items = items.iter().enumerate();
            Data::List(
                items
                    .map(|(index, item)| of_json(item, &step(pointer, index), place))
                    .collect(),
            )
        }
        Json::Object(entries) => {
            let entries = entries.iter();
            Data::Map(
                entries
                    .map(|(key, value)| (key.clone(), of_json(value, &step(pointer, key), place)))
                    .collect(),
            )
        }
    };
    Value {
        data,
        from: place(pointer),
    }
}
