//! Keys that are one of the few names that the server knows.

use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};
use uninlu_settings::Choice;

/// The schema of such a key, as a derived one would be.
pub(super) fn schema<T: Choice>(_: &mut SchemaGenerator) -> Schema {
    let choice = |choice: &T| json!({ "description": choice.meaning(), "type": "string", "const": choice.name() });
    let all: Vec<Value> = T::ALL.iter().map(choice).collect();
    json_schema!({ "oneOf": all })
}
