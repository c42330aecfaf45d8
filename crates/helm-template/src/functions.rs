//! The functions of Go's templates, sprig and Helm that charts of this kind use.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use regex::{Regex, RegexBuilder};

use super::host::Host;
use super::printf;
use super::text::Text;
use super::value::{Computed, Data, STEP, Shared, Value};
use super::{emit, semver};
use crate::yaml;
use uninlu_text::digest::sha256;

/// Calls the function; the piped value is the last argument.
///
/// # Errors
/// A function that is not known here, or arguments that it does not take.
pub(super) fn call(engine: &dyn Host, name: &str, arguments: Vec<Value>, depth: usize) -> Computed {
    let from = arguments.iter().find_map(|value| value.from.clone());
    let arguments = Arguments {
        name,
        engine,
        values: arguments,
    };
    engine.spend(arguments.cost())?;
    let mut value = dispatch(engine, &arguments, depth)?;
    // A number that was computed comes from where its first argument does.
    if let Data::Int(_) | Data::Float(_) = value.data {
        value.from = value.from.or(from);
    }
    Ok(value)
}

/// Functions that look at no more than the top of their arguments.
const SHALLOW: [&str; 20] = [
    "include", "tpl", "get", "hasKey", "dig", "index", "default", "ternary", "coalesce", "kindIs",
    "kindOf", "typeOf", "empty", "not", "len", "required", "list", "tuple", "dict", "deepCopy",
];

fn dispatch(engine: &dyn Host, arguments: &Arguments<'_>, depth: usize) -> Computed {
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
        "lookup" => Ok(Value::map(BTreeMap::new())),
        "required" => match arguments.want(1)? {
            value if is_unset(&value) => Err(format!(
                "the chart asks for a value: {}",
                arguments.text(0)?
            )),
            value => Ok(value),
        },
        "fail" => Err(format!("the chart stops: {}", arguments.text(0)?)),
        name => {
            for family in [logic, text, collections, numbers, encodings] {
                if let Some(value) = family(arguments)? {
                    return Ok(value);
                }
            }
            Err(format!("the function `{name}` is not understood"))
        }
    }
}

/// What a function of a family gives; nothing when the function is not of the family.
type Found = Result<Option<Value>, String>;

fn is_unset(value: &Value) -> bool {
    match &value.data {
        Data::Nil => true,
        Data::Text(text) => text.text.is_empty(),
        _ => false,
    }
}

/// What it takes to make a pattern, in bytes of work.
const PATTERN: usize = 64 << 10;
/// Bytes of a compiled pattern: the bounds that are tried.
const PROGRAMS: [usize; 5] = [16 << 10, 32 << 10, 64 << 10, 128 << 10, 256 << 10];

struct Arguments<'a> {
    name: &'a str,
    engine: &'a dyn Host,
    values: Vec<Value>,
}

