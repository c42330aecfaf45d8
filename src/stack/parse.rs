//! Text → raw stack: every syntax error, unknown key and wrong type at once, then one environment laid over the file.

use std::borrow::Cow;
use std::ops::Range;
use std::path::Path;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::fault::Faults;
use super::raw::RawStack;
use super::{Invalid, Stack};

type Table<'a> = Spanned<DeTable<'a>>;

/// Reads a stack file's text. Pure: whether folders and files exist is [`super::load`]'s business.
///
/// # Errors
/// Every fault of the file and of all its environments, and of the file with `environment` laid over it.
pub fn parse(text: &str, file: &Path, environment: Option<&str>) -> Result<Stack, Box<Invalid>> {
    let mut faults = Faults::default();
    let stack = parse_noting(text, file, environment, &mut faults);
    match stack {
        Some(stack) if faults.is_empty() => Ok(stack),
        _ => Err(Box::new(Invalid::new(file, text, faults.into_vec()))),
    }
}

/// Names of the `[env.NAME]` tables; none when the text is no TOML.
pub fn environments(text: &str) -> Vec<String> {
    let Ok(document) = DeTable::parse(text) else {
        return Vec::new();
    };
    match document.get_ref().get("env").map(Spanned::get_ref) {
        Some(DeValue::Table(tables)) => tables
            .keys()
            .map(|name| name.get_ref().to_string())
            .collect(),
        _ => Vec::new(),
    }
}

fn parse_noting(
    text: &str,
    file: &Path,
    environment: Option<&str>,
    faults: &mut Faults,
) -> Option<Stack> {
    let (mut base, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let span = error.span().unwrap_or(0..0);
        faults.add(
            &span,
            error.message(),
            "this is TOML's syntax: https://toml.io",
        );
    }
    if !errors.is_empty() {
        return None;
    }
    let overlays = take_environments(&mut base, faults);
    tolerate(&mut base, faults);
    let mut chosen = None;
    let known: Vec<String> = overlays.iter().map(|(name, _)| name.clone()).collect();
    for (name, mut overlay) in overlays {
        if let Some(nested) = overlay.get_mut().remove("env") {
            faults.add(
                &nested.span(),
                "an environment cannot hold environments",
                "move it up to `[env.NAME]`",
            );
        }
        tolerate(&mut overlay, faults);
        if Some(name.as_str()) == environment {
            chosen = Some(overlay);
        }
    }
    match (environment, chosen) {
        (Some(name), None) => faults.add(
            &(0..0),
            format!("the stack has no environment `{name}`"),
            help_of_environments(name, &known),
        ),
        (_, Some(overlay)) => lay_over("", base.get_mut(), overlay.into_inner()),
        (None, None) => (),
    }
    let raw = RawStack::deserialize(toml::Deserializer::from(base)).ok()?;
    raw.validate(file, environment, faults)
}

fn help_of_environments(name: &str, known: &[String]) -> String {
    match nearest(name, known.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None if known.is_empty() => format!("write `[env.{name}]` in the file, or leave out --env"),
        None => format!("there are: {}", known.join(", ")),
    }
}

fn take_environments<'a>(base: &mut Table<'a>, faults: &mut Faults) -> Vec<(String, Table<'a>)> {
    let Some(value) = base.get_mut().remove("env") else {
        return Vec::new();
    };
    let span = value.span();
    let DeValue::Table(tables) = value.into_inner() else {
        faults.add(
            &span,
            "`env` holds no environments",
            "write `[env.NAME]` and the keys that differ",
        );
        return Vec::new();
    };
    let mut overlays = Vec::new();
    for (name, value) in tables {
        let span = value.span();
        match value.into_inner() {
            DeValue::Table(table) => {
                overlays.push((name.get_ref().to_string(), Spanned::new(span, table)))
            }
            _ => faults.add(
                &span,
                "an environment is a table",
                "write `[env.NAME]` and the keys that differ",
            ),
        }
    }
    overlays
}

/// Notes what serde refuses, removes it, and tries again until the rest is accepted: serde stops at its first error,
/// and a user wants all of them.
fn tolerate(table: &mut Table<'_>, faults: &mut Faults) {
    while let Err(error) = RawStack::deserialize(toml::Deserializer::from(table.clone())) {
        let span = error.span().unwrap_or_else(|| table.span());
        let (message, help) = explain(error.message());
        faults.add(&span, message, help);
        if !remove_at(table.get_mut(), &span) {
            break;
        }
    }
}

