//! Go's `printf`, with the marks that it leaves where a verb and a value do not go together.

use super::number::go_float;
use super::text::Text;
use super::value::{Data, Value};

/// `%[flags][width][.precision]verb`
#[derive(Debug, Default)]
struct Spec {
    is_left: bool,
    is_padded: bool,
    has_sign: bool,
    width: usize,
    precision: Option<usize>,
    verb: char,
}

type Within<'a> = &'a dyn Fn(usize) -> Result<usize, String>;

/// Formats the values; `within` refuses a width that is too large.
///
/// # Errors
/// A width that is refused, or a form that is not understood.
pub(super) fn formatted(
    format: &str,
    values: &[Value],
    within: Within<'_>,
) -> Result<Text, String> {
    let mut result = Text::default();
    let mut values = values.iter();
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        result.push(&Text::plain(&rest[..at]), None);
        let (spec, after) = spec(&rest[at + 1..], &mut values, within)?;
        rest = after;
        match (spec.verb, values.as_slice()) {
            ('%', _) => result.push(&Text::plain("%"), None),
            ('\0', _) => result.push(&Text::plain("%!(NOVERB)"), None),
            (verb, []) => result.push(&Text::plain(format!("%!{verb}(MISSING)")), None),
            (_, [value, ..]) => {
                result.push(&spec.text(value), None);
                values.next();
            }
        }
    }
    result.push(&Text::plain(rest), None);
    let extra: Vec<String> = values.map(described).collect();
    if !extra.is_empty() {
        let text = format!("%!(EXTRA {})", extra.join(", "));
        result.push(&Text::plain(text), None);
    }
    Ok(result)
}

/// `string=hello`, as Go marks a value that does not go with its verb.
fn described(value: &Value) -> String {
    let kind = match &value.data {
        Data::Nil => return "<nil>".to_owned(),
        Data::Bool(_) => "bool",
        Data::Int(_) => "int",
        Data::Float(_) => "float64",
        Data::Text(_) => "string",
        Data::List(_) => "[]interface {}",
        Data::Map(_) | Data::Files | Data::ApiVersions => "map[string]interface {}",
    };
    format!("{kind}={}", value.print().text)
}

fn spec<'f>(
    text: &'f str,
    values: &mut std::slice::Iter<'_, Value>,
    within: Within<'_>,
) -> Result<(Spec, &'f str), String> {
    let mut spec = Spec::default();
    let flags = text.len() - text.trim_start_matches(['+', '-', '#', ' ', '0']).len();
    for flag in text[..flags].chars() {
        match flag {
            '-' => spec.is_left = true,
            '0' => spec.is_padded = true,
            '+' => spec.has_sign = true,
            _ => (),
        }
    }
    let (width, mut rest) = number(&text[flags..], values);
    spec.width = within(width.unwrap_or_default())?;
    if let Some(after) = rest.strip_prefix('.') {
        let (precision, after) = number(after, values);
        spec.precision = Some(within(precision.unwrap_or_default())?);
        rest = after;
    }
    if rest.starts_with('[') {
        return Err("`printf` with `%[1]s` is not understood".to_owned());
    }
    let mut letters = rest.chars();
    spec.verb = letters.next().unwrap_or('\0');
    Ok((spec, letters.as_str()))
}

/// Digits, or `*` for the next value.
fn number<'f>(text: &'f str, values: &mut std::slice::Iter<'_, Value>) -> (Option<usize>, &'f str) {
    if let Some(rest) = text.strip_prefix('*') {
        let value = values.next().and_then(Value::as_int);
        return (value.and_then(|value| usize::try_from(value).ok()), rest);
    }
    let rest = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let digits = &text[..text.len() - rest.len()];
    // More digits than a number has are more than any bound.
    let value = (!digits.is_empty()).then(|| digits.parse().unwrap_or(usize::MAX));
    (value, rest)
}

impl Spec {
    fn text(&self, value: &Value) -> Text {
        let printed = value.print();
        if printed.text.contains('\n')
            && self.width == 0
            && self.precision.is_none()
            && matches!(self.verb, 's' | 'v')
        {
            return printed;
        }
        let text = self.written(value);
        printed.map(|_| self.padded(text, value))
    }

    fn written(&self, value: &Value) -> String {
        match (self.verb, &value.data) {
            ('v', Data::Nil) => "<nil>".to_owned(),
            ('s' | 'v', Data::Text(text)) => self.cut(&text.text),
            ('q', Data::Text(text)) => serde_json::Value::from(text.text.as_str()).to_string(),
            ('x', Data::Text(text)) => text
                .text
                .bytes()
                .map(|byte| format!("{byte:02x}"))
                .collect(),
            ('d' | 'v', Data::Int(number)) => self.signed(number.to_string()),
            ('x', Data::Int(number)) => format!("{number:x}"),
            ('X', Data::Int(number)) => format!("{number:X}"),
            ('o', Data::Int(number)) => format!("{number:o}"),
            ('b', Data::Int(number)) => format!("{number:b}"),
            ('c', Data::Int(number)) => {
                let letter = u32::try_from(*number).ok().and_then(char::from_u32);
                letter.unwrap_or(char::REPLACEMENT_CHARACTER).to_string()
            }
            ('f' | 'F', Data::Float(number)) => {
                self.signed(format!("{number:.*}", self.precision.unwrap_or(6)))
            }
            ('e', Data::Float(number)) => {
                let text = format!("{number:.*e}", self.precision.unwrap_or(6));
                self.signed(exponent(&text))
            }
            ('v' | 'g', Data::Float(number)) if self.precision.is_none() => {
                self.signed(go_float(*number))
            }
            ('t' | 'v', Data::Bool(value)) => value.to_string(),
            ('s' | 'v', Data::List(_) | Data::Map(_)) => value.print().text,
            (verb, _) => format!("%!{verb}({})", described(value)),
        }
    }

    /// A precision is the most letters of a text.
    fn cut(&self, text: &str) -> String {
        match self.precision {
            Some(most) => text.chars().take(most).collect(),
            None => text.to_owned(),
        }
    }

    fn signed(&self, number: String) -> String {
        match self.has_sign && !number.starts_with('-') {
            true => format!("+{number}"),
            false => number,
        }
    }

    fn padded(&self, text: String, value: &Value) -> String {
        let width = self.width;
        let is_number = matches!(value.data, Data::Int(_) | Data::Float(_));
        if self.is_left {
            return format!("{text:<width$}");
        }
        if !(self.is_padded && is_number) {
            return format!("{text:>width$}");
        }
        let (sign, digits) = text.split_at(usize::from(text.starts_with(['-', '+'])));
        let width = width.saturating_sub(sign.len());
        format!("{sign}{digits:0>width$}")
    }
}

/// Rust writes `1e6`, Go `1e+06`.
fn exponent(text: &str) -> String {
    let (digits, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}
