//! Secrets in what many can read: the stack file, the objects, the image.

use serde_json::Value;
use uninlu_helm_template::yaml::step;

use super::fields::Fields;
use super::secret_forms::{in_setting, may_be_secret};
use super::{At, Check, Files, Found, Objects, Pod, Rule, Spot, Subject, Verdict};

pub(super) const RULES: [Rule; 1] = [Rule {
    id: "secret-exposed",
    aliases: &["secret-in-plain-text"],
    title: "no secret is in plain text",
    why: "anyone who may read the stack file, the chart, the objects or the image has it, and Git's history and the registry keep it",
    fix: "make it invalid and remove it; bring secrets by a Secret or a BuildKit secret, and keep their files out of the context by .dockerignore",
    checks: &[
        Check::Planned(typed),
        Check::Objects(in_objects),
        Check::Pod(in_pod),
        Check::Files(in_files),
    ],
    ..Rule::ERROR
}];

fn typed(subject: &Subject) -> Verdict {
    let typed = suspects(&subject.facts.document, "").into_iter();
    let typed = typed.map(|Suspect { path, what, .. }| Found {
        message: format!("the value of `{path}` looks like {what}"),
        keys: vec![path],
    });
    let files = subject.facts.exposed.iter().map(|file| Found {
        message: format!("the file `{}` looks like {}", file.path, file.what),
        keys: vec![file.key.to_owned()],
    });
    Verdict {
        found: typed.chain(files).collect(),
        unknown: None,
    }
}

/// What belongs to other services is not this stack's, and `in_pod` reads the pods.
fn in_objects<'a>(objects: &Objects<'a>) -> Vec<Spot<'a>> {
    let pod = &objects.pod;
    let typed = in_stack_file(pod);
    let own = objects.all.iter().copied();
    let own = own.filter(|object| object.kind() != "Secret" && objects.is_of_service(object));
    own.flat_map(|object| spots(object, "", &typed))
        .filter(|spot| {
            let is_of_pod = |at: &At| matches!(at, At::Field(object, pointer) if std::ptr::eq(*object, pod.object) && pointer.starts_with(pod.at));
            !spot.at.iter().any(is_of_pod)
        })
        .collect()
}

fn in_pod<'a>(pod: &Pod<'a>) -> Vec<Spot<'a>> {
    spots(pod.object, pod.at, &in_stack_file(pod))
}

fn in_stack_file<'a>(pod: &Pod<'a>) -> Vec<Suspect<'a>> {
    pod.typed.map_or_else(Vec::new, |typed| suspects(typed, ""))
}

/// The value itself is never shown. What is in the stack file is found there, with its line.
fn spots<'a>(object: &'a Value, below: &str, typed: &[Suspect]) -> Vec<Spot<'a>> {
    let is_typed = |suspect: &Suspect| typed.iter().any(|it| suspect.value.contains(it.value));
    let new = suspects(object, below).into_iter();
    new.filter(|suspect| !is_typed(suspect))
        .map(|suspect| {
            let Suspect { path, what, .. } = &suspect;
            Spot::at(
                object,
                &suspect.pointer,
                format!("`{path}` looks like {what}"),
            )
        })
        .collect()
}

fn in_files<'a>(files: &Files<'a>) -> Vec<Spot<'a>> {
    let objects = &files.objects;
    let secrets = objects.all.iter().copied();
    let secrets = secrets.filter(|object| object.kind() == "Secret" && !objects.is_live);
    let what = "the values of a Secret are written in it";
    let secrets = secrets.map(|secret| Spot::at(secret, "/data", what));
    secrets.chain(by_names(&objects.pod)).collect()
}

/// Variables whose names alone have a word of secrets.
fn by_names<'a>(pod: &Pod<'a>) -> Vec<Spot<'a>> {
    Spot::in_containers(pod, |at, _| {
        let variables = pod.environment_of(at).into_iter();
        variables.filter_map(|(name, (value, pointer))| {
            let is_found = in_setting(&name, &value).is_some();
            let what = format!("has the variable `{name}`, which looks like a secret, by its name");
            (!is_found && may_be_secret(&name, &value)).then_some((pointer, what))
        })
    })
}

/// A text that looks like a secret.
struct Suspect<'a> {
    path: String,
    pointer: String,
    value: &'a str,
    what: &'static str,
}

/// Below that pointer.
fn suspects<'a>(document: &'a Value, below: &str) -> Vec<Suspect<'a>> {
    let mut texts = Vec::new();
    let path = below.trim_start_matches('/').replace('/', ".");
    let part = document.pointer(below).unwrap_or(&Value::Null);
    collect((&path, below), part, &mut texts);
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
