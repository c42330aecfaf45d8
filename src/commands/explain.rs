//! `uninlu explain`

use std::path::Path;

use miette::{Diagnostic, Result};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::common::{StackFirst, exit};
use crate::document::{Body, Document, Place, body};
use crate::stack::{self, Stack, resolved};
use crate::ui::{BOLD, DIM, Ui, paint};

/// Says what a key of the stack file does, its default, and its value here and where that is written
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  uninlu explain rollout.max-surge
  uninlu explain uninlu.toml replicas --env prod")]
pub struct Args {
    #[command(flatten)]
    stack: StackFirst,
    /// Dotted path, such as `rollout.max-surge`; absent lists all
    key: Option<String>,
    /// Lists all as a page of Markdown
    #[arg(long, conflicts_with_all = ["stack", "key", "json"])]
    markdown: bool,
    /// Prints the keys as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("the stack file has no key `{key}`")]
#[diagnostic(help("{help}"))]
struct Unknown {
    key: String,
    help: String,
}

/// What it prints with `--json`.
pub(super) const DOCUMENTS: &[Body] = &[body::<Listed>, body::<One>];

/// Runs the command.
///
/// # Errors
/// A key that does not exist; a stack file that is there and cannot be read.
pub async fn run(args: Args, ui: Ui) -> Result<u8> {
    let schema = stack::json_schema();
    if args.markdown {
        ui.data(page(&keys(&schema)))?;
        return Ok(exit::OK);
    }
    let known = keys(&schema);
    // What is neither a key nor a file is a key with a typing error; `./replicas` is never a key.
    let is_key = |text: &str| {
        known.iter().any(|(path, _)| path == text) || !stack::file_at(Path::new(text)).exists()
    };
    let (file, key) = args.stack.and(args.key.clone(), |text| {
        is_key(text).then(|| text.to_owned())
    })?;
    let Some(key) = &key else {
        match args.json {
            true => ui.json(&Document::new("explain", Place::NONE, listed(&known)))?,
            false => ui.data(list(&known))?,
        }
        return Ok(exit::OK);
    };
    let Some((_, described)) = known.iter().find(|(path, _)| path == key) else {
        return Err(unknown(key, &known).into());
    };
    let below = known
        .iter()
        .filter(|(path, _)| parent_of(path) == Some(key));
    let file = stack::file_at(&file);
    let stack = match file.exists() {
        true => Some(stack::load(&file, args.stack.env.as_deref())?),
        false => None,
    };
    if args.json {
        let place = stack
            .as_ref()
            .map_or(Place::NONE, |stack| stack.target().into());
        let report = One {
            key: Key::of(key, described),
            keys: below
                .map(|(path, described)| Key::of(path, described))
                .collect(),
            file: stack.as_ref().map(|_| file.display().to_string()),
            here: stack.as_ref().and_then(|stack| written(stack, key)),
        };
        ui.json(&Document::new("explain", place, report))?;
        return Ok(exit::OK);
    }
    ui.data(format_args!(
        "{}\n    {}\n",
        paint(BOLD, key),
        words(described)
    ))?;
    for child in below {
        ui.data(format_args!("    {}  {}\n", child.0, first_line(&child.1)))?;
    }
    ui.data(format_args!("{}\n", here(key, stack.as_ref(), &file)))?;
    Ok(exit::OK)
}

/// What `explain --json` prints.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Listed {
    /// Every key, in the order of the file's sections.
    keys: Vec<Key>,
}

