//! The document against the schema: unknown keys, wrong types and malformed values, all at once.
//!
//! What does not conform is noted and removed, so that the rest can be read and judged too.

use std::ops::Range;
use std::sync::LazyLock;

use serde_json::Value;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::Refused;
use super::fault::Faults;
use super::raw::json_schema;
use super::{Count, Duration, Quantity, verify::Latency};

static SCHEMA: LazyLock<Value> = LazyLock::new(json_schema);

/// The `format`s of the schema whose values have a grammar of their own.
const FORMATS: [(&str, Check); 5] = [
    ("duration", |value| text(value, "s", Duration::parse)),
    ("quantity", |value| text(value, "", Quantity::parse)),
    ("latency", |value| text(value, "ms", Latency::parse)),
    ("count", count),
    ("date", date),
];

type Check = fn(&DeValue<'_>) -> Result<(), Refused>;

/// Notes and removes what does not conform to the schema of a stack file.
pub(super) fn conform(table: &mut Spanned<DeTable<'_>>, faults: &mut Faults) {
    let span = table.span();
    check_table(table.get_mut(), &span, &SCHEMA, "", faults);
}

/// Whether the value may stay: a table of which a required key is missing may not.
fn check_table(
    table: &mut DeTable<'_>,
    span: &Range<usize>,
    schema: &'static Value,
    path: &str,
    faults: &mut Faults,
) -> bool {
    let mut refused = Vec::new();
    for (key, value) in table.iter_mut() {
        let name = key.get_ref().to_string();
        let stays = match schema_of(schema, &name) {
            Some(schema) => check(value, schema, &joined(path, &name), faults),
            None => {
                refuse_unknown(&name, &key.span(), schema, path, faults);
                false
            }
        };
        if !stays {
            refused.push(name);
        }
    }
    for name in &refused {
        table.remove(name.as_str());
    }
    let required = schema["required"].as_array().into_iter().flatten();
    let missing = required
        .filter_map(Value::as_str)
        .find(|key| !table.contains_key(*key));
    if let Some(key) = missing {
        let help = format!("write `{key} = \"…\"` in it");
        faults.add_missing(
            &joined(path, key),
            span,
            format!("`{key}` is missing here"),
            help,
        );
        faults.add_unread(path.to_owned());
    }
    missing.is_none()
}

fn check(
    value: &mut Spanned<DeValue<'_>>,
    schema: &'static Value,
    path: &str,
    faults: &mut Faults,
) -> bool {
    let (span, schema) = (value.span(), resolved(&SCHEMA, schema));
    match (schema["type"].as_str(), value.get_mut()) {
        (Some("object"), DeValue::Table(table)) => check_table(table, &span, schema, path, faults),
        (Some("array"), DeValue::Array(items)) => {
            check_items(items, &schema["items"], path, faults);
            true
        }
        (_, value) => match check_leaf(value, schema) {
            Ok(()) => true,
            Err(refused) => {
                faults.add(&span, refused.message, refused.help);
                faults.add_unread(path.to_owned());
                false
            }
        },
    }
}

fn check_items(items: &mut DeArray<'_>, schema: &'static Value, path: &str, faults: &mut Faults) {
    let checked = items.iter_mut().enumerate().map(|(index, item)| {
        check(item, schema, &joined(path, &index.to_string()), faults).then(|| item.clone())
    });
    *items = checked.collect::<Vec<_>>().into_iter().flatten().collect();
}

fn check_leaf(value: &DeValue<'_>, schema: &'static Value) -> Result<(), Refused> {
    let format = schema["format"].as_str().unwrap_or_default();
    if let Some((_, check)) = FORMATS.iter().find(|(name, _)| *name == format) {
        return check(value);
    }
    if let Some(choices) = schema["oneOf"].as_array() {
        let names = choices.iter().filter_map(|choice| choice["const"].as_str());
        let names: Vec<&str> = names.collect();
        return text(value, "", |name| choose(name, &names));
    }
    let (is_it, what, help) = match (schema["type"].as_str(), format) {
        (Some("object"), _) => (
            value.is_table(),
            "a table",
            format!(
                "write `{}`, or `[section]` on a line of its own",
                example(schema)
            ),
        ),
        (Some("array"), _) => (
            value.is_array(),
            "a list",
            "write `[…]` with commas between".to_owned(),
        ),
        (Some("boolean"), _) => (
            value.is_bool(),
            "true or false",
            "write `true` or `false`, without quotes".to_owned(),
        ),
        (Some("integer"), "uint16") => (
            whole::<u16>(value).is_some(),
            "a port number",
            number(value, "a whole number from 1 to 65535"),
        ),
        (Some("integer"), _) => (
            whole::<u32>(value).is_some(),
            "a whole number from 0 to 4294967295",
            number(value, "a number such as 2"),
        ),
        _ => return text(value, "", |_| Ok(())),
    };
    if is_it {
        return Ok(());
    }
    Err(expected(what, value, help))
}

/// A value without quotes is shown with them, and with the unit where it is not read without.
fn text<T>(
    value: &DeValue<'_>,
    unit: &str,
    read: impl Fn(&str) -> Result<T, Refused>,
) -> Result<(), Refused> {
    if let Some(text) = value.as_str() {
        return read(text).map(drop);
    }
    let written = scalar(value).map(|written| {
        let with_unit = format!("{written}{unit}");
        if read(&written).is_err() && read(&with_unit).is_ok() {
            return format!("write it with its unit, in quotes: \"{with_unit}\"");
        }
        format!("write it in quotes: \"{written}\"")
    });
    let help = written.unwrap_or_else(|| "write it in quotes".to_owned());
    Err(expected("text", value, help))
}

/// How a number is written: the one that stands in quotes, as far as it is one.
fn number(value: &DeValue<'_>, otherwise: &str) -> String {
    let text = value.as_str().unwrap_or_default().trim();
    let digits = text.strip_suffix('%').unwrap_or(text).trim_end();
    match digits.parse::<u32>() {
        Ok(number) => format!("write {number}, without quotes"),
        Err(_) => format!("write {otherwise}, without quotes"),
    }
}

/// A table with the keys that it may have, where they fit into a line.
fn example(schema: &Value) -> String {
    let keys = schema["properties"].as_object().into_iter().flatten();
    let keys: Vec<String> = keys.map(|(key, _)| format!("{key} = …")).collect();
    match keys.len() {
        1..=3 => format!("{{ {} }}", keys.join(", ")),
        _ => "{ key = value }".to_owned(),
    }
}

fn count(value: &DeValue<'_>) -> Result<(), Refused> {
    match whole::<u32>(value) {
        Some(_) => Ok(()),
        None => Count::parse(&shown(value)).map(drop),
    }
}

fn date(value: &DeValue<'_>) -> Result<(), Refused> {
    let help = "write it without quotes, such as 2027-01-01";
    match value {
        DeValue::Datetime(_) => Ok(()),
        _ => Err(expected("a date", value, help)),
    }
}

fn choose(name: &str, known: &[&str]) -> Result<(), Refused> {
    if known.contains(&name) {
        return Ok(());
    }
    let help = suggestion(name, known);
    Err(Refused::new(format!("unknown value `{name}`"), help))
}

fn refuse_unknown(
    name: &str,
    span: &Range<usize>,
    schema: &'static Value,
    path: &str,
    faults: &mut Faults,
) {
    let known = schema["properties"].as_object().into_iter().flatten();
    let known: Vec<&str> = known.map(|(key, _)| key.as_str()).collect();
    let help = suggestion(name, &known);
    faults.add(span, format!("unknown key `{name}`"), help);
    // The key that was probably meant was typed: that it is missing is no second fault.
    let meant = nearest(name, known.into_iter()).unwrap_or(name);
    faults.add_unread(joined(path, meant));
}

fn suggestion(name: &str, known: &[&str]) -> String {
    match nearest(name, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known here: {}", known.join(", ")),
    }
}

/// The known name that is most like it, if any is.
pub(super) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|candidate| (strsim::jaro_winkler(name, candidate), candidate))
        .filter(|(score, _)| *score > 0.8)
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map(|(_, candidate)| candidate)
}

