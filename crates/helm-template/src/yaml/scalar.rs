//! What a scalar means, as Go's yaml.v2 resolves it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Number, Value};

/// The value of a scalar; `tag` is the suffix of a core tag (`str`, `int`, …), `custom` of any other.
///
/// # Errors
/// What its tag does not take, and a number that JSON does not have.
pub(super) fn value(text: &str, is_plain: bool, tag: Option<&str>) -> Result<Value, String> {
    let refused = |kind| Err(format!("the text is no `!!{kind}`"));
    match tag {
        None if is_plain => plain(text),
        None | Some("str" | "custom" | "timestamp") => Ok(text.into()),
        Some("binary") => {
            let compact: String = text.split_whitespace().collect();
            let bytes = STANDARD
                .decode(compact)
                .map_err(|error| error.to_string())?;
            Ok(String::from_utf8_lossy(&bytes).into_owned().into())
        }
        Some(kind) => match (kind, plain(text)?) {
            ("null", Value::Null) => Ok(Value::Null),
            ("bool", Value::Bool(value)) => Ok(value.into()),
            ("int", Value::Number(number)) if !number.is_f64() => Ok(number.into()),
            ("float", Value::Number(number)) => Ok(number.into()),
            _ => refused(kind),
        },
    }
}

fn plain(text: &str) -> Result<Value, String> {
    Ok(match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            true.into()
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            false.into()
        }
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" | "-.inf" | "-.Inf" | "-.INF"
        | ".nan" | ".NaN" | ".NAN" => return Err(format!("JSON has no `{text}`")),
        text => number(text).map_or_else(|| text.into(), Value::Number),
    })
}

fn number(text: &str) -> Option<Number> {
    if !text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c)) {
        return None;
    }
    let digits = text.replace('_', "");
    // What Rust reads besides YAML's numbers, infinities and NaN, is no fraction.
    whole(&digits).or_else(|| fraction(digits.parse().ok()?))
}

/// As JSON has it: without a fraction it is a whole number.
fn fraction(value: f64) -> Option<Number> {
    let is_whole = value.fract() == 0.0 && value.abs() < 1e15;
    match is_whole {
        true => Some((value as i64).into()),
        false => Number::from_f64(value),
    }
}

/// Go's `ParseInt` with base 0.
fn whole(digits: &str) -> Option<Number> {
    let (is_negative, unsigned) = match digits.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, digits.strip_prefix('+').unwrap_or(digits)),
    };
    let lower = unsigned.to_ascii_lowercase();
    let (base, bare) = match lower.get(..2) {
        Some("0x") => (16, &lower[2..]),
        Some("0o") => (8, &lower[2..]),
        Some("0b") => (2, &lower[2..]),
        Some(two) if two.starts_with('0') => (8, &lower[1..]),
        _ => (10, lower.as_str()),
    };
    // `parse` takes a sign too.
    if !bare.starts_with(|c: char| c.is_ascii_hexdigit()) {
        return None;
    }
    let value = u64::from_str_radix(bare, base).ok()?;
    match is_negative {
        true => Some(i64::try_from(-i128::from(value)).ok()?.into()),
        false => Some(value.into()),
    }
}
