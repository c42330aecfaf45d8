//! The one grammar of durations, Go's and so Kubernetes': `"90s"`, `"1m30s"`, `"1.5h"`.

use std::time::Duration;

use crate::Refused;

const SECOND: u128 = 1_000_000_000;

/// Units with their nanoseconds; both of Unicode's micro signs count.
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

/// The grammar as a regular expression, for schemas.
pub const PATTERN: &str = r"^\+?(0|(([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+)$";

/// What to do with a text that is refused.
pub const HELP: &str = "write numbers with units, such as \"90s\", \"5m\" or \"1h30m\"";

/// Reads a duration to the nanosecond; what is finer is cut, as Go does.
///
/// # Errors
/// A text that is not a duration, is negative, or is longer than 584 years.
pub fn parse(text: &str) -> Result<Duration, Refused> {
    let refused = |what: &str| Refused::new(format!("`{text}` is {what}"), HELP);
    if text.strip_prefix('-').and_then(nanoseconds).is_some() {
        return Err(refused("negative, and a duration here cannot be"));
    }
    let unsigned = text.strip_prefix('+').unwrap_or(text);
    let nanoseconds = nanoseconds(unsigned).ok_or_else(|| refused("not a duration"))?;
    let nanoseconds = u64::try_from(nanoseconds).map_err(|_| refused("too long"))?;
    Ok(Duration::from_nanos(nanoseconds))
}

/// The duration in the largest unit up to the second that leaves no fraction: `90s`, `1500ms`. [`parse`] reads it.
pub fn text(duration: Duration) -> String {
    let nanoseconds = duration.as_nanos();
    let units = [("s", SECOND), ("ms", 1_000_000), ("us", 1_000)];
    let whole = units.iter().find(|(_, factor)| nanoseconds % factor == 0);
    let (unit, factor) = whole.copied().unwrap_or(("ns", 1));
    format!("{}{unit}", nanoseconds / factor)
}

fn nanoseconds(unsigned: &str) -> Option<u128> {
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

/// One number with its unit in nanoseconds, and what follows it.
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

/// For `#[serde(with = …)]` of an optional duration.
pub(crate) mod optional {
    use std::time::Duration;

    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(
        duration: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match duration {
            Some(duration) => serializer.serialize_str(&super::text(*duration)),
            None => serializer.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        let text = String::deserialize(deserializer)?;
        super::parse(&text).map(Some).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        for (nanoseconds, written) in [
            (0, "0s"),
            (1, "1ns"),
            (1_000, "1us"),
            (1_500_000_000, "1500ms"),
            (90_000_000_000, "90s"),
        ] {
            let duration = Duration::from_nanos(nanoseconds);
            assert_eq!(text(duration), written);
            assert_eq!(parse(written), Ok(duration));
        }
    }

    #[test]
    fn what_is_refused_says_why() {
        for (text, why) in [
            ("", "not a duration"),
            ("5", "not a duration"),
            ("1 s", "not a duration"),
            ("1d", "not a duration"),
            ("-1s", "negative"),
            ("9000000h", "too long"),
        ] {
            let refused = parse(text).expect_err("refused");
            assert!(refused.message.contains(why), "{text}: {refused}");
        }
    }
}
