//! Kubernetes quantities (`"500m"`, `"2Gi"`), as `k8s.io/apimachinery/pkg/api/resource` reads them.

use super::Refused;
use super::text::typed_as_text;

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

/// Suffixes with their factor as a power of two or ten; of two that differ in case only, the one that is meant more
/// often comes first.
const SUFFIXES: [(&str, Factor); 15] = [
    ("Ki", Factor::Two(10)),
    ("Mi", Factor::Two(20)),
    ("Gi", Factor::Two(30)),
    ("Ti", Factor::Two(40)),
    ("Pi", Factor::Two(50)),
    ("Ei", Factor::Two(60)),
    ("k", Factor::Ten(3)),
    ("M", Factor::Ten(6)),
    ("G", Factor::Ten(9)),
    ("T", Factor::Ten(12)),
    ("P", Factor::Ten(15)),
    ("E", Factor::Ten(18)),
    ("m", Factor::Ten(-3)),
    ("u", Factor::Ten(-6)),
    ("n", Factor::Ten(-9)),
];

#[derive(Debug, Clone, Copy, PartialEq)]
enum Factor {
    Two(u32),
    Ten(i32),
}

/// Digits after the point that are told apart; what is finer rounds up, as it does in Kubernetes (at 9 digits).
const FINEST_FRACTION: usize = 18;

impl Quantity {
    /// Reads a quantity that is not negative.
    ///
    /// Kubernetes caps what exceeds 2⁶³; here it is refused when it exceeds 128 bits.
    ///
    /// # Errors
    /// What is wrong with the text, and what was probably meant.
    pub fn parse(text: &str) -> Result<Self, Refused> {
        let refused = || {
            let help = meant(text).map_or(
                "write a number with an optional suffix, such as \"500m\" or \"2Gi\"".to_owned(),
                |meant| format!("did you mean \"{meant}\"?"),
            );
            Refused::new(format!("`{text}` is not a Kubernetes quantity"), help)
        };
        if let Some(positive) = text.strip_prefix('-').filter(|rest| read(rest).is_some()) {
            return Err(Refused::new(
                format!("`{text}` is negative, and nothing here can be"),
                format!("did you mean \"{positive}\"?"),
            ));
        }
        let milli = read(text.strip_prefix('+').unwrap_or(text)).ok_or_else(refused)?;
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

/// The value of a quantity without a sign, in thousandths.
fn read(unsigned: &str) -> Option<i128> {
    let (number, suffix) = split_number(unsigned);
    milli_value(number, factor_of(suffix)?)
}

fn split_number(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.');
    text.split_at(end.unwrap_or(text.len()))
}

/// The quantity behind a usual slip: a space, the wrong case, a `B` at the end.
fn meant(text: &str) -> Option<String> {
    let text = text.replace(' ', "");
    let (number, suffix) = split_number(&text);
    let suffix = suffix.trim_end_matches(['B', 'b']);
    let (suffix, factor) = SUFFIXES
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(suffix))?;
    milli_value(number, *factor)?;
    Some(format!("{number}{suffix}"))
}

fn factor_of(suffix: &str) -> Option<Factor> {
    if suffix.is_empty() {
        return Some(Factor::Ten(0));
    }
    if let Some((_, factor)) = SUFFIXES.iter().find(|(name, _)| *name == suffix) {
        return Some(*factor);
    }
    let exponent = suffix.strip_prefix(['e', 'E'])?;
    exponent.parse().ok().map(Factor::Ten)
}

/// `number` × `factor` in thousandths, rounded up; `None` when it is no number or too large to hold.
fn milli_value(number: &str, factor: Factor) -> Option<i128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
        return None;
    }
    let (fraction, finer) = fraction.split_at(fraction.len().min(FINEST_FRACTION));
    let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
    let digits = digits.checked_add(i128::from(finer.contains(|c| c != '0')))?;
    let decimals = i32::try_from(fraction.len()).ok()?;
    let (digits, ten) = match factor {
        Factor::Two(power) => (digits.checked_mul(1 << power)?, 3 - decimals),
        Factor::Ten(power) => (digits, power.checked_add(3 - decimals)?),
    };
    scale(digits, ten)
}

/// `digits` × 10^`ten`, rounded up.
fn scale(digits: i128, ten: i32) -> Option<i128> {
    match 10_i128.checked_pow(ten.unsigned_abs()) {
        Some(factor) if ten >= 0 => digits.checked_mul(factor),
        Some(divisor) => Some(digits.div_euclid(divisor) + i128::from(digits % divisor != 0)),
        None if ten < 0 || digits == 0 => Some(i128::from(digits != 0)),
        None => None,
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

typed_as_text!(
    Quantity,
    "quantity",
    "A Kubernetes quantity, such as \"500m\" or \"2Gi\"",
    r"^\+?([0-9]+\.?[0-9]*|\.[0-9]+)([numkMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]+)?$"
);

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by Kubernetes' own code: see the file's first lines.
    const KUBERNETES: &str = include_str!("../tests/kubernetes/quantities.tsv");

    /// Kubernetes reads these as zero, which nobody means.
    const STRICTER: [&str; 2] = [".", "Gi"];

    #[test]
    fn quantities_count_as_kubernetes_counts_them() {
        for line in KUBERNETES.lines().filter(|line| !line.starts_with('#')) {
            let (text, expected) = line.split_once('\t').expect("two columns");
            let expected = if STRICTER.contains(&text) {
                "refused"
            } else {
                expected
            };
            let ours = Quantity::parse(text)
                .map_or("refused".into(), |quantity| quantity.milli.to_string());
            assert_eq!(ours, expected, "{text:?} in thousandths");
        }
    }

    #[test]
    fn equality_and_order_are_by_value() {
        let read = |text| Quantity::parse(text).expect(text);
        assert_eq!(read("1024Mi"), read("1Gi"));
        assert!(read("1Gi") > read("1G"));
    }

    #[test]
    fn a_usual_slip_is_told_with_what_was_meant() {
        for (text, meant) in [
            ("2GB", "2G"),
            ("2gi", "2Gi"),
            ("2 Gi", "2Gi"),
            ("512mb", "512M"),
            ("-1", "1"),
        ] {
            let refused = Quantity::parse(text).expect_err(text);
            assert_eq!(
                refused.help,
                format!("did you mean \"{meant}\"?"),
                "{text:?}"
            );
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert!(Quantity::parse("9999999999999999999999999999999E").is_err());
        assert!(Quantity::parse("1e99").is_err());
    }
}
