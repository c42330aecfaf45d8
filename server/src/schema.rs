//! The schema of a request: which types are asked for, and which follow from which.

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;

use indexmap::IndexMap;
use serde::Deserializer;
use serde::de::{Deserialize, DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// A type and, for a nested one, the schema that is asked for each of its entities.
pub type Type = (String, Option<Arc<Schema>>);

/// Types in the order in which they were written, each with what is asked about its entities.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schema {
    /// The types.
    pub types: Vec<Type>,
}

/// Characters of a type's name at most: more than the tokens of a hint can come from.
pub const KEY_LIMIT: usize = 1_000;
/// Levels of a schema at most.
pub const DEPTH_LIMIT: usize = 32;
/// Names of a schema at most, over all levels: some times what one text may be asked.
pub const NAME_LIMIT: usize = 16_384;

/// Names of a place that are shown, `schema` among them.
const NAMES_SHOWN: usize = 8;
/// Characters of each that are shown.
const CHARACTERS_SHOWN: usize = 40;

/// Why a value is no schema.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SchemaError {
    /// Where: `schema.人物`.
    pub place: String,
    /// What is wrong, and what is right.
    pub message: String,
    /// Whether it is a schema, and beyond a bound.
    pub is_bound: bool,
}

impl Schema {
    /// Reads a schema: an object, or a string that holds one as JSON.
    ///
    /// # Errors
    /// The first place that is neither an object with types nor `null`, or that is beyond a bound.
    pub fn parse(value: &Value) -> Result<Self, SchemaError> {
        let reading = Reading::deserialize(value);
        // Whatever a value is, it has no syntax that could be wrong.
        reading.map_or_else(
            |error| Err(Fault::new(error.to_string()).told()),
            |read| read.0,
        )
    }

    /// Whether anything is asked about the entities of a type.
    pub fn is_nested(&self) -> bool {
        self.types.iter().any(|(_, nested)| nested.is_some())
    }
}

/// A schema as it is read from a request. A fault of it is no fault of the request's syntax: what is behind it is skipped,
/// and nothing of it kept.
#[derive(Debug)]
pub struct Reading(pub Result<Schema, SchemaError>);

impl<'de> Deserialize<'de> for Reading {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let level = Level {
            depth: 0,
            may_be_text: true,
            names_left: &Cell::new(NAME_LIMIT),
        };
        let read = level.deserialize(deserializer)?;
        let read = read.and_then(|schema| schema.ok_or_else(|| no_schema("null")));
        Ok(Self(read.map_err(Fault::told)))
    }
}

/// One level of a schema. Read at once, since a list of a megabyte costs fifty when it is kept first.
#[derive(Clone, Copy)]
struct Level<'a> {
    depth: usize,
    /// Whether a string may hold the schema.
    may_be_text: bool,
    names_left: &'a Cell<usize>,
}

impl Level<'_> {
    fn below(self) -> Self {
        Self {
            depth: self.depth + 1,
            may_be_text: false,
            ..self
        }
    }

    fn types<'de, A: MapAccess<'de>>(
        self,
        map: &mut A,
    ) -> Result<Result<Vec<Type>, Fault>, A::Error> {
        let mut types = IndexMap::new();
        while let Some(name) = map.next_key::<String>()? {
            let nested = match self.check(&name) {
                Ok(()) => map.next_value_seed(self.below())?,
                Err(fault) => map.next_value::<IgnoredAny>().map(|_| Err(fault))?,
            };
            match nested {
                Ok(nested) => drop(types.insert(name, nested.map(Arc::new))),
                Err(fault) => return Ok(Err(fault.below(name))),
            }
        }
        Ok(Ok(types.into_iter().collect()))
    }

    fn check(self, name: &str) -> Result<(), Fault> {
        let Some(left) = self.names_left.get().checked_sub(1) else {
            let message = format!("a schema has at most {NAME_LIMIT} names, and this is one more");
            return Err(Fault::bound(message));
        };
        self.names_left.set(left);
        check_key(name)
    }
}

impl<'de> DeserializeSeed<'de> for Level<'_> {
    type Value = Result<Option<Schema>, Fault>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Level<'_> {
    type Value = Result<Option<Schema>, Fault>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a schema")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let types = if self.depth < DEPTH_LIMIT {
            self.types(&mut map)?
        } else {
            Err(too_deep())
        };
        if types.is_err() {
            while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        }
        Ok(types.and_then(|types| match types.as_slice() {
            [] => Err(Fault::new("the object asks for no type; name at least one")),
            _ => Ok(Some(Schema { types })),
        }))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Ok(None))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        if !self.may_be_text {
            return Ok(Err(no_schema("a string")));
        }
        let mut json = serde_json::Deserializer::from_str(text);
        let level = Self {
            may_be_text: false,
            ..self
        };
        let read = level.deserialize(&mut json);
        let read = read.and_then(|read| json.end().map(|()| read));
        Ok(read
            .unwrap_or_else(|error| Err(Fault::new(format!("the string holds no JSON: {error}")))))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Err(no_schema("a list")))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Err(no_schema("a boolean")))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Err(no_schema("a number")))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Err(no_schema("a number")))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Err(no_schema("a number")))
    }
}

