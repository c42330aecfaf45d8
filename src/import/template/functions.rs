//! The functions of Go's templates, sprig and Helm that charts of this kind use.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::emit;
use super::eval::{Computed, Engine};
use super::text::Text;
use super::value::{Data, Value};
use crate::digest::sha256;
use crate::import::yaml;

/// Calls the function; the piped value is the last argument.
///
/// # Errors
/// A function that is not known here, or arguments that it does not take.
pub(super) fn call(
    engine: &Engine<'_>,
    name: &str,
    arguments: Vec<Value>,
    depth: usize,
) -> Computed {
    let from = arguments.iter().find_map(|value| value.from.clone());
    let arguments = Arguments {
        name,
        values: arguments,
    };
    let mut value = dispatch(engine, &arguments, depth)?;
    // A number that was computed comes from where its first argument does.
    if let Data::Int(_) | Data::Float(_) = value.data {
        value.from = value.from.or(from);
    }
    Ok(value)
}

fn dispatch(engine: &Engine<'_>, arguments: &Arguments<'_>, depth: usize) -> Computed {
    match arguments.name {
        "include" => {
            let dot = arguments.get(1).unwrap_or(Value::NIL);
            Ok(engine.include(&arguments.text(0)?, dot, depth)?.into())
        }
        "tpl" => {
            let dot = arguments.get(1).unwrap_or(Value::NIL);
            Ok(engine.expand(&arguments.text(0)?, dot, depth)?.into())
        }
        // Without a cluster `helm template` finds nothing either.
        "lookup" => Ok(Data::Map(BTreeMap::new()).into()),
        "required" => match arguments.want(1)? {
            value if is_unset(&value) => Err(format!(
                "the chart asks for a value: {}",
                arguments.text(0)?
            )),
            value => Ok(value),
        },
        "fail" => Err(format!("the chart stops: {}", arguments.text(0)?)),
        name => None
            .or_else(|| logic(arguments))
            .or_else(|| text(arguments))
            .or_else(|| collections(arguments))
            .or_else(|| numbers(arguments))
            .or_else(|| encodings(arguments))
            .unwrap_or_else(|| Err(format!("the function `{name}` is not understood"))),
    }
}

fn is_unset(value: &Value) -> bool {
    match &value.data {
        Data::Nil => true,
        Data::Text(text) => text.text.is_empty(),
        _ => false,
    }
}

struct Arguments<'a> {
    name: &'a str,
    values: Vec<Value>,
}

impl Arguments<'_> {
    fn get(&self, index: usize) -> Option<Value> {
        self.values.get(index).cloned()
    }

    fn want(&self, index: usize) -> Computed {
        self.get(index)
            .ok_or_else(|| format!("`{}` has too few arguments", self.name))
    }

    fn last(&self) -> Computed {
        self.want(self.values.len().wrapping_sub(1))
    }

    fn text(&self, index: usize) -> Result<String, String> {
        Ok(self.want(index)?.print().text)
    }

    fn int(&self, index: usize) -> Result<i64, String> {
        let value = self.want(index)?;
        value.as_int().ok_or_else(|| {
            format!(
                "`{}` takes a number, not `{}`",
                self.name,
                value.print().text
            )
        })
    }

    fn width(&self, index: usize) -> Result<usize, String> {
        Ok(usize::try_from(self.int(index)?)
            .unwrap_or_default()
            .min(1_000))
    }

    fn map(&self, index: usize) -> Result<BTreeMap<String, Value>, String> {
        match self.want(index)?.data {
            Data::Map(entries) => Ok(entries),
            Data::Nil => Ok(BTreeMap::new()),
            _ => Err(format!("`{}` takes a map", self.name)),
        }
    }

    fn list(&self, index: usize) -> Result<Vec<Value>, String> {
        match self.want(index)?.data {
            Data::List(items) => Ok(items),
            Data::Nil => Ok(Vec::new()),
            _ => Err(format!("`{}` takes a list", self.name)),
        }
    }

    /// The last argument's text, changed; its lines keep their places.
    fn mapped(&self, change: impl FnOnce(&str) -> String) -> Computed {
        Ok(self.last()?.print().map(change).into())
    }

    fn pairs(&self, from: usize) -> BTreeMap<String, Value> {
        let pairs = self.values.get(from..).unwrap_or_default().chunks(2);
        pairs
            .filter_map(|pair| {
                Some((
                    pair.first()?.print().text,
                    pair.get(1).cloned().unwrap_or(Value::NIL),
                ))
            })
            .collect()
    }
}

