//! Where a key stands in a stack file. A [`super::Stack`] keeps no places: they are looked up when somebody is told.

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
    let overlay = environment.and_then(|name| table_in(table_in(file, "env")?, name));
    let mut tables = overlay.into_iter().chain([file]);
    tables.find_map(|table| {
        keys.iter().find_map(|key| {
            let span = find(table, key)?;
            Some((*key, position(text, span.start).0))
        })
    })
}

fn find(table: &DeTable<'_>, path: &str) -> Option<Range<usize>> {
    match path.split_once('.') {
        Some((section, rest)) => find(table_in(table, section)?, rest),
        None => table.get_key_value(path).map(|(key, _)| key.span()),
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
    use super::locate_in;

    const TEXT: &str = r#"replicas = 2
[model]
source = { pvc = "models" }
[env.small]
autoscaling.replicas = { min = 1, max = 2 }
[env.small.model]
source.host-path = "/srv"
"#;

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
