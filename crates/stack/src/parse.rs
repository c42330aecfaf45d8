//! Text → raw stack: every syntax error, unknown key and wrong type at once, then one environment laid over the file.

use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::conform::{conform, nearest};
use super::fault::{Fault, Faults, Need};
use super::image::BUILD_KEYS;
use super::raw::RawStack;
use super::{Invalid, Source, Stack};

type Table<'a> = Spanned<DeTable<'a>>;

/// Reads a stack file's text. Pure: what the file needs of its surroundings is for [`parse_given`].
///
/// # Errors
/// Every fault of the file and of all its environments, and of the file with `environment` laid over it.
pub fn parse(text: &str, file: &Path, environment: Option<&str>) -> Result<Stack, Box<Invalid>> {
    parse_given(&Arc::new(Source::new(file, text)), environment, |_| true)
}

/// As [`parse`], given which needs are met.
///
/// # Errors
/// As [`parse`], and every need that is not met.
pub fn parse_given(
    source: &Arc<Source>,
    environment: Option<&str>,
    is_met: impl Fn(&Need) -> bool,
) -> Result<Stack, Box<Invalid>> {
    let mut faults = Faults::default();
    let stack = read(source, environment, &mut faults);
    let faults = faults.into_vec(is_met);
    match stack {
        Some(stack) if faults.is_empty() => Ok(stack),
        _ => Err(Box::new(Invalid::new(&source.file, &source.text, faults))),
    }
}

/// The file as it stands, and with each of its environments; a fault that only one of them brings names it.
///
/// # Errors
/// As [`parse_given`], for all environments at once.
pub fn parse_every(
    source: &Arc<Source>,
    is_met: impl Fn(&Need) -> bool,
) -> Result<Vec<Stack>, Box<Invalid>> {
    let mut stacks = Vec::new();
    let mut faults: Vec<Fault> = Vec::new();
    let known = environments(&source.text);
    for environment in std::iter::once(None).chain(known.iter().map(Some)) {
        match parse_given(source, environment.map(String::as_str), &is_met) {
            Ok(stack) => stacks.push(stack),
            Err(invalid) => {
                let new = invalid.faults.into_iter();
                let new: Vec<Fault> = new.filter(|fault| !faults.contains(fault)).collect();
                faults.extend(new.into_iter().map(|fault| Fault {
                    environment: environment.cloned(),
                    ..fault
                }));
            }
        }
    }
    if faults.is_empty() {
        return Ok(stacks);
    }
    Err(Box::new(Invalid::new(&source.file, &source.text, faults)))
}

/// Names of the `[env.NAME]` tables.
fn environments(text: &str) -> Vec<String> {
    let (document, _) = DeTable::parse_recoverable(text);
    match document.get_ref().get("env").map(Spanned::get_ref) {
        Some(DeValue::Table(tables)) => tables
            .iter()
            .filter(|(_, value)| value.get_ref().is_table())
            .map(|(name, _)| name.get_ref().to_string())
            .collect(),
        _ => Vec::new(),
    }
}

fn read(source: &Arc<Source>, environment: Option<&str>, faults: &mut Faults) -> Option<Stack> {
    let mut base = read_syntax(&source.text, faults)?;
    let overlays = take_environments(&mut base, faults);
    conform(&mut base, faults);
    let mut chosen = None;
    let mut has_inherited_disruption = false;
    let known: Vec<String> = overlays.iter().map(|(name, _)| name.clone()).collect();
    for (name, mut overlay) in overlays {
        refuse_nested_environments(&mut overlay, faults);
        conform(&mut overlay, faults);
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
        (_, Some(overlay)) => {
            has_inherited_disruption = inherits_disruption(overlay.get_ref());
            lay_over_stack(base.get_mut(), overlay.into_inner());
        }
        (None, None) => (),
    }
    let read = RawStack::deserialize(toml::Deserializer::from(base));
    let mut raw = read
        .map_err(|error| {
            // The schema let pass what the types do not: a fault of this tool, and never silence.
            let help = "this is an error of uninlu: please report it with this line";
            faults.add(&error.span().unwrap_or_default(), error.message(), help);
        })
        .ok()?;
    raw.has_inherited_disruption = has_inherited_disruption;
    raw.validate(source, environment, faults)
}