fn logic(arguments: &Arguments<'_>) -> Option<Computed> {
    let compare = |holds: fn(Ordering) -> bool| {
        let (left, right) = (arguments.want(0)?, arguments.want(1)?);
        Ok(ordering(&left, &right).is_some_and(holds).into())
    };
    let result = match arguments.name {
        "not" => arguments.want(0).map(|value| (!value.is_true()).into()),
        "eq" => arguments.want(0).map(|first| {
            let others = &arguments.values[1..];
            others.iter().any(|other| is_equal(&first, other)).into()
        }),
        "ne" => arguments
            .want(1)
            .map(|other| (!is_equal(&arguments.values[0], &other)).into()),
        "lt" => compare(Ordering::is_lt),
        "le" => compare(Ordering::is_le),
        "gt" => compare(Ordering::is_gt),
        "ge" => compare(Ordering::is_ge),
        "empty" => arguments.want(0).map(|value| (!value.is_true()).into()),
        "default" => arguments.want(0).map(|default| match arguments.get(1) {
            Some(value) if value.is_true() => value,
            _ => default,
        }),
        "coalesce" => {
            let mut values = arguments.values.iter();
            Ok(values
                .find(|value| value.is_true())
                .cloned()
                .unwrap_or(Value::NIL))
        }
        "ternary" => arguments
            .last()
            .and_then(|condition| arguments.want(if condition.is_true() { 0 } else { 1 })),
        "kindIs" => arguments
            .want(1)
            .and_then(|value| Ok((kind(&value) == arguments.text(0)?).into())),
        "kindOf" | "typeOf" => arguments.want(0).map(|value| kind(&value).into()),
        "semverCompare" => {
            let versions = arguments
                .text(0)
                .and_then(|constraint| Ok((constraint, arguments.text(1)?)));
            versions.and_then(|(constraint, version)| semver_matches(&constraint, &version))
        }
        _ => return None,
    };
    Some(result)
}

fn is_equal(left: &Value, right: &Value) -> bool {
    match (left.as_number(), right.as_number()) {
        (Some(left), Some(right)) => left == right,
        _ => left.to_json() == right.to_json(),
    }
}

impl Value {
    /// Only numbers: text that looks like one is text.
    fn as_number(&self) -> Option<f64> {
        match &self.data {
            Data::Int(value) => Some(*value as f64),
            Data::Float(value) => Some(*value),
            _ => None,
        }
    }
}

fn ordering(left: &Value, right: &Value) -> Option<Ordering> {
    match (left.as_number(), right.as_number()) {
        (Some(left), Some(right)) => left.partial_cmp(&right),
        _ => Some(left.print().text.cmp(&right.print().text)),
    }
}

const fn kind(value: &Value) -> &'static str {
    match &value.data {
        Data::Nil => "invalid",
        Data::Bool(_) => "bool",
        Data::Int(_) => "int",
        Data::Float(_) => "float64",
        Data::Text(_) => "string",
        Data::List(_) => "slice",
        Data::Map(_) | Data::Files | Data::ApiVersions => "map",
    }
}

/// `>=1.21-0`, `^1.2`, …: one comparison of major and minor, which is what charts ask of a cluster's version.
fn semver_matches(constraint: &str, version: &str) -> Computed {
    let digits = constraint
        .find(|c: char| c.is_ascii_digit())
        .unwrap_or(constraint.len());
    let (operator, wanted) = constraint.split_at(digits);
    let order = semver(version).cmp(&semver(wanted));
    let holds = match operator.trim().trim_end_matches('v') {
        ">=" | "^" | "~" => order.is_ge(),
        ">" => order.is_gt(),
        "<" => order.is_lt(),
        "<=" => order.is_le(),
        "=" | "" => order.is_eq(),
        "!=" => order.is_ne(),
        _ => {
            return Err(format!(
                "`semverCompare` of `{constraint}` is not understood"
            ));
        }
    };
    Ok(holds.into())
}

fn semver(text: &str) -> Vec<u64> {
    let numbers = text
        .trim()
        .trim_start_matches('v')
        .split(['-', '+'])
        .next()
        .unwrap_or_default();
    let mut parts: Vec<u64> = numbers
        .split('.')
        .map(|part| part.parse().unwrap_or(0))
        .collect();
    parts.resize(3, 0);
    parts
}