fn check_key(name: &str) -> Result<(), Fault> {
    // Bytes bound the characters from above, so that most names need no count.
    if name.len() <= KEY_LIMIT || name.chars().count() <= KEY_LIMIT {
        return Ok(());
    }
    let characters = name.chars().count();
    Err(Fault::bound(format!(
        "the name of a type has at most {KEY_LIMIT} characters, and this one has {characters}; \
         the model reads no more than 126 tokens of it"
    )))
}

fn too_deep() -> Fault {
    let message = format!("a schema has at most {DEPTH_LIMIT} levels, and this is one more");
    Fault::bound(message)
}

fn no_schema(kind: &str) -> Fault {
    let message = format!("{kind} is no schema; write an object such as {{\"人物\": null}}");
    Fault::new(message)
}

/// A fault on its way out of the levels that it is in.
#[derive(Debug)]
struct Fault {
    message: String,
    is_bound: bool,
    /// The innermost first.
    names: Vec<String>,
}

impl Fault {
    fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            is_bound: false,
            names: Vec::new(),
        }
    }

    fn bound(message: String) -> Self {
        Self {
            is_bound: true,
            ..Self::new(message)
        }
    }

    fn below(mut self, name: String) -> Self {
        self.names.push(name);
        self
    }

    fn told(self) -> SchemaError {
        let names: Vec<&str> = self.names.iter().rev().map(String::as_str).collect();
        SchemaError {
            place: place(&names),
            message: self.message,
            is_bound: self.is_bound,
        }
    }
}

/// Where in the schema: `schema.人物.赛事`. Long names and long paths are cut: a caller's own bytes are no message.
pub fn place(path: &[&str]) -> String {
    joined(std::iter::once("schema").chain(path.iter().copied()))
}

/// The first names of a path in a request.
pub fn joined<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names = names.take(NAMES_SHOWN);
    let names: Vec<String> = names
        .map(|name| shortened(name, CHARACTERS_SHOWN))
        .collect();
    names.join(".")
}

/// The beginning of what a caller wrote.
pub fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Map, json};

    #[test]
    fn order_is_kept_and_a_repeated_key_is_pythons() {
        let value: Value =
            serde_json::from_str(r#"{"b": null, "a": null, "b": {"c": null}}"#).expect("JSON");
        let schema = Schema::parse(&value).expect("a schema");
        let names: Vec<&str> = schema.types.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["b", "a"]);
        assert!(schema.types[0].1.is_some());
    }

    #[test]
    fn a_string_may_hold_the_schema() {
        assert_eq!(
            Schema::parse(&json!(r#"{"人物": null}"#)),
            Schema::parse(&json!({ "人物": null }))
        );
    }

    fn nested(depth: usize) -> Value {
        (1..depth).fold(json!({ "a": null }), |inner, _| json!({ "a": inner }))
    }

    #[test]
    fn keys_and_depth_are_bounded() {
        let long = |characters: usize| json!({ "人物": { "😀".repeat(characters): null } });
        for value in [long(KEY_LIMIT), nested(DEPTH_LIMIT)] {
            assert!(Schema::parse(&value).is_ok());
        }
        for value in [long(KEY_LIMIT + 1), nested(DEPTH_LIMIT + 1)] {
            let error = Schema::parse(&value).expect_err("beyond");
            assert!(error.is_bound, "{error:?}");
            assert!(error.place.starts_with("schema."), "{error:?}");
            assert!(error.place.chars().count() < 100, "{error:?}");
        }
    }

    /// Before, each object below a long name carried its whole path.
    #[test]
    fn many_objects_below_a_long_name_cost_no_more_than_their_bytes() {
        let name = "长".repeat(KEY_LIMIT);
        let objects = |count: usize| -> Map<String, Value> {
            let numbers = 0..count;
            numbers
                .map(|number| (number.to_string(), json!({ "a": null })))
                .collect()
        };
        let schema = Schema::parse(&json!({ name.as_str(): objects(NAME_LIMIT / 2 - 1) }));
        assert!(schema.expect("a schema").is_nested());
        let error = Schema::parse(&json!({ name: objects(NAME_LIMIT / 2) })).expect_err("beyond");
        assert!(error.is_bound, "{error:?}");
        assert!(error.place.chars().count() < 100, "{error:?}");
    }

    /// What is behind a fault is still read: a syntax error there is one of the request.
    #[test]
    fn a_fault_ends_no_reading() {
        for text in [
            r#"{"a": {"b": [1, {}], "c": {"d": []}}, "e": {"f": null}}"#,
            r#"{"a": 1, "b": "x", "c": true, "d": -1, "e": 1.5}"#,
            r#"[[], {"a": null}, 1]"#,
        ] {
            let reading = serde_json::from_str::<Reading>(text).expect("JSON");
            assert!(reading.0.is_err(), "{text}");
        }
        for text in [r#"{"a": 1, "b": }"#, r#"[[], {"a": null}, 1"#] {
            assert!(serde_json::from_str::<Reading>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_no_schema_is_refused_with_its_place() {
        let cases = [
            (json!({}), "schema"),
            (json!([]), "schema"),
            (json!(null), "schema"),
            (json!(true), "schema"),
            (json!("{"), "schema"),
            (json!({ "人物": {} }), "schema.人物"),
            (json!({ "人物": "" }), "schema.人物"),
            (json!({ "人物": { "a": [] } }), "schema.人物.a"),
        ];
        for (value, place) in cases {
            assert_eq!(
                Schema::parse(&value).expect_err("no schema").place,
                place,
                "{value}"
            );
        }
    }
}
