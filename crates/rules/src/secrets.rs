//! Secrets in what many can read: the stack file, the objects, the image.

use serde_json::Value;
use uninlu_helm_template::yaml::step;

use super::fields::Fields;
use super::objects::called;
use super::secret_forms::{in_setting, may_be_secret};
use super::{Check, Files, Found, Rule, Severity, Spot, Subject, Verdict};

pub(super) const RULES: [Rule; 1] = [Rule {
    id: "secret-exposed",
    aliases: &["secret-in-plain-text"],
    severity: Severity::Error,
    title: "no secret is in plain text",
    why: "anyone who may read the stack file, the chart, the objects or the image has it, and Git's history and the registry keep it",
    fix: "make it invalid and remove it; bring secrets by a Secret or a BuildKit secret, and keep their files out of the context by .dockerignore",
    checks: &[Check::Planned(exposed), Check::Files(in_files)],
    ..Rule::PLAIN
}];

fn exposed(subject: &Subject) -> Verdict {
    let typed = suspects(&subject.facts.document);
    let values: Vec<&str> = typed.iter().map(|suspect| suspect.value).collect();
    let in_file = typed.iter().map(|Suspect { path, what, .. }| Found {
        message: format!("the value of `{path}` looks like {what}"),
        keys: vec![path.clone()],
    });
    let files = subject.facts.exposed.iter().map(|file| Found {
        message: format!("the file `{}` looks like {}", file.path, file.what),
        keys: vec![file.key.to_owned()],
    });
    let in_objects = subject.objects.iter().flat_map(|(id, body)| {
        let new = suspects(body).into_iter();
        // What stands in the stack file already is found there, with its line.
        let new = new.filter(|suspect| !values.iter().any(|known| suspect.value.contains(known)));
        new.map(move |Suspect { path, what, .. }| Found {
            message: format!("{id}: `{path}` looks like {what}"),
            keys: Vec::new(),
        })
    });
    Verdict {
        found: in_file.chain(in_objects).chain(files).collect(),
        unknown: None,
    }
}

/// The value itself is never shown.
fn in_files<'a>(files: &Files<'a>) -> Vec<Spot<'a>> {
    let objects = &files.objects;
    let mut spots = Vec::new();
    for object in objects.all.iter().copied() {
        if object.kind() == "Secret" && !objects.is_live {
            let what = "the values of a Secret are written in it";
            spots.push(Spot::at(object, "/data", what));
        }
        // What belongs to other services is not this stack's.
        if object.kind() != "Secret" && objects.is_of_service(object) {
            let suspects = suspects(object).into_iter();
            spots.extend(suspects.map(
                |Suspect {
                     path,
                     pointer,
                     what,
                     ..
                 }| {
                    Spot::at(object, &pointer, format!("`{path}` looks like {what}"))
                },
            ));
        }
    }
    for spot in by_names(files) {
        if spots.iter().all(|known| known.at != spot.at) {
            spots.push(spot);
        }
    }
    spots
}

/// Variables of the pods with a name of secrets.
fn by_names<'a>(files: &Files<'a>) -> Vec<Spot<'a>> {
    let pod = &files.objects.pod;
    let mut spots = Vec::new();
    for (at, container) in pod.containers() {
        for (name, (value, pointer)) in pod.environment_of(&at) {
            if may_be_secret(&name, &value) {
                let what = format!(
                    "{}: the variable `{name}` looks like a secret, by its name",
                    called(container)
                );
                spots.push(Spot::at(pod.object, &pointer, what));
            }
        }
    }
    spots
}

/// A text that looks like a secret.
struct Suspect<'a> {
    path: String,
    pointer: String,
    value: &'a str,
    what: &'static str,
}

fn suspects(document: &Value) -> Vec<Suspect<'_>> {
    let mut texts = Vec::new();
    collect(("", ""), document, &mut texts);
    let suspect = |(path, pointer, value): (String, _, _)| {
        let name = path.rsplit('.').next().filter(|_| is_named(&path));
        let what = in_setting(name.unwrap_or_default(), value)?;
        Some(Suspect {
            path,
            pointer,
            value,
            what,
        })
    };
    texts.into_iter().filter_map(suspect).collect()
}

/// Below these, people name things as they like: there a name says something. Elsewhere it is the name of a Secret that
/// stands under `secret`.
fn is_named(path: &str) -> bool {
    let parts = ["args", "labels", "annotations", "env", "command"];
    path.split('.').any(|part| parts.contains(&part))
}

/// Every text in a document, with its dotted path and its pointer. A variable and an option are called by their names.
fn collect<'a>(
    (path, pointer): (&str, &str),
    value: &'a Value,
    found: &mut Vec<(String, String, &'a str)>,
) {
    let below = |key: &str| match path {
        "" => key.to_owned(),
        _ => format!("{path}.{key}"),
    };
    match value {
        Value::String(text) => found.push((path.to_owned(), pointer.to_owned(), text)),
        Value::Array(items) => {
            let mut before = "";
            for (index, item) in items.iter().enumerate() {
                let pointer = step(pointer, index);
                match named(before, item) {
                    Some((name, text)) => found.push((below(name), pointer, text)),
                    None => collect((&below(&index.to_string()), &pointer), item, found),
                }
                before = item.as_str().unwrap_or_default();
            }
        }
        Value::Object(keys) => keys
            .iter()
            .for_each(|(key, value)| collect((&below(key), &step(pointer, key)), value, found)),
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
