//! What a caller sends, read and checked whole before anything is computed.

use std::fmt;
use std::sync::Arc;

use axum::http::StatusCode;
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::coding;
use super::error::ApiError;
use crate::schema::{Schema, joined, shortened};

/// Texts of one request at most.
const TEXTS: usize = 64;

/// Characters of the parser's words, which hold what a caller wrote.
const MESSAGE: usize = 200;

/// One text or several, and the schema of what to extract from them.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PredictRequest {
    /// The text; the labels of a classification come before it: `正向,负向|text`.
    #[schema(example = "雷军是小米公司的董事长，他出生于湖北仙桃。")]
    text: Option<String>,
    /// Several texts, at most 64, instead of `text`.
    #[schema(value_type = Option<Vec<String>>)]
    texts: Option<Texts>,
    /// An object with a key for each type; the value is `null`, or an object with the types to extract for each of its
    /// entities. Or a string that contains such an object as JSON. At most 32 levels, 16,384 names of at most 1,000
    /// characters, and 2,048 questions about one text.
    #[schema(value_type = Object, example = json!({"人物": {"职务": null, "出生地": null}}))]
    schema: Option<Box<RawValue>>,
    /// Whether the output includes paths that end before a leaf of the schema.
    #[serde(default)]
    output_all_prefix: bool,
    /// Form of the output.
    #[serde(default)]
    view: View,
    /// Unit of the offsets.
    #[serde(default)]
    offsets: Offsets,
    /// Which spans may be an answer.
    #[serde(default)]
    classification: Classification,
}

/// At most [`TEXTS`]: what is beyond them is not even read.
#[derive(Debug)]
struct Texts(Vec<String>);

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(TextsVisitor).map(Self)
    }
}

struct TextsVisitor;

impl<'de> Visitor<'de> for TextsVisitor {
    type Value = Vec<String>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of texts")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut texts = Vec::new();
        while let Some(text) = list.next_element()? {
            if texts.len() == TEXTS {
                return Err(A::Error::custom(format!(
                    "there are more than {TEXTS} texts; send 1 to {TEXTS}"
                )));
            }
            texts.push(text);
        }
        Ok(texts)
    }
}

/// Form of the output.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum View {
    /// One path for each leaf, as the reference writes it.
    #[default]
    Paths,
    /// Entities by type, each with what was found about it.
    Grouped,
}

/// Unit of the offsets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Offsets {
    /// Unicode code points, as in the reference and in Python.
    #[default]
    CodePoints,
    /// UTF-16 code units, as in JavaScript and Java.
    #[serde(rename = "utf-16")]
    Utf16,
}

/// Which spans may be an answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Classification {
    /// Any span, as in the reference.
    #[default]
    Free,
    /// Exactly one of the labels before `|`: the likeliest, with its score.
    Strict,
}

/// A request that makes sense.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) texts: Vec<String>,
    /// Whether `texts` was written: the answer then has `outputs`.
    pub(super) is_batch: bool,
    pub(super) schema: Arc<Schema>,
    pub(super) output_all_prefix: bool,
    pub(super) view: View,
    pub(super) offsets: Offsets,
    pub(super) is_strict: bool,
}

impl Question {
    pub(super) fn parse(body: &[u8], max_length: usize) -> Result<Self, ApiError> {
        let request = read(body)?;
        let is_batch = request.texts.is_some();
        let texts = match (request.text, request.texts) {
            (Some(text), None) => vec![text],
            (None, Some(texts)) => texts.0,
            (None, None) => return Err(ApiError::malformed("text", "`text` is missing")),
            (Some(_), Some(_)) => {
                return Err(ApiError::malformed(
                    "texts",
                    "send `text` or `texts`, not both",
                ));
            }
        };
        if texts.is_empty() {
            let message = format!("`texts` is empty; send 1 to {TEXTS}");
            return Err(ApiError::malformed("texts", message));
        }
        for (index, text) in texts.iter().enumerate() {
            check_length(text, max_length).map_err(|error| error.at(place(is_batch, index)))?;
        }
        let schema = request.schema.as_deref().map_or("null", RawValue::get);
        let schema = Schema::read(schema).map_err(|error| {
            if error.is_bound {
                ApiError::impossible(error.place, error.message)
            } else {
                ApiError::malformed(error.place, error.message)
            }
        })?;
        let question = Self {
            texts,
            is_batch,
            schema: Arc::new(schema),
            output_all_prefix: request.output_all_prefix,
            view: request.view,
            offsets: request.offsets,
            is_strict: request.classification == Classification::Strict,
        };
        question.check_labels()?;
        Ok(question)
    }

    /// Where the text stands in the request.
    pub(super) fn place(&self, index: usize) -> String {
        place(self.is_batch, index)
    }

    fn check_labels(&self) -> Result<(), ApiError> {
        if !self.is_strict {
            return Ok(());
        }
        if self.schema.is_nested() {
            let message = "a strict classification has no nested types: write null for each type";
            return Err(ApiError::impossible("schema", message));
        }
        let missing = self
            .texts
            .iter()
            .position(|text| crate::decode::labels(text).is_empty());
        missing.map_or(Ok(()), |index| {
            let message = "a strict classification needs labels before the text: `正向,负向|text`";
            Err(ApiError::impossible(self.place(index), message))
        })
    }
}

fn place(is_batch: bool, index: usize) -> String {
    if is_batch {
        format!("texts[{index}]")
    } else {
        "text".into()
    }
}

fn read(body: &[u8]) -> Result<PredictRequest, ApiError> {
    let body = coding::without_mark(body);
    let mut json = serde_json::Deserializer::from_slice(body);
    let request: PredictRequest = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        not_read(body, &path, &error.into_inner())
    })?;
    json.end().map_err(|error| not_read(body, ".", &error))?;
    Ok(request)
}

/// What is no JSON has a line and a column, counted in characters; what is not asked for in this form has a path.
fn not_read(body: &[u8], path: &str, error: &serde_json::Error) -> ApiError {
    let position = format!(" at line {} column {}", error.line(), error.column());
    let message = error.to_string();
    let message = message.strip_suffix(&position).unwrap_or(&message);
    if body.trim_ascii().is_empty() {
        return ApiError::malformed("body", "the body is empty").logged("the body is empty");
    }
    if !error.is_data() {
        let column = column(body, error.line(), error.column());
        let place = format!("line {}, column {column}", error.line());
        return ApiError::malformed(&place, message).logged(format!("JSON syntax, {place}"));
    }
    let place = match path {
        "." => "body".into(),
        // What is nested too deeply, or named too long, has no place that anyone could read.
        path => joined(path.split('.')),
    };
    ApiError::malformed(place, shortened(message, MESSAGE))
        .logged("a field is unknown, missing or has the wrong type")
}

/// serde_json counts bytes, and a Chinese character has three.
fn column(body: &[u8], line: usize, bytes: usize) -> usize {
    let line = body
        .split(|byte| *byte == b'\n')
        .nth(line.saturating_sub(1));
    let line = line.unwrap_or_default();
    String::from_utf8_lossy(line.get(..bytes).unwrap_or(line))
        .chars()
        .count()
}

fn check_length(text: &str, max_length: usize) -> Result<(), ApiError> {
    let length = text.chars().count();
    if length <= max_length {
        return Ok(());
    }
    let message = format!("the text has {length} characters, but max-length is {max_length}");
    Err(ApiError::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "too_long",
        message,
    ))
}