fn text(arguments: &Arguments<'_>) -> Option<Computed> {
    let with = |change: fn(&str, &str) -> String| {
        let other = arguments.text(0)?;
        arguments.mapped(|text| change(text, &other))
    };
    let test =
        |holds: fn(&str, &str) -> bool| Ok(holds(&arguments.text(1)?, &arguments.text(0)?).into());
    let result = match arguments.name {
        "quote" => Ok(joined(&arguments.values, |text| {
            serde_json::Value::from(text).to_string()
        })),
        "squote" => Ok(joined(&arguments.values, |text| format!("'{text}'"))),
        "upper" => arguments.mapped(str::to_uppercase),
        "lower" => arguments.mapped(str::to_lowercase),
        "title" => arguments.mapped(titled),
        "nospace" => arguments.mapped(|text| text.split_whitespace().collect()),
        "toString" | "print" | "println" | "cat" => Ok(printed(arguments)),
        "trim" => arguments.last().map(|value| value.print().trimmed().into()),
        "trimSuffix" => with(|text, suffix| text.strip_suffix(suffix).unwrap_or(text).to_owned()),
        "trimPrefix" => with(|text, prefix| text.strip_prefix(prefix).unwrap_or(text).to_owned()),
        "trimAll" => with(|text, cut| text.trim_matches(|c| cut.contains(c)).to_owned()),
        "trunc" => arguments
            .int(0)
            .and_then(|length| arguments.mapped(|text| truncated(text, length))),
        "replace" => arguments.text(0).and_then(|old| {
            let new = arguments.text(1)?;
            arguments.mapped(|text| text.replace(&old, &new))
        }),
        "repeat" => arguments
            .width(0)
            .and_then(|times| arguments.mapped(|text| text.repeat(times))),
        "contains" => test(|text, part| text.contains(part)),
        "hasPrefix" => test(|text, part| text.starts_with(part)),
        "hasSuffix" => test(|text, part| text.ends_with(part)),
        "indent" | "nindent" => arguments.width(0).and_then(|width| {
            Ok(arguments
                .last()?
                .print()
                .indented(width, arguments.name == "nindent")
                .into())
        }),
        "printf" => arguments
            .text(0)
            .map(|format| formatted(&format, &arguments.values[1..])),
        "regexMatch" => arguments.text(0).and_then(|pattern| {
            let pattern = regex::Regex::new(&pattern).map_err(|error| error.to_string())?;
            Ok(pattern.is_match(&arguments.text(1)?).into())
        }),
        "regexReplaceAll" => arguments.text(0).and_then(|pattern| {
            let pattern = regex::Regex::new(&pattern).map_err(|error| error.to_string())?;
            let with = arguments.text(2)?;
            Ok(pattern
                .replace_all(&arguments.text(1)?, with)
                .into_owned()
                .into())
        }),
        _ => return None,
    };
    Some(result)
}

fn titled(text: &str) -> String {
    let mut starts = true;
    text.chars()
        .map(|c| {
            let upper = if starts { c.to_ascii_uppercase() } else { c };
            starts = c.is_whitespace();
            upper
        })
        .collect()
}

/// A negative length keeps the end, as sprig has it.
fn truncated(text: &str, length: i64) -> String {
    let count = text.chars().count();
    let wanted = usize::try_from(length.unsigned_abs())
        .unwrap_or(usize::MAX)
        .min(count);
    match length >= 0 {
        true => text.chars().take(wanted).collect(),
        false => text.chars().skip(count - wanted).collect(),
    }
}

/// Several values as one text, each changed, and nothing for nothing; it comes from where the values come from.
fn joined(values: &[Value], change: impl Fn(&str) -> String) -> Value {
    let mut result = Text::default();
    let values = values
        .iter()
        .filter(|value| !matches!(value.data, Data::Nil));
    for (index, value) in values.enumerate() {
        if index > 0 {
            result.push(&Text::plain(" "), None);
        }
        result.push(&value.print().map(&change), None);
    }
    result.into()
}

/// Blanks between arguments only where neither is text, as Go's `Sprint`; `cat` and `println` always put them.
fn printed(arguments: &Arguments<'_>) -> Value {
    let is_text = |value: &Value| matches!(value.data, Data::Text(_));
    let mut result = Text::default();
    for (index, value) in arguments.values.iter().enumerate() {
        if index > 0 {
            let neither = !is_text(value) && !is_text(&arguments.values[index - 1]);
            if neither || matches!(arguments.name, "cat" | "println") {
                result.push(&Text::plain(" "), None);
            }
        }
        result.push(&value.print(), None);
    }
    if arguments.name == "println" {
        result.push(&Text::plain("\n"), None);
    }
    result.into()
}

