//! Kubernetes quantities (`"500m"`, `"2Gi"`), as `k8s.io/apimachinery/pkg/api/resource` reads them.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error as _};

/// A quantity as it was written, with its value.
///
/// Equality and order are by value: `"1024Mi"` equals `"1Gi"`.
#[derive(Debug, Clone)]
pub struct Quantity {
    /// The text as written; this is what goes into objects.
    pub text: String,
    /// The value in thousandths of the unit (millicores, thousandths of a byte), rounded up as Kubernetes does.
    pub milli: i128,
}

/// Suffixes with their factor as a power of two or ten.
const SUFFIXES: [(&str, Factor); 15] = [
    ("Ki", Factor::Two(10)),
    ("Mi", Factor::Two(20)),
    ("Gi", Factor::Two(30)),
    ("Ti", Factor::Two(40)),
    ("Pi", Factor::Two(50)),
    ("Ei", Factor::Two(60)),
    ("n", Factor::Ten(-9)),
    ("u", Factor::Ten(-6)),
    ("m", Factor::Ten(-3)),
    ("k", Factor::Ten(3)),
    ("M", Factor::Ten(6)),
    ("G", Factor::Ten(9)),
    ("T", Factor::Ten(12)),
    ("P", Factor::Ten(15)),
    ("E", Factor::Ten(18)),
];

#[derive(Debug, Clone, Copy, PartialEq)]
enum Factor {
    Two(u32),
    Ten(i32),
}

impl Quantity {
    /// Reads a quantity that is not negative.
    ///
    /// # Errors
    /// What is wrong with the text, with an example of what is right.
    pub fn parse(text: &str) -> Result<Self, String> {
        let fault = || {
            format!(
                "`{text}` is no Kubernetes quantity: a number with an optional suffix, such as \"500m\" or \"2Gi\""
            )
        };
        let unsigned = text.strip_prefix('+').unwrap_or(text);
        let end = unsigned
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(unsigned.len());
        let (number, suffix) = unsigned.split_at(end);
        let factor = factor_of(suffix).ok_or_else(fault)?;
        let milli = milli_value(number, factor).ok_or_else(fault)?;
        Ok(Self {
            text: text.to_owned(),
            milli,
        })
    }

    /// The value in whole units (bytes, cores), rounded up.
    pub fn units(&self) -> i128 {
        (self.milli + 999).div_euclid(1000)
    }
}

fn factor_of(suffix: &str) -> Option<Factor> {
    if suffix.is_empty() {
        return Some(Factor::Ten(0));
    }
    if let Some((_, factor)) = SUFFIXES.iter().find(|(name, _)| *name == suffix) {
        return Some(*factor);
    }
    let exponent = suffix.strip_prefix(['e', 'E'])?;
    let exponent: i32 = exponent.parse().ok()?;
    (-30..=30)
        .contains(&exponent)
        .then_some(Factor::Ten(exponent))
}

/// `number` × `factor` in thousandths, rounded up; `None` when it is no number or too large to hold.
fn milli_value(number: &str, factor: Factor) -> Option<i128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') || fraction.len() > 18 {
        return None;
    }
    let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
    let decimals = i32::try_from(fraction.len()).ok()?;
    let (digits, ten) = match factor {
        Factor::Two(power) => (digits.checked_mul(1 << power)?, 3 - decimals),
        Factor::Ten(power) => (digits, power + 3 - decimals),
    };
    let scale = 10_i128.checked_pow(ten.unsigned_abs())?;
    if ten >= 0 {
        digits.checked_mul(scale)
    } else {
        Some(digits.checked_add(scale - 1)?.div_euclid(scale))
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.milli == other.milli
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.milli.cmp(&other.milli)
    }
}

impl std::fmt::Display for Quantity {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Quantity::parse(&text).map_err(D::Error::custom)
    }
}

impl JsonSchema for Quantity {
    fn schema_name() -> Cow<'static, str> {
        "Quantity".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A Kubernetes quantity, such as \"500m\" or \"2Gi\"",
            "pattern": r"^\+?([0-9]+\.?[0-9]*|\.[0-9]+)([numkMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]+)?$",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn milli(text: &str) -> i128 {
        Quantity::parse(text).expect(text).milli
    }

    #[test]
    fn suffixes_count_as_kubernetes_counts_them() {
        assert_eq!(milli("1"), 1_000);
        assert_eq!(milli("500m"), 500);
        assert_eq!(milli("0.5"), 500);
        assert_eq!(milli(".5"), 500);
        assert_eq!(milli("2Gi"), 2 * 1_073_741_824 * 1_000);
        assert_eq!(milli("1.5Gi"), 1_610_612_736_000);
        assert_eq!(milli("1k"), 1_000_000);
        assert_eq!(milli("1E"), 1_000_000_000_000_000_000_000);
        assert_eq!(milli("1e3"), 1_000_000);
        assert_eq!(milli("12E2"), 1_200_000);
    }

    #[test]
    fn a_fraction_of_a_thousandth_is_rounded_up() {
        assert_eq!(milli("1n"), 1);
        assert_eq!(milli("1500u"), 2);
        assert_eq!(milli("0.0001"), 1);
    }

    #[test]
    fn equality_is_by_value() {
        assert_eq!(Quantity::parse("1024Mi"), Quantity::parse("1Gi"));
        assert!(Quantity::parse("1Gi") > Quantity::parse("1G"));
    }

    #[test]
    fn what_kubernetes_refuses_is_refused() {
        for text in [
            "",
            "Gi",
            "2GiB",
            "2 Gi",
            "-1",
            "1.2.3",
            "1e",
            "two",
            "0x10",
            "1mm",
            ".",
            "9999999999999999999999999999999E",
        ] {
            assert!(Quantity::parse(text).is_err(), "{text:?} must be refused");
        }
    }
}