/// The text's own keys, with an environment laid over them; `None` when it is no TOML.
pub(super) fn document_in(text: &str, environment: Option<&str>) -> Option<Value> {
    let mut base = DeTable::parse(text).ok()?;
    let overlays = take_environments(&mut base, &mut Faults::default());
    let chosen = overlays
        .into_iter()
        .find(|(name, _)| Some(name.as_str()) == environment);
    if let Some((_, overlay)) = chosen {
        lay_over_stack(base.get_mut(), overlay.into_inner());
    }
    let document = toml::Table::deserialize(toml::Deserializer::from(base)).ok()?;
    Some(as_json(document.into()))
}

/// JSON has no dates: they become text.
fn as_json(value: toml::Value) -> Value {
    match value {
        toml::Value::Table(table) => table
            .into_iter()
            .map(|(key, value)| (key, as_json(value)))
            .collect(),
        toml::Value::Array(items) => items.into_iter().map(as_json).collect(),
        toml::Value::Datetime(date) => date.to_string().into(),
        toml::Value::String(text) => text.into(),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) => number.into(),
        toml::Value::Boolean(is) => is.into(),
    }
}

/// The document, unless its syntax is broken. A key that is written twice breaks nothing: the rest is still read.
fn read_syntax<'a>(text: &'a str, faults: &mut Faults) -> Option<Table<'a>> {
    let (document, errors) = DeTable::parse_recoverable(text);
    let mut is_readable = true;
    for error in &errors {
        let span = error.span().unwrap_or(0..0);
        let help = match error.message() {
            "duplicate key" => "keep one of them",
            _ => {
                is_readable = false;
                "write TOML: `key = value` under `[section]`, text in quotes"
            }
        };
        faults.add(&span, error.message(), help);
    }
    is_readable.then_some(document)
}

fn refuse_nested_environments(overlay: &mut Table<'_>, faults: &mut Faults) {
    if let Some(nested) = overlay.get_mut().remove("env") {
        faults.add(
            &nested.span(),
            "an environment cannot hold environments",
            "move it up to `[env.NAME]`",
        );
    }
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

/// Tables whose keys are a choice between alternatives, each a group of keys: an overlay that takes one alternative
/// drops the others, or every switch between them would be a contradiction. An overlay that takes several contradicts
/// itself, and only its own keys shall tell of it.
const CHOICES: [(&str, &[&[&str]]); 3] = [
    ("image", &[BUILD_KEYS, &["reference"]]),
    ("source", &[&["pvc", "path"], &["image"], &["host-path"]]),
    ("disruption", &[&["min-available"], &["max-unavailable"]]),
];

/// Lays an environment over the stack. Who decides the number of pods is a choice, too, but one that a section which
/// is turned off does not take.
fn lay_over_stack<'a>(base: &mut DeTable<'a>, overlay: DeTable<'a>) {
    let takes = ["replicas", "autoscaling"].map(|key| overlay.contains_key(key));
    lay_over("", base, overlay);
    let loser = match takes {
        [true, false] => Some("autoscaling"),
        [false, true] if is_autoscaling_on(base) => Some("replicas"),
        _ => None,
    };
    loser.map(|key| base.remove(key));
}

fn inherits_disruption(overlay: &DeTable<'_>) -> bool {
    let changes = |key| overlay.contains_key(key);
    !changes("disruption") && (changes("replicas") || changes("autoscaling"))
}

fn is_autoscaling_on(stack: &DeTable<'_>) -> bool {
    let Some(DeValue::Table(section)) = stack.get("autoscaling").map(Spanned::get_ref) else {
        return false;
    };
    !matches!(
        section.get("enabled").map(Spanned::get_ref),
        Some(DeValue::Boolean(false))
    )
}

/// Lays `overlay` over `base`, table by table; `name` is the key under which both stand.
fn lay_over<'a>(name: &str, base: &mut DeTable<'a>, overlay: DeTable<'a>) {
    drop_other_alternatives(name, base, &overlay);
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

fn drop_other_alternatives(name: &str, base: &mut DeTable<'_>, overlay: &DeTable<'_>) {
    let choices = CHOICES.iter().filter(|(table, _)| *table == name);
    for alternatives in choices.map(|(_, alternatives)| *alternatives) {
        let is_chosen = |group: &&[&str]| group.iter().any(|key| overlay.contains_key(*key));
        let chosen = alternatives.iter().filter(|group| is_chosen(group)).count();
        let dropped = alternatives.iter().filter(|group| match chosen {
            0 => false,
            1 => !is_chosen(group),
            _ => true,
        });
        dropped
            .flat_map(|group| *group)
            .for_each(|key| drop(base.remove(*key)));
    }
}
