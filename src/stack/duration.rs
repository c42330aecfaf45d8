//! Durations as Go and Kubernetes write them (`"90s"`, `"1m30s"`).

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error as _};

/// A duration of whole seconds: Kubernetes' probe and grace fields know nothing finer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Duration {
    /// The length in seconds.
    pub seconds: u32,
}

const UNITS: [(&str, u64); 4] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];

impl Duration {
    /// So many seconds.
    pub const fn seconds(seconds: u32) -> Self {
        Self { seconds }
    }

    /// Reads `"1h2m3s"`; fractions are fine as long as the whole is in seconds (`"1.5m"`).
    ///
    /// # Errors
    /// What is wrong with the text, with an example of what is right.
    pub fn parse(text: &str) -> Result<Self, String> {
        let fault = || {
            format!(
                "`{text}` is no duration: numbers with units, such as \"90s\", \"5m\" or \"1h30m\""
            )
        };
        let mut rest = text;
        let mut millis: u64 = 0;
        while !rest.is_empty() {
            let (part, after) = parse_part(rest).ok_or_else(fault)?;
            millis = millis.checked_add(part).ok_or_else(fault)?;
            rest = after;
        }
        if text.is_empty() {
            return Err(fault());
        }
        if millis % 1_000 != 0 {
            return Err(format!(
                "`{text}` is not in whole seconds, and Kubernetes' fields hold nothing finer"
            ));
        }
        let seconds = u32::try_from(millis / 1_000).map_err(|_| fault())?;
        Ok(Self { seconds })
    }
}

/// One number with its unit in milliseconds, and what follows it.
fn parse_part(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, rest) = text.split_at(end);
    let unit_end = rest
        .find(|c: char| c.is_ascii_digit() || c == '.')
        .unwrap_or(rest.len());
    let (unit, after) = rest.split_at(unit_end);
    let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if fraction.len() > 6 || whole.is_empty() {
        return None;
    }
    let scale = 10_u64.pow(u32::try_from(fraction.len()).ok()?);
    let digits: u64 = format!("{whole}{fraction}").parse().ok()?;
    let scaled = digits.checked_mul(*factor)?;
    (scaled % scale == 0).then_some((scaled / scale, after))
}

impl std::fmt::Display for Duration {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}s", self.seconds)
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Duration::parse(&text).map_err(D::Error::custom)
    }
}

impl JsonSchema for Duration {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A duration in whole seconds, such as \"90s\" or \"1h30m\"",
            "pattern": r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_add_up() {
        for (text, seconds) in [
            ("90s", 90),
            ("5m", 300),
            ("1h30m", 5_400),
            ("1.5m", 90),
            ("2000ms", 2),
            ("0s", 0),
        ] {
            assert_eq!(Duration::parse(text), Ok(Duration { seconds }), "{text}");
        }
    }

    #[test]
    fn what_go_or_kubernetes_refuses_is_refused() {
        for text in [
            "",
            "90",
            "s",
            "1d",
            "-5s",
            "1s2",
            "500ms",
            "5 m",
            "1..5s",
            "99999999h",
        ] {
            assert!(Duration::parse(text).is_err(), "{text:?} must be refused");
        }
    }
}
