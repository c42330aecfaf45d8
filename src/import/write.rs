//! A draft → the text of a stack file that is valid, and what its first apply does.

use std::path::Path;

use serde::Serialize;
use serde_json::Value as Json;

use super::draft::{Draft, Left, Section};
use super::view::View;
use super::{Object, Source};
use crate::escape;
use crate::kinds::{self, Desired, Facts, Kind};
use crate::plan::{diff, rivals};
use crate::rules::Fields;
use crate::stack::{self, Image, Invalid, Stack};

/// A stack file, and what is to be known of it.
#[derive(Debug, Serialize)]
pub struct Imported {
    /// The file's text, which is valid.
    pub stack: String,
    /// Keys that hold a placeholder, and what to write.
    pub to_set: Vec<Noted>,
    /// Keys whose values differ from what was read, and why.
    pub fixed: Vec<Noted>,
    /// What has no place in a stack.
    pub not_taken: Vec<Left>,
    /// Deployments that were read and not chosen; `--name` chooses one.
    pub other_deployments: Vec<String>,
    /// What the first apply does to the objects that were read.
    pub first_apply: Vec<Effect>,
}

/// A key, and words on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Noted {
    /// Dotted path.
    pub key: String,
    /// The words.
    pub note: String,
}

/// What becomes of an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Effect {
    /// `Deployment nlu`
    pub object: String,
    /// What happens.
    pub action: Action,
    /// Why, in words.
    pub why: String,
    /// Fields that differ.
    pub fields: Vec<String>,
}

/// What happens to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Deleted and recreated.
    Replace,
    /// Its pods are replaced, rolling.
    Restart,
    /// Taken over; no pod restarts.
    Keep,
    /// New.
    Create,
    /// Not the stack's: it stays as it is.
    Stay,
}

impl Action {
    /// As it is printed.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Action::Replace => "replaced",
            Action::Restart => "restarts pods",
            Action::Keep => "kept",
            Action::Create => "created",
            Action::Stay => "stays",
        }
    }
}

const HEADER: &str = "\
# A stack of uninlu, imported. What is not here has a default; `uninlu explain` describes every key.
# Comments say what differs from what was read; `uninlu import` reports what was wrong, and what was left out.
";

/// Writes the draft. What the stack does not take is left as a comment with the reason; `check` is
/// [`stack::check`] for the place where the file will be.
///
/// # Errors
/// A file that stays invalid, with its errors.
pub fn written(
    draft: Draft,
    source: &Source,
    name: Option<&str>,
    file: &Path,
    check: impl Fn(&str) -> Result<(), Box<Invalid>>,
) -> Result<Imported, Box<Invalid>> {
    let mut not_taken = draft.left;
    let mut text = HEADER.to_owned();
    for section in &draft.sections {
        push_section(&mut text, section);
    }
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    // Each turn takes a line out, so it ends.
    for _ in 0..=lines.len() {
        let text = lines.join("\n") + "\n";
        let Err(invalid) = check(&text) else { break };
        let Some(error) = invalid.faults.first() else {
            break;
        };
        let (number, _) = invalid.position(error);
        let Some(taken) = comment_out(&mut lines, number, &error.message) else {
            return Err(invalid);
        };
        not_taken.push(Left {
            what: taken,
            places: Vec::new(),
            why: format!("{}: {}", error.message, error.help),
        });
    }
    let text = lines.join("\n") + "\n";
    let stack = stack::parse(&text, file, None)?;
    let to_set: Vec<Noted> = draft
        .to_set
        .into_iter()
        .map(|(key, note)| Noted { key, note })
        .collect();
    Ok(Imported {
        fixed: fixed(&draft.sections),
        to_set,
        other_deployments: View::of(source, name).map_or_else(Vec::new, |view| view.others()),
        first_apply: effects(&stack, source, name),
        not_taken,
        stack: text,
    })
}