/// Go's `printf` with the verbs that charts use; width and precision of numbers included.
fn formatted(format: &str, values: &[Value]) -> Value {
    let mut result = Text::default();
    let mut values = values.iter();
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        result.push(&Text::plain(&rest[..at]), None);
        let spec = &rest[at + 1..];
        let verb_at = spec
            .find(|c: char| c.is_alphabetic() || c == '%')
            .unwrap_or(0);
        let (flags, verb) = (
            &spec[..verb_at],
            spec[verb_at..].chars().next().unwrap_or('%'),
        );
        rest = spec.get(verb_at + verb.len_utf8()..).unwrap_or_default();
        if verb == '%' {
            result.push(&Text::plain("%"), None);
        } else if let Some(value) = values.next() {
            result.push(&verb_of(verb, flags, value), None);
        }
    }
    result.push(&Text::plain(rest), None);
    result.into()
}

fn verb_of(verb: char, flags: &str, value: &Value) -> Text {
    let printed = value.print();
    match verb {
        'q' => printed.map(|text| serde_json::Value::from(text).to_string()),
        'd' => {
            let width = flags.trim_start_matches('0').parse().unwrap_or(0);
            let number = value.as_int().unwrap_or_default();
            printed.map(|_| match flags.starts_with('0') {
                true => format!("{number:0width$}"),
                false => format!("{number:width$}"),
            })
        }
        'f' => {
            let (width, precision) = flags.split_once('.').unwrap_or((flags, "6"));
            let width = width.parse().unwrap_or(0);
            let precision = precision.parse().unwrap_or(0);
            let number = value.as_float().unwrap_or_default();
            printed.map(|_| format!("{number:width$.precision$}"))
        }
        _ => printed,
    }
}

fn collections(arguments: &Arguments<'_>) -> Option<Computed> {
    let of_list = |pick: fn(Vec<Value>) -> Value| arguments.list(0).map(pick);
    let texts = |items: Vec<Value>| items.into_iter().map(|item| item.print().text);
    let result = match arguments.name {
        "list" | "tuple" => Ok(Data::List(arguments.values.clone()).into()),
        "dict" => Ok(Data::Map(arguments.pairs(0)).into()),
        "get" => arguments.map(0).and_then(|map| {
            let key = arguments.text(1)?;
            Ok(map.get(&key).cloned().unwrap_or_else(|| "".into()))
        }),
        "hasKey" => arguments
            .map(0)
            .and_then(|map| Ok(map.contains_key(&arguments.text(1)?).into())),
        "keys" => arguments
            .map(0)
            .map(|map| Data::List(map.into_keys().map(Value::from).collect()).into()),
        "values" => arguments
            .map(0)
            .map(|map| Data::List(map.into_values().collect()).into()),
        "pick" | "omit" => arguments.map(0).map(|mut map| {
            let named: Vec<String> = texts(arguments.values[1..].to_vec()).collect();
            map.retain(|key, _| named.contains(key) == (arguments.name == "pick"));
            Data::Map(map).into()
        }),
        "merge" | "mergeOverwrite" => {
            let values = arguments.values.iter().cloned();
            let under = |first: Value, next: Value| match arguments.name {
                "merge" => next.merged(first),
                _ => first.merged(next),
            };
            Ok(values.reduce(under).unwrap_or(Value::NIL))
        }
        "deepCopy" => arguments.want(0),
        "dig" => dig(arguments),
        "first" => of_list(|items| items.into_iter().next().unwrap_or(Value::NIL)),
        "last" => of_list(|items| items.into_iter().last().unwrap_or(Value::NIL)),
        "rest" => of_list(|items| Data::List(items.into_iter().skip(1).collect()).into()),
        "compact" => {
            of_list(|items| Data::List(items.into_iter().filter(Value::is_true).collect()).into())
        }
        "append" => arguments.list(0).and_then(|mut items| {
            items.push(arguments.want(1)?);
            Ok(Data::List(items).into())
        }),
        "concat" => (0..arguments.values.len())
            .map(|index| arguments.list(index))
            .collect::<Result<Vec<_>, _>>()
            .map(|lists| Data::List(lists.concat()).into()),
        "has" => arguments.list(1).and_then(|items| {
            let wanted = arguments.want(0)?;
            Ok(items.iter().any(|item| is_equal(item, &wanted)).into())
        }),
        "uniq" => of_list(|items| {
            let mut kept: Vec<Value> = Vec::new();
            for item in items {
                if !kept.iter().any(|known| is_equal(known, &item)) {
                    kept.push(item);
                }
            }
            Data::List(kept).into()
        }),
        "sortAlpha" => arguments.list(0).map(|items| {
            let mut items: Vec<String> = texts(items).collect();
            items.sort();
            Data::List(items.into_iter().map(Value::from).collect()).into()
        }),
        "join" => arguments.list(1).and_then(|items| {
            let separator = arguments.text(0)?;
            Ok(texts(items).collect::<Vec<_>>().join(&separator).into())
        }),
        "splitList" => arguments.text(0).and_then(|separator| {
            let text = arguments.text(1)?;
            Ok(Data::List(text.split(&separator).map(Value::from).collect()).into())
        }),
        "index" => index(arguments),
        "len" => arguments.want(0).map(|value| length(&value).into()),
        _ => return None,
    };
    Some(result)
}

