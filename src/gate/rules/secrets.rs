//! Secrets in what many can read: the stack file, the objects, the image.

use serde_json::Value;

use crate::gate::secrets::in_setting;
use crate::gate::{Found, Rule, Severity, Subject, Verdict};

pub(super) const RULES: [Rule; 1] = [Rule {
    id: "secret-exposed",
    severity: Severity::Error,
    title: "no secret stands in plain text",
    why: "anyone who may read the stack file, the objects or the image has it, and Git's history and the registry keep it",
    mend: "make it invalid and remove it; bring secrets by a Secret or a BuildKit secret, and keep their files out of the context by .dockerignore",
    keys: &[],
    check: exposed,
}];

fn exposed(subject: &Subject) -> Verdict {
    let typed = suspects(&subject.facts.document);
    let values: Vec<&str> = typed.iter().map(|suspect| suspect.value).collect();
    let in_file = typed.iter().map(|Suspect { path, what, .. }| Found {
        message: format!("the value of `{path}` looks like {what}"),
        key: Some(path.clone()),
    });
    let files = subject.facts.exposed.iter().map(|file| Found {
        message: format!("the file `{}` looks like {}", file.path, file.what),
        key: Some(file.key.to_owned()),
    });
    let in_objects = subject.objects.iter().flat_map(|(id, body)| {
        let new = suspects(body).into_iter();
        // What stands in the stack file already is found there, with its line.
        let new = new.filter(|suspect| !values.iter().any(|known| suspect.value.contains(known)));
        new.map(move |Suspect { path, what, .. }| Found {
            message: format!("{id}: `{path}` looks like {what}"),
            key: None,
        })
    });
    Verdict {
        found: in_file.chain(in_objects).chain(files).collect(),
        unknown: None,
    }
}

/// A text that looks like a secret.
struct Suspect<'a> {
    path: String,
    value: &'a str,
    what: &'static str,
}

fn suspects(document: &Value) -> Vec<Suspect<'_>> {
    let mut texts = Vec::new();
    collect("", document, &mut texts);
    let suspect = |(path, value): (String, _)| {
        let name = path.rsplit('.').next().filter(|_| is_named(&path));
        let what = in_setting(name.unwrap_or_default(), value)?;
        Some(Suspect { path, value, what })
    };
    texts.into_iter().filter_map(suspect).collect()
}

/// Below these, people name things as they like: there a name says something. Elsewhere it is the name of a Secret that
/// stands under `secret`.
fn is_named(path: &str) -> bool {
    let parts = ["args", "labels", "annotations", "env", "command"];
    path.split('.').any(|part| parts.contains(&part))
}

/// Every text in a document, with its dotted path. A variable and an option are called by their names.
fn collect<'a>(path: &str, value: &'a Value, found: &mut Vec<(String, &'a str)>) {
    let below = |key: &str| match path {
        "" => key.to_owned(),
        _ => format!("{path}.{key}"),
    };
    match value {
        Value::String(text) => found.push((path.to_owned(), text)),
        Value::Array(items) => {
            let mut before = "";
            for (index, item) in items.iter().enumerate() {
                match named(before, item) {
                    Some((name, text)) => found.push((below(name), text)),
                    None => collect(&below(&index.to_string()), item, found),
                }
                before = item.as_str().unwrap_or_default();
            }
        }
        Value::Object(keys) => keys
            .iter()
            .for_each(|(key, value)| collect(&below(key), value, found)),
        _ => (),
    }
}

/// `{ name, value }`, `--name=value`, or the value after `--name`.
fn named<'a>(before: &'a str, item: &'a Value) -> Option<(&'a str, &'a str)> {
    if let (Some(name), Some(value)) = (item["name"].as_str(), item["value"].as_str()) {
        return Some((name, value));
    }
    let text = item.as_str()?;
    let is_option = |text: &str| text.starts_with('-');
    match text.split_once('=') {
        Some((option, value)) if is_option(option) => Some((option.trim_start_matches('-'), value)),
        _ if is_option(before) && !before.contains('=') && !is_option(text) => {
            Some((before.trim_start_matches('-'), text))
        }
        _ => None,
    }
}
