//! What every command prints with `--json`: the same header, the command's own keys beside it, and an error in the same
//! form. `docs/schemas` has a JSON schema of each.

use schemars::generate::{SchemaGenerator, SchemaSettings};
use schemars::{JsonSchema, Schema};
use serde::Serialize;
use serde_json::{Value, json};

use crate::stack::Target;

/// Version of all these documents; it changes when a reader has to.
pub const FORMAT_VERSION: u32 = 2;

/// A document: header and body, side by side.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Document<B> {
    /// Version of the document's form.
    format_version: u32,
    /// Command that printed it.
    command: String,
    #[serde(flatten)]
    place: Place,
    #[serde(flatten)]
    body: B,
}

/// Which stack a document is about; null where it is about none, or about several.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Place {
    /// Name of the stack.
    pub stack: Option<String>,
    /// Namespace of its objects.
    pub namespace: Option<String>,
    /// Context of the kubeconfig.
    pub context: Option<String>,
    /// `[env.NAME]` that was merged into the stack file.
    pub environment: Option<String>,
}

/// In place of a command's own keys, when it fails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Failure {
    /// What went wrong.
    pub error: Problem,
}

/// An error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Problem {
    /// What went wrong.
    pub message: String,
    /// Why, from the nearest cause to the last.
    pub causes: Vec<String>,
    /// What to do.
    pub help: Option<String>,
    /// The single errors of a file, each with its place.
    pub details: Vec<Detail>,
}

/// One error of several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Detail {
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
    /// File that it is in.
    pub file: Option<String>,
    /// Line, counted from 1.
    pub line: Option<usize>,
    /// Column in characters, counted from 1.
    pub column: Option<usize>,
}

impl<B> Document<B> {
    /// What `command` prints.
    pub fn new(command: &str, place: impl Into<Place>, body: B) -> Self {
        Self {
            format_version: FORMAT_VERSION,
            command: command.to_owned(),
            place: place.into(),
            body,
        }
    }
}

impl Place {
    /// No stack, or several.
    pub const NONE: Self = Self {
        stack: None,
        namespace: None,
        context: None,
        environment: None,
    };
}

impl From<&Target> for Place {
    fn from(target: &Target) -> Self {
        Self {
            stack: Some(target.stack.clone()),
            namespace: Some(target.namespace.clone()),
            context: Some(target.context.clone()),
            environment: target.environment.clone(),
        }
    }
}

impl From<Target> for Place {
    fn from(target: Target) -> Self {
        Self::from(&target)
    }
}

/// The schema of a document with that body.
pub(crate) type Body = fn(&mut SchemaGenerator) -> Schema;

/// The [`Body`] of `B`.
pub(crate) fn body<B: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<Document<B>>()
}

/// The JSON schema of what `command` prints: one of the bodies, or an error.
pub(crate) fn schema(command: &str, bodies: &[Body]) -> Value {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let mut generator = settings.into_generator();
    let failure: Body = body::<Failure>;
    let forms = bodies.iter().chain([&failure]);
    let forms: Vec<Schema> = forms.map(|form| form(&mut generator)).collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": format!("uninlu {command} --json"),
        "anyOf": forms,
        "$defs": generator.take_definitions(true),
    })
}
