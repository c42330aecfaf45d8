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

/// A question: one text or several, and what is looked for in them.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PredictRequest {
    /// The text; a classification's labels stand before it: `正向,负向|text`.
    #[schema(example = "雷军是小米公司的董事长，他出生于湖北仙桃。")]
    text: Option<String>,
    /// Several texts, at most 64, instead of `text`.
    #[schema(value_type = Option<Vec<String>>)]
    texts: Option<Texts>,
    /// An object from each type to `null` or to what is asked about its entities; or a string that holds one as JSON. At
    /// most 32 levels, 16,384 names of at most 1,000 characters, and 2,048 questions of one text.
    #[schema(value_type = Object, example = json!({"人物": {"职务": null, "出生地": null}}))]
    schema: Option<Box<RawValue>>,
    /// Whether paths that end early are given too.
    #[serde(default)]
    output_all_prefix: bool,
    /// How the output is arranged.
    #[serde(default)]
    view: View,
    /// What offsets count.
    #[serde(default)]
    offsets: Offsets,
    /// Whether answers must be one of the labels before `|`.
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
                    "there are more than {TEXTS} texts; write 1 to {TEXTS}"
                )));
            }
            texts.push(text);
        }
        Ok(texts)
    }
}

/// How the output is arranged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum View {
    /// The reference's: one path for each leaf.
    #[default]
    Paths,
    /// Entities by type, each with what was found about it.
    Grouped,
}

/// What offsets count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Offsets {
    /// The reference's: Unicode code points, as Python counts.
    #[default]
    CodePoints,
    /// UTF-16 code units, as JavaScript and Java count.
    #[serde(rename = "utf-16")]
    Utf16,
}

/// What may be an answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Classification {
    /// The reference's: any span.
    #[default]
    Free,
    /// Exactly one of the labels before `|`, the likeliest, with its score among them.
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
                    "write `text` or `texts`, not both",
                ));
            }
        };
        if texts.is_empty() {
            let message = format!("there is no text; write 1 to {TEXTS}");
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
            let message = "a strict classification asks nothing about its labels: write null behind each type";
            return Err(ApiError::impossible("schema", message));
        }
        let missing = self
            .texts
            .iter()
            .position(|text| crate::decode::labels(text).is_empty());
        missing.map_or(Ok(()), |index| {
            let message =
                "a strict classification needs its labels before the text: `正向,负向|text`";
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
        // What is nested too deeply, or named too long, has no place that anybody could read.
        path => joined(path.split('.')),
    };
    ApiError::malformed(place, shortened(message, MESSAGE))
        .logged("a field is unknown, missing or of another type")
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
    let message = format!(
        "the text has {length} characters, and max-length is {max_length}; nothing was cut off"
    );
    Err(ApiError::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "too_long",
        message,
    ))
}
