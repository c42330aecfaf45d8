//! The schema of a request: which types are asked for, and which follow from which.

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;

use indexmap::IndexMap;
use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// A type and, for a nested one, the schema that is asked for each of its entities.
pub type Type = (String, Option<Arc<Schema>>);

/// Types in the order in which they were written, each with what is asked about its entities.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schema {
    /// The types.
    pub types: Vec<Type>,
}

/// Characters of a type's name at most: more than the tokens of a prompt can come from.
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
    /// Reads a schema from JSON: an object, or a string that holds one as JSON.
    ///
    /// # Errors
    /// The first place that is neither an object with types nor `null`, or that is beyond a bound; nothing behind it is
    /// read.
    pub fn read(json: &str) -> Result<Self, SchemaError> {
        let found = Cell::new(None);
        let level = Level {
            depth: 0,
            may_be_text: true,
            names_left: &Cell::new(NAME_LIMIT),
            problem: &found,
        };
        let read = level.read(json);
        let problem = |error: serde_json::Error| {
            found
                .take()
                .unwrap_or_else(|| Problem::new(error.to_string()))
        };
        read.map_err(|error| problem(error).reported())
    }

    /// The same from a value.
    ///
    /// # Errors
    /// As of [`Self::read`].
    pub fn parse(value: &Value) -> Result<Self, SchemaError> {
        Self::read(&value.to_string())
    }

    /// Whether anything is asked about the entities of a type.
    pub fn is_nested(&self) -> bool {
        self.types.iter().any(|(_, nested)| nested.is_some())
    }
}

/// One level of a schema. Read at once, since a list of a megabyte costs fifty when it is kept first; what serde knows of
/// a problem is a text, so the problem itself is put beside.
#[derive(Clone, Copy)]
struct Level<'a> {
    depth: usize,
    /// Whether a string may hold the schema.
    may_be_text: bool,
    names_left: &'a Cell<usize>,
    problem: &'a Cell<Option<Problem>>,
}

impl Level<'_> {
    fn read(self, json: &str) -> Result<Schema, serde_json::Error> {
        let mut json = serde_json::Deserializer::from_str(json);
        let schema = self.deserialize(&mut json)?;
        json.end()?;
        schema.ok_or_else(|| self.no_schema("null"))
    }

    fn below(self) -> Self {
        Self {
            depth: self.depth + 1,
            may_be_text: false,
            ..self
        }
    }

    fn ends<E: Error>(self, problem: Problem) -> E {
        let error = E::custom(&problem.message);
        self.problem.set(Some(problem));
        error
    }

    fn no_schema<E: Error>(self, kind: &str) -> E {
        let message = format!("{kind} is not a schema; write an object such as {{\"人物\": null}}");
        self.ends(Problem::new(message))
    }

    fn check(self, name: &str) -> Result<(), Problem> {
        let Some(left) = self.names_left.get().checked_sub(1) else {
            let message = format!("the schema has more than {NAME_LIMIT} names");
            return Err(Problem::bound(message));
        };
        self.names_left.set(left);
        check_key(name)
    }

    /// The problem is inside of what has this name.
    fn below_name<E>(self, error: E, name: String) -> E {
        let problem = self.problem.take();
        self.problem.set(problem.map(|problem| problem.below(name)));
        error
    }
}

impl<'de> DeserializeSeed<'de> for Level<'_> {
    type Value = Option<Schema>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Level<'_> {
    type Value = Option<Schema>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a schema")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        if self.depth >= DEPTH_LIMIT {
            let message = format!("the schema has more than {DEPTH_LIMIT} levels");
            return Err(self.ends(Problem::bound(message)));
        }
        let mut types = IndexMap::new();
        while let Some(name) = map.next_key::<String>()? {
            let read = match self.check(&name) {
                Ok(()) => map.next_value_seed(self.below()),
                Err(problem) => Err(self.ends(problem)),
            };
            match read {
                Ok(nested) => drop(types.insert(name, nested.map(Arc::new))),
                Err(error) => return Err(self.below_name(error, name)),
            }
        }
        if types.is_empty() {
            let message = "the object has no types; name at least one";
            return Err(self.ends(Problem::new(message)));
        }
        let types = types.into_iter().collect();
        Ok(Some(Schema { types }))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        if !self.may_be_text {
            return Err(self.no_schema("a string"));
        }
        let level = Self {
            may_be_text: false,
            ..self
        };
        level.read(text).map(Some).map_err(|error| {
            let problem = self.problem.take();
            let no_json = || Problem::new(format!("the string is not valid JSON: {error}"));
            self.ends(problem.unwrap_or_else(no_json))
        })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<Self::Value, A::Error> {
        Err(self.no_schema("a list"))
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
        Err(self.no_schema("a boolean"))
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Self::Value, E> {
        Err(self.no_schema("a number"))
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> {
        Err(self.no_schema("a number"))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
        Err(self.no_schema("a number"))
    }
}

fn check_key(name: &str) -> Result<(), Problem> {
    // Bytes bound the characters from above, so that most names need no count.
    if name.len() <= KEY_LIMIT || name.chars().count() <= KEY_LIMIT {
        return Ok(());
    }
    let characters = name.chars().count();
    Err(Problem::bound(format!(
        "the name of a type has {characters} characters, but at most {KEY_LIMIT} are allowed; \
         the model reads at most 126 tokens of it"
    )))
}

/// A problem on its way out of the levels that it is in.
#[derive(Debug)]
struct Problem {
    message: String,
    is_bound: bool,
    /// The innermost first.
    names: Vec<String>,
}

impl Problem {
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

    fn reported(self) -> SchemaError {
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
        let schema = Schema::read(r#"{"b": null, "a": null, "b": {"c": null}}"#);
        let schema = schema.expect("a schema");
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
