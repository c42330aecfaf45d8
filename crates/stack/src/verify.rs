//! `[verify]`: what the running service must answer, and how soon.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uninlu_settings::duration;

use super::Refused;
use super::at::At;
use super::fault::Faults;
use super::text::typed_as_text;

/// What `uninlu verify` asks besides what every stack promises.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Verify {
    /// Predictions whose output is known.
    pub predict: Vec<Golden>,
    /// What the median of their answers' times must not exceed.
    pub latency: Option<Latency>,
}

/// A prediction whose output is known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Golden {
    /// The text.
    pub text: String,
    /// The schema, as `/api/predict` takes it.
    pub schema: Value,
    /// The value of `output` in the answer.
    pub output: Value,
}

/// A time in whole milliseconds: it is measured here, and stands in no field of Kubernetes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Latency {
    /// The time in milliseconds.
    pub milliseconds: u32,
}

/// What `uninlu verify` asks besides what every stack promises
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Verify")]
pub(super) struct RawVerify {
    /// Predictions whose output is known, asked of every pod (default: none)
    predict: Vec<At<RawGolden>>,
    /// What the median of the answers' times must not exceed, such as "500ms", with the way through the API server
    /// (default: no bound)
    latency: Option<At<Latency>>,
}

/// A prediction whose output is known
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Golden")]
struct RawGolden {
    /// The text
    text: Option<At<String>>,
    /// The schema as JSON: `'{"人物": null}'`
    schema: Option<At<String>>,
    /// The value of `output` in the answer as JSON: `'[[{"type": "人物", "span": "…", "offset": [0, 2]}]]'`
    output: Option<At<String>>,
}

impl RawVerify {
    pub(super) fn validate(self, faults: &mut Faults) -> Verify {
        if let (Some(at), true) = (&self.latency, self.predict.is_empty()) {
            faults.add(
                &at.span,
                "`latency` bounds the predictions of `predict`, and there is none",
                "add one to `predict`, or remove `latency`",
            );
        }
        let predict = self.predict.into_iter().enumerate();
        Verify {
            predict: predict
                .filter_map(|(index, at)| validate_golden(index, at, faults))
                .collect(),
            latency: self.latency.map(|at| at.value),
        }
    }
}

fn validate_golden(index: usize, at: At<RawGolden>, faults: &mut Faults) -> Option<Golden> {
    let raw = at.value;
    if raw.text.is_none() || raw.schema.is_none() || raw.output.is_none() {
        faults.add_missing(
            &format!("verify.predict.{index}"),
            &at.span,
            "a prediction has a text, a schema and the output that is known to be right",
            "write `text`, `schema` and `output`: curl prints the last one of a service that is trusted",
        );
    }
    if let Some(text) = &raw.text {
        faults.check(
            !text.value.is_empty(),
            &text.span,
            "the text is empty: nothing can be found in it",
            "write a text of the service's own kind",
        );
    }
    let schema = raw.schema.and_then(|at| {
        let value = json(&at, faults)?;
        let is_schema = value.as_object().is_some_and(|object| !object.is_empty());
        let message =
            "a schema is an object from each type to `null`, or to what is asked about it";
        faults
            .check(is_schema, &at.span, message, r#"write `'{"人物": null}'`"#)
            .then_some(value)
    });
    let output = raw.output.and_then(|at| {
        let value = json(&at, faults)?;
        let message = "an output is a list, with a path for each leaf of the schema that is found";
        let help =
            "copy the value of `output` from an answer of /api/predict; nothing found is `[]`";
        faults
            .check(value.is_array(), &at.span, message, help)
            .then_some(value)
    });
    Some(Golden {
        text: raw.text?.value,
        schema: schema?,
        output: output?,
    })
}

fn json(at: &At<String>, faults: &mut Faults) -> Option<Value> {
    let value = serde_json::from_str(&at.value);
    if let Err(error) = &value {
        faults.add(
            &at.span,
            format!("no JSON: {error}"),
            "write JSON in single quotes, where nothing must be escaped (`'''` for several lines)",
        );
    }
    value.ok()
}

impl Latency {
    pub(super) fn parse(text: &str) -> Result<Self, Refused> {
        let help = "write numbers with units, such as \"500ms\" or \"1.5s\"";
        let refused = |what: &str| Refused::new(format!("`{text}` is {what}"), help);
        let duration = duration::parse(text).map_err(|error| Refused::new(error.message, help))?;
        if duration < std::time::Duration::from_millis(1) {
            return Err(refused("below a millisecond, and nothing answers so soon"));
        }
        if duration.subsec_nanos() % 1_000_000 != 0 {
            return Err(refused("not in whole milliseconds"));
        }
        let milliseconds = u32::try_from(duration.as_millis());
        Ok(Self {
            milliseconds: milliseconds.map_err(|_| refused("too long"))?,
        })
    }
}

typed_as_text!(
    Latency,
    "latency",
    "A duration in whole milliseconds, such as \"500ms\"",
    duration::PATTERN
);