/// Turns serde's words into ours, with the nearest known name for an unknown one.
fn explain(message: &str) -> (String, Cow<'static, str>) {
    let message = message.trim();
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let (Some(kind), Some((unknown, known))) = (unknown_kind(message), quoted.split_first()) else {
        return (
            message.to_owned(),
            "write a value of the kind that `uninlu schema` describes".into(),
        );
    };
    let help = match nearest(unknown, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known here: {}", known.join(", ")),
    };
    (format!("unknown {kind} `{unknown}`"), help.into())
}

fn unknown_kind(message: &str) -> Option<&'static str> {
    match () {
        () if message.starts_with("unknown field") => Some("key"),
        () if message.starts_with("unknown variant") => Some("value"),
        () => None,
    }
}

fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|candidate| (strsim::jaro_winkler(name, candidate), candidate))
        .filter(|(score, _)| *score > 0.8)
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map(|(_, candidate)| candidate)
}

/// Removes the innermost key or list item that the span lies in; false when there is none.
fn remove_at(table: &mut DeTable<'_>, span: &Range<usize>) -> bool {
    let hit = table.iter().find_map(|(key, value)| {
        (covers(&key.span(), span) || covers(&value.span(), span))
            .then(|| key.get_ref().to_string())
    });
    let Some(key) = hit.or_else(|| nested_table_with(table, span)) else {
        return false;
    };
    let inner = table
        .get_mut(key.as_str())
        .is_some_and(|value| remove_inside(value.get_mut(), span));
    inner || table.remove(key.as_str()).is_some()
}

/// A table that is written in several places (`[a.b]`, `a.c = …`) has a span that need not cover all its keys.
fn nested_table_with(table: &DeTable<'_>, span: &Range<usize>) -> Option<String> {
    table
        .iter()
        .find_map(|(key, value)| holds(value.get_ref(), span).then(|| key.get_ref().to_string()))
}

fn holds(value: &DeValue<'_>, span: &Range<usize>) -> bool {
    match value {
        DeValue::Table(table) => table.iter().any(|(key, value)| {
            covers(&key.span(), span) || covers(&value.span(), span) || holds(value.get_ref(), span)
        }),
        DeValue::Array(items) => items
            .iter()
            .any(|item| covers(&item.span(), span) || holds(item.get_ref(), span)),
        _ => false,
    }
}

fn remove_inside(value: &mut DeValue<'_>, span: &Range<usize>) -> bool {
    match value {
        DeValue::Table(table) => remove_at(table, span),
        DeValue::Array(items) => remove_item(items, span),
        _ => false,
    }
}

fn remove_item(items: &mut DeArray<'_>, span: &Range<usize>) -> bool {
    let found = items
        .iter()
        .position(|item| covers(&item.span(), span) || holds(item.get_ref(), span));
    let Some(index) = found else { return false };
    if items
        .get_mut(index)
        .is_some_and(|item| remove_inside(item.get_mut(), span))
    {
        return true;
    }
    let kept = items
        .iter()
        .enumerate()
        .filter(|(position, _)| *position != index);
    *items = kept.map(|(_, item)| item.clone()).collect();
    true
}

fn covers(outer: &Range<usize>, inner: &Range<usize>) -> bool {
    outer.start <= inner.start && inner.end <= outer.end && !outer.is_empty()
}

/// Tables whose keys are a choice: an overlay that takes one alternative drops the others, or every switch between
/// them would be a contradiction.
const CHOICES: [(&str, &[&str]); 3] = [
    ("image", &["repository", "reference"]),
    ("source", &["pvc", "path", "image", "host-path"]),
    ("disruption", &["min-available", "max-unavailable"]),
];

/// Lays `overlay` over `base`, table by table; `name` is the key under which both stand.
fn lay_over<'a>(name: &str, base: &mut DeTable<'a>, overlay: DeTable<'a>) {
    drop_other_choices(name, base, &overlay);
    for (key, value) in overlay {
        let name = key.get_ref().to_string();
        match (base.get_mut(name.as_str()).map(Spanned::get_mut), value) {
            (Some(DeValue::Table(below)), value) if value.get_ref().is_table() => {
                if let DeValue::Table(above) = value.into_inner() {
                    lay_over(&name, below, above);
                }
            }
            (_, value) => {
                base.remove(name.as_str());
                base.insert(key, value);
            }
        }
    }
}

fn drop_other_choices(name: &str, base: &mut DeTable<'_>, overlay: &DeTable<'_>) {
    for (_, alternatives) in CHOICES.iter().filter(|(table, _)| *table == name) {
        if alternatives.iter().any(|key| overlay.contains_key(*key)) {
            alternatives.iter().for_each(|key| drop(base.remove(*key)));
        }
    }
}
