//! The schema of a request: which types are asked for, and which follow from which.

use std::sync::Arc;

use serde_json::{Map, Value};

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
        match value {
            Value::String(text) => {
                let inner: Value = serde_json::from_str(text)
                    .map_err(|error| fault(&[], format!("the string holds no JSON: {error}")))?;
                Self::object(&inner, &mut Vec::new())
            }
            value => Self::object(value, &mut Vec::new()),
        }
    }

    /// Whether anything is asked about the entities of a type.
    pub fn is_nested(&self) -> bool {
        self.types.iter().any(|(_, nested)| nested.is_some())
    }

    /// `path` holds the names above.
    fn object<'a>(value: &'a Value, path: &mut Vec<&'a str>) -> Result<Self, SchemaError> {
        let Value::Object(map) = value else {
            return Err(fault(
                path,
                format!(
                    "{} is no schema; write an object such as {{\"人物\": null}}",
                    describe(value)
                ),
            ));
        };
        if map.is_empty() {
            return Err(fault(
                path,
                "the object asks for no type; name at least one".into(),
            ));
        }
        if path.len() >= DEPTH_LIMIT {
            return Err(beyond(
                path,
                format!("a schema has at most {DEPTH_LIMIT} levels, and this is one more"),
            ));
        }
        let types = types(map, path)?;
        Ok(Self { types })
    }
}

fn types<'a>(
    map: &'a Map<String, Value>,
    path: &mut Vec<&'a str>,
) -> Result<Vec<Type>, SchemaError> {
    let mut types = Vec::with_capacity(map.len());
    for (name, value) in map {
        path.push(name);
        check_key(name, path)?;
        let nested = match value {
            Value::Null => None,
            value => Some(Arc::new(Schema::object(value, path)?)),
        };
        path.pop();
        types.push((name.clone(), nested));
    }
    Ok(types)
}

fn check_key(name: &str, path: &[&str]) -> Result<(), SchemaError> {
    // Bytes bound the characters from above, so that most names need no count.
    if name.len() <= KEY_LIMIT || name.chars().count() <= KEY_LIMIT {
        return Ok(());
    }
    let characters = name.chars().count();
    let message = format!(
        "the name of a type has at most {KEY_LIMIT} characters, and this one has {characters}; \
         the model reads no more than 126 tokens of it"
    );
    Err(beyond(path, message))
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

fn fault(path: &[&str], message: String) -> SchemaError {
    SchemaError {
        place: place(path),
        message,
        is_bound: false,
    }
}

fn beyond(path: &[&str], message: String) -> SchemaError {
    SchemaError {
        is_bound: true,
        ..fault(path, message)
    }
}

const fn describe(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

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
        let objects: Map<String, Value> = (0..50_000)
            .map(|number| (number.to_string(), json!({ "a": null })))
            .collect();
        let schema = Schema::parse(&json!({ name: objects })).expect("a schema");
        assert!(schema.is_nested());
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
