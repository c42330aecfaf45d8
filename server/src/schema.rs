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

/// Why a value is no schema.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SchemaError {
    /// Where: `schema.人物`.
    pub place: String,
    /// What is wrong, and what is right.
    pub message: String,
}

impl Schema {
    /// Reads a schema: an object, or a string that holds one as JSON.
    ///
    /// # Errors
    /// The first place that is neither an object with types nor `null`.
    pub fn parse(value: &Value) -> Result<Self, SchemaError> {
        match value {
            Value::String(text) => {
                let inner: Value = serde_json::from_str(text).map_err(|error| SchemaError {
                    place: "schema".into(),
                    message: format!("the string holds no JSON: {error}"),
                })?;
                Self::object(&inner, "schema")
            }
            value => Self::object(value, "schema"),
        }
    }

    /// Whether anything is asked about the entities of a type.
    pub fn is_nested(&self) -> bool {
        self.types.iter().any(|(_, nested)| nested.is_some())
    }

    fn object(value: &Value, place: &str) -> Result<Self, SchemaError> {
        let Value::Object(map) = value else {
            return Err(fault(
                place,
                format!(
                    "{} is no schema; write an object such as {{\"人物\": null}}",
                    describe(value)
                ),
            ));
        };
        if map.is_empty() {
            return Err(fault(
                place,
                "the object asks for no type; name at least one".into(),
            ));
        }
        let types = types(map, place)?;
        Ok(Self { types })
    }
}

fn types(map: &Map<String, Value>, place: &str) -> Result<Vec<Type>, SchemaError> {
    map.iter()
        .map(|(name, value)| {
            let nested = match value {
                Value::Null => None,
                value => Some(Arc::new(Schema::object(value, &format!("{place}.{name}"))?)),
            };
            Ok((name.clone(), nested))
        })
        .collect()
}

fn fault(place: &str, message: String) -> SchemaError {
    SchemaError {
        place: place.to_owned(),
        message,
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
