//! What templates compute with.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::rc::Rc;

use serde_json::{Number, Value as Json};

use super::number::go_float;
use super::text::Text;
use crate::place::Place;
use crate::yaml::{Located, step};

/// Why a value cannot be computed.
pub(super) type Computed = Result<Value, String>;

/// A value and where it is written.
#[derive(Debug, Clone)]
pub struct Value {
    /// What it is.
    pub data: Data,
    /// Where it is written, if it is.
    pub from: Option<Place>,
}

/// The kinds of values.
#[derive(Debug, Clone)]
pub enum Data {
    /// `nil`
    Nil,
    /// `true` or `false`
    Bool(bool),
    /// Whole number.
    Int(i64),
    /// Number with a fraction.
    Float(f64),
    /// Text, with the places of its lines.
    Text(Text),
    /// List.
    List(Shared<Vec<Value>>),
    /// Map, in the order of its keys.
    Map(Shared<BTreeMap<String, Value>>),
    /// `.Files`
    Files,
    /// `.Capabilities.APIVersions`
    ApiVersions,
}

/// Values in a value: shared, since templates pass all of the values along, and weighed once.
#[derive(Debug, Clone)]
pub struct Shared<T> {
    inner: Rc<T>,
    /// What it takes to write all of it, each shared part as often as it stands.
    weight: usize,
    /// Collections in each other.
    depth: usize,
}

impl<T> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.inner
    }
}

impl<T: Clone> Shared<T> {
    /// The collection itself, copied only where others have it too.
    pub(super) fn take(self) -> T {
        Rc::unwrap_or_clone(self.inner)
    }
}

impl<T> Shared<T> {
    fn of(inner: T, parts: impl Fn(&T) -> Vec<&Value>) -> Self {
        let parts = parts(&inner);
        let weight = parts
            .iter()
            .fold(STEP, |sum, part| sum.saturating_add(part.weight()));
        let depth = parts.iter().map(|part| part.depth()).max();
        let depth = depth.unwrap_or_default() + 1;
        Self {
            inner: Rc::new(inner),
            weight,
            depth,
        }
    }
}

/// What any value weighs at least, in bytes.
pub(super) const STEP: usize = 32;

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
        Value::map(
            entries
                .map(|(key, value)| (key.to_owned(), value))
                .collect(),
        )
    }
}

impl Value {
    /// `nil`, from nowhere.
    pub const NIL: Value = Value {
        data: Data::Nil,
        from: None,
    };

    /// Its text, unless that is empty.
    pub fn as_text(&self) -> Option<String> {
        match &self.data {
            Data::Text(text) if !text.text.is_empty() => Some(text.text.clone()),
            _ => None,
        }
    }

    /// A map, from nowhere.
    pub fn map(entries: BTreeMap<String, Value>) -> Value {
        let mut shared = Shared::of(entries, |entries| entries.values().collect());
        let keys = shared.keys().map(String::len).sum();
        shared.weight = shared.weight.saturating_add(keys);
        Data::Map(shared).into()
    }

    pub(super) fn list(items: Vec<Value>) -> Value {
        Data::List(Shared::of(items, |items| items.iter().collect())).into()
    }

    /// Sets an entry of a map.
    pub fn insert(&mut self, key: &str, value: Value) {
        if let Data::Map(entries) = &self.data {
            let mut entries = BTreeMap::clone(entries);
            entries.insert(key.to_owned(), value);
            self.data = Value::map(entries).data;
        }
    }

    /// What it takes to write all of it, in bytes.
    pub(super) fn weight(&self) -> usize {
        match &self.data {
            Data::Text(text) => STEP + text.weight(),
            Data::List(items) => items.weight,
            Data::Map(entries) => entries.weight,
            _ => STEP,
        }
    }

    /// Collections in each other.
    pub(super) fn depth(&self) -> usize {
        match &self.data {
            Data::List(items) => items.depth,
            Data::Map(entries) => entries.depth,
            _ => 0,
        }
    }

    /// What a file says, each node with its place in it.
    pub fn located(located: &Located, file: &str) -> Value {
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
    pub fn get(&self, key: &str) -> Value {
        match &self.data {
            Data::Map(entries) => entries.get(key).cloned().unwrap_or(Value::NIL),
            _ => Value::NIL,
        }
    }

    /// `over` laid over this, as Helm lays values: maps are merged, and null takes an entry away.
    pub fn merged(self, over: Value) -> Value {
        match (self.data, over.data) {
            (Data::Map(entries), Data::Map(others)) => {
                let mut entries = entries.take();
                for (key, other) in others.take() {
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
                    from: self.from.or(over.from),
                    ..Value::map(entries)
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

fn of_json(json: &Json, pointer: &str, place: &impl Fn(&str) -> Option<Place>) -> Value {
    let data = match json {
        Json::Null => Data::Nil,
        Json::Bool(value) => Data::Bool(*value),
        // Helm reads every number as one with a fraction, and prints large ones accordingly.
        Json::Number(number) => Data::Float(number.as_f64().unwrap_or_default()),
        Json::String(text) => Data::Text(Text::plain(text)),
        Json::Array(items) => {
            let items = items.iter().enumerate();
            let items = items.map(|(index, item)| of_json(item, &step(pointer, index), place));
            Value::list(items.collect()).data
        }
        Json::Object(entries) => {
            let entries = entries.iter();
            let entries = entries
                .map(|(key, value)| (key.clone(), of_json(value, &step(pointer, key), place)));
            Value::map(entries.collect()).data
        }
    };
    Value {
        data,
        from: place(pointer),
    }
}