/// Keys that carry a comment, but for placeholders.
fn fixed(sections: &[Section]) -> Vec<Noted> {
    let entries = sections.iter().flat_map(|section| {
        section
            .entries
            .iter()
            .map(move |entry| (section.name, entry))
    });
    entries
        .filter_map(|(section, entry)| {
            let note = entry
                .comment
                .clone()
                .filter(|comment| !comment.starts_with("TO SET"))?;
            let key = if section.is_empty() {
                entry.key.clone()
            } else {
                format!("{section}.{}", entry.key)
            };
            Some(Noted { key, note })
        })
        .collect()
}

fn push_section(text: &mut String, section: &Section) {
    if !section.name.is_empty() {
        text.push_str(&format!("\n[{}]\n", section.name));
    }
    for entry in &section.entries {
        if let Some(comment) = &entry.comment {
            text.push_str(&format!("# {}\n", in_a_line(comment)));
        }
        text.push_str(&format!("{} = {}\n", key(&entry.key), value(&entry.value)));
    }
}

fn key(text: &str) -> String {
    let is_bare = !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    if is_bare {
        text.to_owned()
    } else {
        quoted(text)
    }
}

/// JSON's text, but for what JSON takes as it is: TOML does not take DEL, and no reader of the file sees the others.
fn quoted(text: &str) -> String {
    let mut quoted = String::new();
    for letter in Json::from(text).to_string().chars() {
        match letter {
            '\u{7f}'..='\u{9f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                quoted += &format!("\\u{:04x}", u32::from(letter));
            }
            letter => quoted.push(letter),
        }
    }
    quoted
}

/// A comment of TOML: no control characters, and one line.
fn in_a_line(text: &str) -> String {
    escape::visible(text).replace('\n', " ")
}

/// On one line, so that a line is a key. Scalars of JSON are scalars of TOML; nothing here is null.
fn value(value: &Json) -> String {
    match value {
        Json::Array(items) => {
            let items: Vec<String> = items.iter().map(self::value).collect();
            format!("[{}]", items.join(", "))
        }
        Json::Object(entries) => {
            let entries: Vec<String> = entries
                .iter()
                .map(|(name, entry)| format!("{} = {}", key(name), self::value(entry)))
                .collect();
            format!("{{ {} }}", entries.join(", "))
        }
        Json::String(text) => quoted(text),
        scalar => scalar.to_string(),
    }
}

/// Takes the line out; a section's head takes the section along. `None` when there is nothing to take out.
fn comment_out(lines: &mut Vec<String>, number: usize, reason: &str) -> Option<String> {
    let at = number.checked_sub(1)?;
    let taken = lines.get(at)?.clone();
    if taken.is_empty() || taken.starts_with('#') {
        return None;
    }
    let is_head = |line: &String| line.starts_with('[');
    let end = match is_head(&taken) {
        true => lines[at + 1..]
            .iter()
            .position(is_head)
            .map_or(lines.len(), |next| at + 1 + next),
        false => at + 1,
    };
    for line in &mut lines[at..end] {
        if !line.is_empty() && !line.starts_with('#') {
            *line = format!("# {line}");
        }
    }
    lines.insert(at, format!("# not taken: {}", in_a_line(reason)));
    Some(taken)
}

const OBSOLETE: &str = "delete this one when it is not needed any more";

