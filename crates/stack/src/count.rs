//! Kubernetes' IntOrString: a number of pods or a percentage.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, Visitor};

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

fn refused(written: impl std::fmt::Display) -> Refused {
    Refused::new(
        format!("`{written}` is neither a number of pods nor a percentage"),
        "write a number such as 1, or a percentage from \"0%\" to \"100%\"",
    )
}

struct CountVisitor;

impl Visitor<'_> for CountVisitor {
    type Value = Count;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("a number of pods such as 1, or a percentage such as \"25%\"")
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Count, E> {
        u32::try_from(value)
            .map(Count::Pods)
            .map_err(|_| E::custom(refused(value)))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Count, E> {
        u32::try_from(value)
            .map(Count::Pods)
            .map_err(|_| E::custom(refused(value)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Count, E> {
        let percent = text
            .strip_suffix('%')
            .and_then(|number| number.parse().ok());
        match percent {
            Some(percent @ 0..=100) => Ok(Count::Percent(percent)),
            _ => Err(E::custom(refused(text))),
        }
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CountVisitor)
    }
}

impl JsonSchema for Count {
    fn schema_name() -> Cow<'static, str> {
        "Count".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
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
