//! `uninlu explain`

use miette::{Diagnostic, Result};
use serde_json::Value;

use crate::cli::{StackOption, exit};
use crate::stack;
use crate::ui::{BOLD, DIM, Ui, paint};

/// Says what a key of the stack file does, its default, and its value here and where that is written
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Dotted path, such as `rollout.max-surge`; absent lists all
    key: Option<String>,
    /// Lists all as a page of Markdown
    #[arg(long, conflicts_with = "key")]
    markdown: bool,
    #[command(flatten)]
    stack: StackOption,
}

#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("the stack file has no key `{key}`")]
#[diagnostic(help("{help}"))]
struct Unknown {
    key: String,
    help: String,
}

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
    let Some(key) = &args.key else {
        for (path, described) in keys(&schema) {
            ui.data(format_args!(
                "{}  {}\n",
                paint(BOLD, path),
                first_line(&described)
            ))?;
        }
        return Ok(exit::OK);
    };
    let known = keys(&schema);
    let Some((_, described)) = known.iter().find(|(path, _)| path == key) else {
        return Err(unknown(key, &known).into());
    };
    ui.data(format_args!(
        "{}\n    {}\n",
        paint(BOLD, key),
        words(described)
    ))?;
    for child in known
        .iter()
        .filter(|(path, _)| parent_of(path) == Some(key))
    {
        ui.data(format_args!("    {}  {}\n", child.0, first_line(&child.1)))?;
    }
    ui.data(format_args!("{}\n", here(key, &args.stack)?))?;
    Ok(exit::OK)
}

/// A table for each section: `docs/stack-file.md`.
fn page(keys: &[(String, Value)]) -> String {
    let mut page = String::from(
        "# The stack file\n\
         Every key of `uninlu.toml`, as `uninlu explain --markdown` prints it; `uninlu explain KEY` tells its value in your file too.\n\
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
fn here(key: &str, option: &StackOption) -> Result<String> {
    let file = stack::file_at(&option.stack);
    if !file.exists() {
        return Ok(paint(
            DIM,
            format_args!("    no stack file at {}", file.display()),
        ));
    }
    let stack = stack::load(&file, option.env.as_deref())?;
    Ok(match stack.written(key) {
        Some(written) => format!("    here: {} ({})", written.value, written.place),
        None => format!(
            "    here: by default ({} does not write it)",
            file.display()
        ),
    })
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
    let Some(properties) = resolve(root, schema)["properties"].as_object() else {
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
        Value::Null => resolve(root, schema)["description"].clone(),
        own => own.clone(),
    }
}

fn resolve<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    schema["$ref"]
        .as_str()
        .and_then(|reference| root.pointer(reference.strip_prefix('#')?))
        .unwrap_or(schema)
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
