//! Kubernetes' IntOrString: a number of pods or a percentage.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error};

use super::Refused;

/// A number of pods, or a percentage of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    /// So many pods.
    Pods(u32),
    /// Percent of the wanted pods.
    Percent(u32),
}

impl Count {
    /// Reads a percentage, `"25%"`.
    pub(super) fn parse(text: &str) -> Result<Self, Refused> {
        let percent = text
            .strip_suffix('%')
            .and_then(|number| number.parse().ok());
        match percent {
            Some(percent @ 0..=100) => Ok(Count::Percent(percent)),
            _ => Err(Refused::new(
                format!("`{text}` is neither a number of pods nor a percentage"),
                "write a number such as 1, or a percentage from \"0%\" to \"100%\"",
            )),
        }
    }

    /// Whether it is none at all.
    pub const fn is_zero(self) -> bool {
        matches!(self, Count::Pods(0) | Count::Percent(0))
    }

    /// How many of `total` pods it is, rounded up as for surging pods and by the disruption controller.
    pub fn of(self, total: u32) -> u32 {
        match self {
            Count::Pods(pods) => pods,
            Count::Percent(percent) => (u64::from(total) * u64::from(percent)).div_ceil(100) as u32,
        }
    }

    /// How many of `total` pods it is, rounded down as for pods that may be missing in a rollout.
    pub fn of_rounded_down(self, total: u32) -> u32 {
        match self {
            Count::Pods(pods) => pods,
            Count::Percent(percent) => (u64::from(total) * u64::from(percent) / 100) as u32,
        }
    }
}

impl std::fmt::Display for Count {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Count::Pods(pods) => write!(formatter, "{pods}"),
            Count::Percent(percent) => write!(formatter, "{percent}%"),
        }
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let count = toml::Value::deserialize(deserializer)?;
        match count.as_integer().map(u32::try_from) {
            Some(Ok(pods)) => Ok(Count::Pods(pods)),
            _ => Count::parse(count.as_str().unwrap_or_default()).map_err(D::Error::custom),
        }
    }
}

impl JsonSchema for Count {
    fn schema_name() -> Cow<'static, str> {
        "Count".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "format": "count",
            "description": "A number of pods, or a percentage such as \"25%\"",
            "anyOf": [
                { "type": "integer", "minimum": 0 },
                { "type": "string", "pattern": "^(100|[1-9]?[0-9])%$" },
            ],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentage_is_rounded() {
        assert_eq!(Count::Percent(50).of(3), 2);
        assert_eq!(Count::Percent(50).of_rounded_down(3), 1);
        assert_eq!(Count::Pods(1).of_rounded_down(3), 1);
        assert_eq!(Count::Percent(0).of(3), 0);
        assert_eq!(Count::Pods(1).of(3), 1);
    }
}