fn index(arguments: &Arguments<'_>) -> Computed {
    let mut value = arguments.want(0)?;
    for key in &arguments.values[1..] {
        value = match (&value.data, key.as_int()) {
            (Data::List(items), Some(at)) => {
                let at = usize::try_from(at).unwrap_or(usize::MAX);
                items.get(at).cloned().ok_or("`index` is out of range")?
            }
            _ => value.get(&key.print().text),
        };
    }
    Ok(value)
}

/// `dig "a" "b" DEFAULT MAP`
fn dig(arguments: &Arguments<'_>) -> Computed {
    let count = arguments.values.len();
    let mut value = arguments.last()?;
    let default = arguments.want(count.wrapping_sub(2))?;
    for key in &arguments.values[..count - 2] {
        value = value.get(&key.print().text);
        if let Data::Nil = value.data {
            return Ok(default);
        }
    }
    Ok(value)
}

fn length(value: &Value) -> i64 {
    let length = match &value.data {
        Data::Text(text) => text.text.len(),
        Data::List(items) => items.len(),
        Data::Map(entries) => entries.len(),
        _ => 0,
    };
    length as i64
}

fn numbers(arguments: &Arguments<'_>) -> Option<Computed> {
    let all = || {
        (0..arguments.values.len())
            .map(|index| arguments.int(index))
            .collect::<Result<Vec<i64>, _>>()
    };
    let folded =
        |step: fn(i64, i64) -> i64| Ok(all()?.into_iter().reduce(step).unwrap_or_default().into());
    let result = match arguments.name {
        "int" | "int64" | "atoi" => {
            let value = arguments.want(0);
            value.map(|value| Value {
                data: Data::Int(value.as_int().unwrap_or_default()),
                from: value.from,
            })
        }
        "float64" => arguments
            .want(0)
            .map(|value| Data::Float(value.as_float().unwrap_or_default()).into()),
        "add" => folded(i64::saturating_add),
        "sub" => folded(i64::saturating_sub),
        "mul" => folded(i64::saturating_mul),
        "div" => folded(|left, right| left.checked_div(right).unwrap_or_default()),
        "mod" => folded(|left, right| left.checked_rem(right).unwrap_or_default()),
        "max" => folded(i64::max),
        "min" => folded(i64::min),
        "add1" => arguments.int(0).map(|value| value.saturating_add(1).into()),
        "until" => arguments
            .width(0)
            .map(|count| Data::List((0..count as i64).map(Value::from).collect()).into()),
        _ => return None,
    };
    Some(result)
}

fn encodings(arguments: &Arguments<'_>) -> Option<Computed> {
    let result = match arguments.name {
        "toYaml" | "toYamlPretty" => arguments.want(0).map(|value| emit::yaml(&value).into()),
        "toJson" | "toRawJson" | "mustToJson" => arguments
            .want(0)
            .map(|value| Text::of(value.to_json().to_string(), value.from.as_ref()).into()),
        "fromYaml" | "fromYamlArray" | "fromJson" => arguments.text(0).and_then(|text| {
            let located = yaml::parse(&text, 1)?;
            Ok(Value::of_json(&located.value))
        }),
        "b64enc" => arguments.mapped(|text| STANDARD.encode(text)),
        "b64dec" => arguments.text(0).and_then(|text| {
            let bytes = STANDARD.decode(text).map_err(|error| error.to_string())?;
            Ok(String::from_utf8_lossy(&bytes).into_owned().into())
        }),
        "sha256sum" => arguments
            .text(0)
            .map(|text| sha256(text).trim_start_matches("sha256:").into()),
        _ => return None,
    };
    Some(result)
}