/// What `explain KEY --json` prints.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct One {
    #[serde(flatten)]
    key: Key,
    /// The keys of the section.
    keys: Vec<Key>,
    /// The stack file; null where there is none.
    file: Option<String>,
    /// What the stack file says; null where it does not write the key.
    here: Option<Written>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Key {
    /// Dotted path.
    key: String,
    description: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Written {
    /// As TOML.
    value: String,
    /// `uninlu.toml:3`
    place: String,
}

impl Key {
    fn of(path: &str, described: &Value) -> Self {
        Self {
            key: path.to_owned(),
            description: words(described).to_owned(),
        }
    }
}

fn listed(known: &[(String, Value)]) -> Listed {
    let keys = known
        .iter()
        .map(|(path, described)| Key::of(path, described));
    Listed {
        keys: keys.collect(),
    }
}

fn list(known: &[(String, Value)]) -> String {
    let line = |(path, described): &(String, Value)| {
        format!("{}  {}\n", paint(BOLD, path), first_line(described))
    };
    known.iter().map(line).collect()
}

fn written(stack: &Stack, key: &str) -> Option<Written> {
    let written = stack.written(key)?;
    Some(Written {
        value: written.value.to_string(),
        place: written.place.to_string(),
    })
}

/// A table for each section: `docs/stack-file.md`.
fn page(keys: &[(String, Value)]) -> String {
    let mut page = String::from(
        "# The stack file\n\
         Every key of `uninlu.toml`, as `uninlu explain --markdown` prints it; `uninlu explain KEY` also prints its value in your file.\n\
         Quantities and durations are Kubernetes' own (`\"2Gi\"`, `\"500m\"`, `\"90s\"`). An unknown key is an error.\n",
    );
    let is_section = |path: &str| keys.iter().any(|(other, _)| parent_of(other) == Some(path));
    let (sections, top): (Vec<_>, Vec<_>) = keys
        .iter()
        .filter(|(path, _)| parent_of(path).is_none())
        .partition(|(path, _)| is_section(path));
    page.push_str("\n| key | what it is |\n|---|---|\n");
    page.extend(top.into_iter().map(row));
    for (section, described) in sections {
        page.push_str(&format!(
            "\n## `[{section}]`\n{}\n\n| key | what it is |\n|---|---|\n",
            words(described)
        ));
        let inside = format!("{section}.");
        page.extend(
            keys.iter()
                .filter(|(path, _)| path.starts_with(&inside))
                .map(row),
        );
    }
    page
}

fn row((path, described): &(String, Value)) -> String {
    let described = words(described).replace('\n', " ").replace('|', "\\|");
    format!("| `{path}` | {described} |\n")
}

/// What this stack says about it; without a stack file there is nothing to say.
fn here(key: &str, stack: Option<&Stack>, file: &Path) -> String {
    let file = file.display();
    let Some(stack) = stack else {
        return paint(DIM, format_args!("    no stack file at {file}"));
    };
    match written(stack, key) {
        Some(written) => format!("    here: {} ({})", written.value, written.place),
        None => format!("    here: by default ({file} does not write it)"),
    }
}

fn unknown(key: &str, known: &[(String, Value)]) -> Unknown {
    let near = known
        .iter()
        .map(|(path, _)| path.as_str())
        .max_by(|one, other| {
            strsim::jaro_winkler(key, one).total_cmp(&strsim::jaro_winkler(key, other))
        });
    Unknown {
        key: key.to_owned(),
        help: format!(
            "did you mean `{}`? `uninlu explain` lists all",
            near.unwrap_or_default()
        ),
    }
}

/// Every key of the schema with its description, in the order of the file's sections.
fn keys(schema: &Value) -> Vec<(String, Value)> {
    let mut keys = Vec::new();
    walk(schema, schema, "", &mut keys);
    keys
}

fn walk(root: &Value, schema: &Value, path: &str, keys: &mut Vec<(String, Value)>) {
    let Some(properties) = resolved(root, schema)["properties"].as_object() else {
        return;
    };
    for (key, below) in properties {
        let path = if path.is_empty() {
            key.clone()
        } else {
            format!("{path}.{key}")
        };
        keys.push((path.clone(), described(root, below)));
        // An environment is the whole file again.
        if key != "env" {
            walk(root, below, &path, keys);
        }
    }
}

/// A reference's own description comes before that of what it refers to.
fn described(root: &Value, schema: &Value) -> Value {
    match &schema["description"] {
        Value::Null => resolved(root, schema)["description"].clone(),
        own => own.clone(),
    }
}

fn words(described: &Value) -> &str {
    described.as_str().unwrap_or("a section")
}

fn first_line(described: &Value) -> &str {
    words(described).lines().next().unwrap_or_default()
}

fn parent_of(path: &str) -> Option<&str> {
    path.rsplit_once('.').map(|(parent, _)| parent)
}
