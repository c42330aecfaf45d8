//! Where a key stands in a stack file. A [`super::Stack`] keeps no places: they are looked up when somebody is told.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::fault::position;

/// The first of the keys (dotted paths) that is written in the text, and its line, counted from 1. What an environment
/// writes is laid over the rest of the file, so it comes first.
pub(super) fn locate_in<'k>(
    text: &str,
    environment: Option<&str>,
    keys: &[&'k str],
) -> Option<(&'k str, usize)> {
    let (document, _) = DeTable::parse_recoverable(text);
    let file = document.get_ref();
    let mut tables = overlay(file, environment).into_iter().chain([file]);
    tables.find_map(|table| {
        keys.iter().find_map(|key| {
            let (span, _) = find(table, key)?;
            Some((*key, position(text, span.start).0))
        })
    })
}

/// The text of a key's value, its line, and whether the environment writes it. A section is told by its keys.
pub(super) fn written_in(
    text: &str,
    environment: Option<&str>,
    key: &str,
) -> Option<(String, usize, bool)> {
    let (document, _) = DeTable::parse_recoverable(text);
    let file = document.get_ref();
    let of_environment = overlay(file, environment).and_then(|table| find(table, key));
    let is_of_environment = of_environment.is_some();
    let (span, value) = of_environment.or_else(|| find(file, key))?;
    let value = match value.get_ref() {
        DeValue::Table(inner) => {
            let keys: Vec<&str> = inner.keys().map(|key| key.get_ref().as_ref()).collect();
            format!("a section with {}", keys.join(", "))
        }
        _ => text.get(value.span()).unwrap_or_default().to_owned(),
    };
    Some((value, position(text, span.start).0, is_of_environment))
}

/// Every key and section (dotted paths) that is written in the text, and its line, counted from 1; what the environment
/// writes is laid over the rest.
pub(super) fn places_in(text: &str, environment: Option<&str>) -> BTreeMap<String, usize> {
    let (document, _) = DeTable::parse_recoverable(text);
    let file = document.get_ref();
    let mut places = BTreeMap::new();
    note(text, "", file, &mut places);
    places.retain(|key, _| key != "env" && !key.starts_with("env."));
    if let Some(overlay) = overlay(file, environment) {
        note(text, "", overlay, &mut places);
    }
    places
}

fn note(text: &str, path: &str, table: &DeTable<'_>, places: &mut BTreeMap<String, usize>) {
    for (key, value) in table {
        let path = match path {
            "" => key.get_ref().to_string(),
            _ => format!("{path}.{}", key.get_ref()),
        };
        if let DeValue::Table(inner) = value.get_ref() {
            note(text, &path, inner, places);
        }
        places.insert(path, position(text, key.span().start).0);
    }
}

/// What the environment lays over the file.
fn overlay<'t, 'a>(file: &'t DeTable<'a>, environment: Option<&str>) -> Option<&'t DeTable<'a>> {
    table_in(table_in(file, "env")?, environment?)
}

/// The key's own place, and its value. An item of a list is called by its number, counted from 0: `gate.rule.0`.
fn find<'t, 'a>(
    table: &'t DeTable<'a>,
    path: &str,
) -> Option<(Range<usize>, &'t toml::Spanned<DeValue<'a>>)> {
    match path.split_once('.') {
        Some((key, index)) if index.parse::<usize>().is_ok() => {
            let DeValue::Array(items) = table.get(key)?.get_ref() else {
                return None;
            };
            let item = items.get(index.parse::<usize>().ok()?)?;
            Some((item.span(), item))
        }
        Some((section, rest)) => find(table_in(table, section)?, rest),
        None => table
            .get_key_value(path)
            .map(|(key, value)| (key.span(), value)),
    }
}

fn table_in<'t, 'a>(table: &'t DeTable<'a>, key: &str) -> Option<&'t DeTable<'a>> {
    match table.get(key)?.get_ref() {
        DeValue::Table(inner) => Some(inner),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{locate_in, places_in};

    const TEXT: &str = r#"replicas = 2
[model]
source = { pvc = "models" }
[env.small]
autoscaling.replicas = { min = 1, max = 2 }
[env.small.model]
source.host-path = "/srv"
[[gate.rule]]
id = "one"
[[gate.rule]]
"#;

    #[test]
    fn every_key_has_its_place() {
        let places = places_in(TEXT, Some("small"));
        let told: Vec<String> = places
            .iter()
            .map(|(key, line)| format!("{key}:{line}"))
            .collect();
        assert_eq!(
            told,
            [
                "autoscaling:5",
                "autoscaling.replicas:5",
                "autoscaling.replicas.max:5",
                "autoscaling.replicas.min:5",
                "gate:8",
                "gate.rule:8",
                "model:6",
                "model.source:7",
                "model.source.host-path:7",
                "model.source.pvc:3",
                "replicas:1",
            ]
        );
    }

    #[test]
    fn an_environment_comes_before_the_file() {
        let minimum = ["replicas", "autoscaling.replicas.min"];
        let cases = [
            (None, &minimum[..], Some(("replicas", 1))),
            (
                Some("small"),
                &minimum,
                Some(("autoscaling.replicas.min", 5)),
            ),
            (None, &["model.source"], Some(("model.source", 3))),
            (Some("small"), &["model.source"], Some(("model.source", 7))),
            (None, &["rollout.on-failure"], None),
            (None, &["gate.rule.1"], Some(("gate.rule.1", 10))),
            (None, &["gate.rule.2"], None),
        ];
        for (environment, keys, place) in cases {
            assert_eq!(
                locate_in(TEXT, environment, keys),
                place,
                "{keys:?} with {environment:?}"
            );
        }
    }
}