/// What the first apply does; derived from what the stack renders, as a plan would.
fn effects(stack: &Stack, source: &Source, name: Option<&str>) -> Vec<Effect> {
    let Some(view) = View::of(source, name) else {
        return Vec::new();
    };
    // Of values alone there are no objects.
    if source.is_only_values {
        return Vec::new();
    }
    let image = match &stack.image {
        Image::Reference { reference, .. } => reference.clone(),
        Image::Build(build) => format!("{}:(to be built)", build.repository),
    };
    let desired = kinds::desired(stack, &Facts { image });
    let mut effects = Vec::new();
    for (id, body) in &desired {
        let found = source
            .objects
            .iter()
            .find(|object| object.is(id.kind.name()) && object.name() == id.name);
        match (id.kind, found) {
            (Kind::Deployment, _) => effects.push(of_deployment(view.deployment, body, source)),
            (_, Some(_)) => (),
            (_, None) if source.is_installed => effects.push(Effect {
                object: format!("{} {}", id.kind.name(), id.name),
                action: Action::Create,
                why: "nothing of that name was read".to_owned(),
                fields: Vec::new(),
            }),
            (_, None) => (),
        }
    }
    let rivals = match source.is_installed {
        true => rivals(&desired, &source.objects),
        false => Vec::new(),
    };
    effects.retain(|effect| !rivals.iter().any(|rival| rival.object == effect.object));
    let parts = [
        view.service,
        view.budget,
        view.autoscaler,
        view.account,
        view.policy,
        view.settings,
    ];
    for object in parts.into_iter().flatten().filter(|_| source.is_installed) {
        let of_kind = desired.keys().find(|id| id.kind.name() == object.kind());
        let is_stacks = of_kind.is_some_and(|id| id.name == object.name());
        let is_rival = rivals.iter().any(|rival| rival.object == object.id());
        if !is_stacks && !is_rival {
            effects.push(Effect {
                object: object.id(),
                action: Action::Stay,
                why: match of_kind {
                    Some(id) => format!("the stack's has the name `{}`: {OBSOLETE}", id.name),
                    None => format!("the stack has none: {OBSOLETE}"),
                },
                fields: Vec::new(),
            });
        }
    }
    effects.extend(rivals);
    effects
}

/// What must go before the apply: two autoscalers, budgets or controllers of one pod keep each other from working.
fn rivals(desired: &Desired, objects: &[Object]) -> Vec<Effect> {
    let bodies: Vec<Json> = objects.iter().map(|object| object.body.clone()).collect();
    let rivals = rivals::rivals(desired, &bodies).into_iter();
    let effect = |rival: rivals::Rival| Effect {
        object: format!("{} {}", rival.kind, rival.name),
        action: Action::Stay,
        why: rival.words,
        fields: Vec::new(),
    };
    rivals.map(effect).collect()
}

fn of_deployment(read: &Object, body: &Json, source: &Source) -> Effect {
    let selector = "/spec/selector/matchLabels";
    let is_same_name = body["metadata"]["name"] == read.name();
    let mut fields = template_changes(&read.body, body, source.is_live);
    let (action, why) = if !is_same_name && source.is_installed {
        (
            Action::Stay,
            format!(
                "the stack's has the name {}: both run until this one is deleted",
                body["metadata"]["name"]
            ),
        )
    } else if body.pointer(selector) != read.at(selector) {
        // All of it is new, so no field is of interest.
        fields.clear();
        let why = "its selector is not the stack's, and a selector cannot be changed: it is deleted and recreated, and no pod serves until the new pods are ready";
        (Action::Replace, why.to_owned())
    } else if fields.is_empty() {
        (Action::Keep, "the pods' template is the stack's".to_owned())
    } else {
        (
            Action::Restart,
            "the pods' template changes in these fields, so a rolling update replaces all pods"
                .to_owned(),
        )
    };
    Effect {
        object: read.id(),
        action,
        why,
        fields,
    }
}

/// Fields of the pods' template that the stack renders otherwise. What a live object has besides may be a default of
/// the API server.
fn template_changes(read: &Json, body: &Json, is_live: bool) -> Vec<String> {
    let of_template =
        |object: &Json| serde_json::json!({ "spec": { "template": object["spec"]["template"] } });
    diff::diff(&of_template(read), &of_template(body))
        .into_iter()
        .filter(|change| change.to.is_some() || !is_live || change.path.ends_with(']'))
        .map(|change| change.path)
        .collect()
}