/// The schema of a key of a table: named, or the one of all keys.
fn schema_of(table: &'static Value, key: &str) -> Option<&'static Value> {
    let named = table["properties"].get(key);
    named.or(table
        .get("additionalProperties")
        .filter(|schema| schema.is_object()))
}

/// What a schema refers to within its root; itself, where it refers to nothing.
pub fn resolved<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    schema["$ref"]
        .as_str()
        .and_then(|reference| root.pointer(reference.strip_prefix('#')?))
        .unwrap_or(schema)
}

fn joined(path: &str, key: &str) -> String {
    match path {
        "" => key.to_owned(),
        _ => format!("{path}.{key}"),
    }
}

/// A whole number that fits.
fn whole<T: TryFrom<i64>>(value: &DeValue<'_>) -> Option<T> {
    let number = value.as_integer()?;
    let number = i64::from_str_radix(number.as_str(), number.radix()).ok()?;
    T::try_from(number).ok()
}

fn expected(what: &str, value: &DeValue<'_>, help: impl Into<String>) -> Refused {
    let found = match value {
        DeValue::String(text) => format!("the text \"{text}\""),
        DeValue::Array(_) | DeValue::Table(_) => shown(value),
        _ => format!("`{}`", shown(value)),
    };
    Refused::new(format!("expected {what}, found {found}"), help)
}

/// A value in a sentence.
fn shown(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => text.to_string(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
        _ => scalar(value).unwrap_or_default(),
    }
}

/// A value that is neither text nor holds others, as it is written.
fn scalar(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::Integer(number) => Some(number.to_string()),
        DeValue::Float(number) => Some(number.to_string()),
        DeValue::Boolean(is) => Some(is.to_string()),
        DeValue::Datetime(date) => Some(date.to_string()),
        DeValue::String(_) | DeValue::Array(_) | DeValue::Table(_) => None,
    }
}