impl Arguments<'_> {
    /// What it takes to look at the arguments.
    fn cost(&self) -> usize {
        let is_shallow = SHALLOW.contains(&self.name);
        let costs = self
            .values
            .iter()
            .map(|value| match (&value.data, is_shallow) {
                (Data::List(_) | Data::Map(_), true) => STEP,
                _ => value.weight(),
            });
        costs.fold(STEP, usize::saturating_add)
    }

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
        value
            .as_int()
            .ok_or_else(|| format!("`{}` takes a number", self.name))
    }

    fn width(&self, index: usize) -> Result<usize, String> {
        let count = usize::try_from(self.int(index)?).unwrap_or_default();
        self.engine.within(self.name, count)
    }

    fn map(&self, index: usize) -> Result<Shared<BTreeMap<String, Value>>, String> {
        let given = self.want(index)?.data;
        let map = match given {
            Data::Nil => Value::map(BTreeMap::new()).data,
            given => given,
        };
        match map {
            Data::Map(entries) => Ok(entries),
            _ => Err(format!("`{}` takes a map", self.name)),
        }
    }

    fn list(&self, index: usize) -> Result<Vec<Value>, String> {
        match self.want(index)?.data {
            Data::List(items) => Ok(items.take()),
            Data::Nil => Ok(Vec::new()),
            _ => Err(format!("`{}` takes a list", self.name)),
        }
    }

    /// Refuses a result of more bytes than a value may have.
    fn fits(&self, bytes: usize) -> Result<(), String> {
        self.engine.fits(self.name, bytes)
    }

    /// The first argument as a pattern; making one takes much, and matching takes the pattern's size for each byte.
    fn pattern(&self) -> Result<Regex, String> {
        let pattern = self.text(0)?;
        let text = self.text(1)?;
        self.engine.spend(PATTERN)?;
        let build = |size| {
            let pattern = RegexBuilder::new(&pattern).size_limit(size).build();
            Some((pattern.ok()?, size))
        };
        // Counted repetitions make a large program of a short pattern.
        let built = PROGRAMS.into_iter().find_map(build);
        let (pattern, size) = built.ok_or_else(|| {
            format!(
                "`{}`: the pattern is not understood, or too large",
                self.name
            )
        })?;
        let work = (size / PROGRAMS[0]).saturating_mul(text.len());
        self.engine.spend(work)?;
        Ok(pattern)
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

fn logic(arguments: &Arguments<'_>) -> Found {
    let compare = |holds: fn(Ordering) -> bool| -> Computed {
        let (left, right) = (arguments.want(0)?, arguments.want(1)?);
        comparable(&left, &right)?;
        Ok(ordering(&left, &right).is_some_and(holds).into())
    };
    let value = match arguments.name {
        "not" | "empty" => (!arguments.want(0)?.is_true()).into(),
        "eq" => {
            let first = arguments.want(0)?;
            let mut others = arguments.values[1..].iter();
            others
                .clone()
                .try_for_each(|other| comparable(&first, other))?;
            others.any(|other| is_equal(&first, other)).into()
        }
        "ne" => {
            let other = arguments.want(1)?;
            comparable(&arguments.values[0], &other)?;
            (!is_equal(&arguments.values[0], &other)).into()
        }
        "lt" => compare(Ordering::is_lt)?,
        "le" => compare(Ordering::is_le)?,
        "gt" => compare(Ordering::is_gt)?,
        "ge" => compare(Ordering::is_ge)?,
        "default" => {
            let default = arguments.want(0)?;
            arguments.get(1).filter(Value::is_true).unwrap_or(default)
        }
        "coalesce" => {
            let mut values = arguments.values.iter();
            let found = values.find(|value| value.is_true());
            found.cloned().unwrap_or(Value::NIL)
        }
        "ternary" => arguments.want(if arguments.last()?.is_true() { 0 } else { 1 })?,
        "kindIs" => (kind(&arguments.want(1)?) == arguments.text(0)?).into(),
        "kindOf" | "typeOf" => kind(&arguments.want(0)?).into(),
        "semverCompare" => semver::matches(&arguments.text(0)?, &arguments.text(1)?)?.into(),
        "semver" => version(semver::Version::parse(&arguments.text(0)?)?),
        _ => return Ok(None),
    };
    Ok(Some(value))
}

/// What `semver` gives: a version with its parts.
fn version(version: semver::Version) -> Value {
    let [major, minor, patch] = version.numbers.map(|number| Value::from(number as i64));
    Value::from_iter([
        ("Major", major),
        ("Minor", minor),
        ("Patch", patch),
        ("Prerelease", version.pre.as_str().into()),
        ("Metadata", version.metadata.as_str().into()),
        ("String", version.to_string().into()),
    ])
}

/// Go compares only what is of one kind; the numbers of values have a fraction, those of templates have none.
fn comparable(left: &Value, right: &Value) -> Result<(), String> {
    let (one, other) = (kind(left), kind(right));
    match one == other || one == "invalid" || other == "invalid" {
        true => Ok(()),
        false => Err(format!(
            "{one} and {other} cannot be compared, and Helm stops here (`int` makes a number of a value)"
        )),
    }
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

fn text(arguments: &Arguments<'_>) -> Found {
    let with = |change: fn(&str, &str) -> String| {
        let other = arguments.text(0)?;
        arguments.mapped(|text| change(text, &other))
    };
    let test = |holds: fn(&str, &str) -> bool| -> Computed {
        Ok(holds(&arguments.text(1)?, &arguments.text(0)?).into())
    };
    let value = match arguments.name {
        "quote" => joined(&arguments.values, |text| {
            serde_json::Value::from(text).to_string()
        }),
        "squote" => joined(&arguments.values, |text| format!("'{text}'")),
        "upper" => arguments.mapped(str::to_uppercase)?,
        "lower" => arguments.mapped(str::to_lowercase)?,
        "title" => arguments.mapped(titled)?,
        "nospace" => arguments.mapped(|text| text.split_whitespace().collect())?,
        "toString" | "print" | "println" | "cat" => printed(arguments),
        "trim" => arguments.last()?.print().trimmed().into(),
        "trimSuffix" => with(|text, suffix| text.strip_suffix(suffix).unwrap_or(text).to_owned())?,
        "trimPrefix" => with(|text, prefix| text.strip_prefix(prefix).unwrap_or(text).to_owned())?,
        "trimAll" => with(|text, cut| {
            let cut: BTreeSet<char> = cut.chars().collect();
            text.trim_matches(|c| cut.contains(&c)).to_owned()
        })?,
        "trunc" => {
            let length = arguments.int(0)?;
            arguments.mapped(|text| truncated(text, length))?
        }
        "replace" => {
            let (old, new) = (arguments.text(0)?, arguments.text(1)?);
            let count = arguments.last()?.print().text.matches(&old).count();
            arguments.fits(count.saturating_mul(new.len()))?;
            arguments.mapped(|text| text.replace(&old, &new))?
        }
        "repeat" => {
            let times = arguments.width(0)?;
            arguments.fits(arguments.last()?.weight().saturating_mul(times))?;
            arguments.mapped(|text| text.repeat(times))?
        }
        "contains" => test(|text, part| text.contains(part))?,
        "hasPrefix" => test(|text, part| text.starts_with(part))?,
        "hasSuffix" => test(|text, part| text.ends_with(part))?,
        "indent" | "nindent" => {
            let width = arguments.width(0)?;
            let text = arguments.last()?.print();
            let breaks = text.text.matches('\n').count() + 1;
            arguments.fits(breaks.saturating_mul(width))?;
            text.indented(width, arguments.name == "nindent").into()
        }
        "printf" => {
            let format = arguments.text(0)?;
            let within = |count| arguments.engine.within("printf", count);
            printf::formatted(&format, &arguments.values[1..], &within)?.into()
        }
        "regexMatch" | "mustRegexMatch" => {
            let pattern = arguments.pattern()?;
            pattern.is_match(&arguments.text(1)?).into()
        }
        "regexReplaceAll" | "mustRegexReplaceAll" => {
            let pattern = arguments.pattern()?;
            let (text, with) = (arguments.text(1)?, arguments.text(2)?);
            replaced(arguments, &pattern, &text, &with)?
        }
        _ => return Ok(None),
    };
    Ok(Some(value))
}

/// Like `regex`'s own, with a bound on what it makes.
fn replaced(arguments: &Arguments<'_>, pattern: &Regex, text: &str, with: &str) -> Computed {
    let mut result = String::new();
    let mut end = 0;
    for found in pattern.captures_iter(text) {
        let Some(whole) = found.get(0) else { continue };
        result.push_str(&text[end..whole.start()]);
        // What stands for nothing is read all the same.
        arguments.engine.spend(with.len())?;
        // Each `$` stands for the whole match at most.
        let most = with.matches('$').count().saturating_mul(whole.len());
        arguments.fits(most.saturating_add(with.len()).saturating_add(result.len()))?;
        found.expand(with, &mut result);
        end = whole.end();
    }
    result.push_str(&text[end..]);
    Ok(result.into())
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

fn collections(arguments: &Arguments<'_>) -> Found {
    let texts = |items: Vec<Value>| items.into_iter().map(|item| item.print().text);
    let value = match arguments.name {
        "list" | "tuple" => Value::list(arguments.values.clone()),
        "dict" => Value::map(arguments.pairs(0)),
        "get" => {
            let (map, key) = (arguments.map(0)?, arguments.text(1)?);
            map.get(&key).cloned().unwrap_or_else(|| "".into())
        }
        "hasKey" => arguments.map(0)?.contains_key(&arguments.text(1)?).into(),
        "keys" => Value::list(arguments.map(0)?.keys().cloned().map(Value::from).collect()),
        "values" => Value::list(arguments.map(0)?.values().cloned().collect()),
        "pick" | "omit" => {
            let mut map = arguments.map(0)?.take();
            let named: Vec<String> = texts(arguments.values[1..].to_vec()).collect();
            map.retain(|key, _| named.contains(key) == (arguments.name == "pick"));
            Value::map(map)
        }
        // The first map wins in `merge`, the last one in `mergeOverwrite`.
        "merge" | "mergeOverwrite" => {
            let values = arguments.values.iter().cloned();
            let under = |first: Value, next: Value| match arguments.name {
                "merge" => next.merged(first),
                _ => first.merged(next),
            };
            values.reduce(under).unwrap_or(Value::NIL)
        }
        "deepCopy" => arguments.want(0)?,
        "dig" => dig(arguments)?,
        "first" => arguments.list(0)?.into_iter().next().unwrap_or(Value::NIL),
        "last" => arguments.list(0)?.pop().unwrap_or(Value::NIL),
        "rest" => Value::list(arguments.list(0)?.into_iter().skip(1).collect()),
        "compact" => {
            let mut items = arguments.list(0)?;
            items.retain(Value::is_true);
            Value::list(items)
        }
        "append" => {
            let mut items = arguments.list(0)?;
            items.push(arguments.want(1)?);
            Value::list(items)
        }
        "concat" => {
            let lists = (0..arguments.values.len()).map(|index| arguments.list(index));
            Value::list(lists.collect::<Result<Vec<_>, _>>()?.concat())
        }
        "has" => {
            let (items, wanted) = (arguments.list(1)?, arguments.want(0)?);
            items.iter().any(|item| is_equal(item, &wanted)).into()
        }
        "uniq" => {
            // A list of many is compared by what is written of its items: each with each takes too long.
            let mut seen = BTreeSet::new();
            let mut items = arguments.list(0)?;
            items.retain(|item| {
                seen.insert(match item.as_number() {
                    Some(number) => number.to_string(),
                    None => item.to_json().to_string(),
                })
            });
            Value::list(items)
        }
        "sortAlpha" => {
            let mut items: Vec<String> = texts(arguments.list(0)?).collect();
            items.sort();
            Value::list(items.into_iter().map(Value::from).collect())
        }
        "join" => {
            let (items, separator) = (arguments.list(1)?, arguments.text(0)?);
            arguments.fits(items.len().saturating_mul(separator.len()))?;
            texts(items).collect::<Vec<_>>().join(&separator).into()
        }
        "splitList" => {
            let (separator, text) = (arguments.text(0)?, arguments.text(1)?);
            arguments.fits(text.len().saturating_mul(STEP))?;
            Value::list(text.split(&separator).map(Value::from).collect())
        }
        "index" => index(arguments)?,
        "len" => length(&arguments.want(0)?).into(),
        _ => return Ok(None),
    };
    Ok(Some(value))
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

fn numbers(arguments: &Arguments<'_>) -> Found {
    let folded = |step: fn(i64, i64) -> i64| -> Computed {
        let all = (0..arguments.values.len()).map(|index| arguments.int(index));
        let all = all.collect::<Result<Vec<i64>, _>>()?;
        Ok(all.into_iter().reduce(step).unwrap_or_default().into())
    };
    let value = match arguments.name {
        "int" | "int64" | "atoi" => {
            let value = arguments.want(0)?;
            Value {
                data: Data::Int(value.as_int().unwrap_or_default()),
                from: value.from,
            }
        }
        "float64" => Data::Float(arguments.want(0)?.as_float().unwrap_or_default()).into(),
        "add" => folded(i64::saturating_add)?,
        "sub" => folded(i64::saturating_sub)?,
        "mul" => folded(i64::saturating_mul)?,
        "div" => folded(|left, right| left.checked_div(right).unwrap_or_default())?,
        "mod" => folded(|left, right| left.checked_rem(right).unwrap_or_default())?,
        "max" => folded(i64::max)?,
        "min" => folded(i64::min)?,
        "add1" => arguments.int(0)?.saturating_add(1).into(),
        "until" => Value::list((0..arguments.width(0)? as i64).map(Value::from).collect()),
        "untilStep" | "seq" => steps(arguments)?,
        _ => return Ok(None),
    };
    Ok(Some(value))
}

/// `untilStep START STOP STEP` gives a list without its end; `seq [FIRST [STEP]] LAST` a text with it.
fn steps(arguments: &Arguments<'_>) -> Computed {
    let is_text = arguments.name == "seq";
    let one = arguments.int(0)?;
    let (start, stop, step) = match (is_text, arguments.values.len()) {
        (false, _) => (one, arguments.int(1)?, arguments.int(2)?),
        (true, 1) => (1, one, if one < 1 { -1 } else { 1 }),
        (true, 2) => {
            let last = arguments.int(1)?;
            (one, last, if last < one { -1 } else { 1 })
        }
        (true, _) => (one, arguments.int(2)?, arguments.int(1)?),
    };
    let stop = if is_text {
        stop.saturating_add(step.signum())
    } else {
        stop
    };
    let distance = i128::from(stop) - i128::from(start);
    let step = i128::from(step);
    // A step in the wrong direction, or none, makes nothing.
    let count = match step != 0 && distance.signum() == step.signum() {
        true => (distance.abs() + step.abs() - 1) / step.abs(),
        false => 0,
    };
    let count = arguments
        .engine
        .within(arguments.name, usize::try_from(count).unwrap_or(usize::MAX))?;
    let numbers = (0..count as i128).map(|at| (i128::from(start) + at * step) as i64);
    if is_text {
        let texts: Vec<String> = numbers.map(|number| number.to_string()).collect();
        return Ok(texts.join(" ").into());
    }
    Ok(Value::list(numbers.map(Value::from).collect()))
}

fn encodings(arguments: &Arguments<'_>) -> Found {
    let value = match arguments.name {
        "toYaml" | "toYamlPretty" | "mustToYaml" => emit::yaml(&arguments.want(0)?).into(),
        "toJson" | "toRawJson" | "mustToJson" => {
            let value = arguments.want(0)?;
            Text::of(value.to_json().to_string(), value.from.as_ref()).into()
        }
        "fromYaml" | "fromYamlArray" | "fromJson" => {
            let located = yaml::parse(&arguments.text(0)?, 1).map_err(|fault| fault.to_string())?;
            let value = Value::of_json(&located.value);
            // Aliases make much of a short text.
            arguments.engine.spend(value.weight())?;
            value
        }
        "b64enc" => arguments.mapped(|text| STANDARD.encode(text))?,
        "b64dec" => {
            let bytes = STANDARD
                .decode(arguments.text(0)?)
                .map_err(|error| error.to_string())?;
            String::from_utf8_lossy(&bytes).into_owned().into()
        }
        "sha256sum" => sha256(arguments.text(0)?)
            .trim_start_matches("sha256:")
            .into(),
        _ => return Ok(None),
    };
    Ok(Some(value))
}
