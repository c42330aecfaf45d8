//! Durations as Go and Kubernetes write them (`"90s"`, `"1m30s"`).

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error as _};

use super::Refused;

/// A duration of whole seconds: Kubernetes' probe and grace fields know nothing finer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Duration {
    /// The length in seconds.
    pub seconds: u32,
}

/// Go's units in nanoseconds; both of Unicode's micro signs count.
const UNITS: [(&str, u128); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", SECOND),
    ("m", 60 * SECOND),
    ("h", 3_600 * SECOND),
];

const SECOND: u128 = 1_000_000_000;

impl Duration {
    /// So many seconds.
    pub const fn seconds(seconds: u32) -> Self {
        Self { seconds }
    }

    /// Reads `"1h2m3s"` as Go does; fractions are fine as long as the whole is in seconds (`"1.5m"`).
    ///
    /// # Errors
    /// What is wrong with the text, with an example of what is right.
    pub fn parse(text: &str) -> Result<Self, Refused> {
        let help = "write numbers with units, such as \"90s\", \"5m\" or \"1h30m\"";
        let refused = |what: &str| Refused::new(format!("`{text}` is {what}"), help);
        if text.starts_with('-') && nanoseconds(&text[1..]).is_some() {
            return Err(refused("negative, and nothing here can be"));
        }
        let unsigned = text.strip_prefix('+').unwrap_or(text);
        let nanoseconds = nanoseconds(unsigned).ok_or_else(|| refused("no duration"))?;
        if !nanoseconds.is_multiple_of(SECOND) {
            return Err(refused(
                "not in whole seconds, and Kubernetes' fields hold nothing finer",
            ));
        }
        let seconds = u32::try_from(nanoseconds / SECOND).map_err(|_| refused("too long"))?;
        Ok(Self { seconds })
    }
}

/// Reads a duration to the nanosecond, for what is no field of Kubernetes; `None` for a text that is none.
pub fn fine(text: &str) -> Option<std::time::Duration> {
    let nanoseconds = nanoseconds(text.strip_prefix('+').unwrap_or(text))?;
    Some(std::time::Duration::from_nanos(
        u64::try_from(nanoseconds).ok()?,
    ))
}

pub(super) fn nanoseconds(unsigned: &str) -> Option<u128> {
    if unsigned == "0" {
        return Some(0);
    }
    let mut rest = unsigned;
    let mut sum: u128 = 0;
    while !rest.is_empty() {
        let (part, after) = part(rest)?;
        sum = sum.checked_add(part)?;
        rest = after;
    }
    (!unsigned.is_empty()).then_some(sum)
}

/// One number with its unit in nanoseconds, and what follows it. What is finer is cut, as Go does.
fn part(text: &str) -> Option<(u128, &str)> {
    let is_number = |c: char| c.is_ascii_digit() || c == '.';
    let (number, rest) = text.split_at(text.find(|c| !is_number(c))?);
    let (unit, after) = rest.split_at(rest.find(is_number).unwrap_or(rest.len()));
    let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let is_valid = !(whole.is_empty() && fraction.is_empty() || fraction.contains('.'));
    let scale = 10_u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let digits: u128 = is_valid.then(|| format!("{whole}{fraction}").parse().ok())??;
    Some((digits.checked_mul(*factor)? / scale, after))
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
            "pattern": r"^\+?(0|(([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+)$",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by Go's own code: see the file's first lines.
    const GO: &str = include_str!("../tests/kubernetes/durations.tsv");

    #[test]
    fn durations_count_as_go_counts_them() {
        for line in GO.lines().filter(|line| !line.starts_with('#')) {
            let (text, expected) = line.split_once('\t').expect("two columns");
            let ours =
                Duration::parse(text).map_or("refused".into(), |duration| duration.to_string());
            assert_eq!(ours, expected, "{text:?}");
        }
    }

    #[test]
    fn what_is_printed_is_read_again() {
        for seconds in [0, 1, 59, 60, 3_600, u32::MAX] {
            let duration = Duration { seconds };
            assert_eq!(Duration::parse(&duration.to_string()), Ok(duration));
        }
    }
}
