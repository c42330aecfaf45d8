//! `uninlu validate`

use std::path::{Path, PathBuf};

use miette::{Report, Result};
use schemars::JsonSchema;
use serde::Serialize;

use super::common::exit;
use super::discovery::Found;
use super::fleet;
use crate::document::{Body, Detail, Document, Place, body};
use crate::stack::{self, Fault, Invalid, LoadError, Stack};
use crate::ui::{GREEN, Ui, paint};

/// Reports every error of stack files at once, offline: of the base, and with each of their environments
///
/// Exits with 1 when there is an error.
#[derive(Debug, clap::Args)]
#[command(visible_aliases = ["lint", "check"])]
#[command(after_help = "\
Examples:
  uninlu validate
  uninlu validate stacks --json")]
pub struct Args {
    /// Stack files, folders that hold `uninlu.toml`, or folders with stacks below them
    #[arg(default_value = "uninlu.toml", value_name = "STACK")]
    stacks: Vec<PathBuf>,
    /// Only this environment
    #[arg(long, short, env = "UNINLU_ENV", value_name = "NAME")]
    env: Option<String>,
    /// Prints the errors as JSON
    #[arg(long)]
    json: bool,
}

/// What `validate --json` prints.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Checked {
    /// Whether there is no error.
    valid: bool,
    errors: Vec<StackError>,
}

/// An error of a stack file.
#[derive(Debug, Serialize, JsonSchema)]
struct StackError {
    /// The environment without which the error is not there; null where it is there without one.
    environment: Option<String>,
    #[serde(flatten)]
    detail: Detail,
}

/// What it prints with `--json`.
pub(super) const DOCUMENTS: &[Body] = &[body::<Checked>];

/// Runs the command.
///
/// # Errors
/// stdout that cannot be written; errors of the files are the result, with exit code 1.
pub async fn run(args: Args, ui: Ui) -> Result<u8> {
    let check = |path: &PathBuf| match found(path) {
        Ok(found) => check(found, &args, ui),
        Err(error) => vec![note(path, error, &args, ui)],
    };
    let errors: Vec<StackError> = args.stacks.iter().flat_map(check).collect();
    let valid = errors.is_empty();
    if args.json {
        ui.json(&Document::new(
            "validate",
            Place::NONE,
            Checked { valid, errors },
        ))?;
    }
    Ok(if valid { exit::OK } else { exit::ERROR })
}

/// The errors of all files, each shown where it is found.
fn check(found: Found, args: &Args, ui: Ui) -> Vec<StackError> {
    let Found { files, unread } = found;
    let of_file = |file: &PathBuf| match load(file, args.env.as_deref()) {
        Ok(stacks) => {
            ui.say(format_args!("{} {}", paint(GREEN, "✓"), summary(&stacks)));
            Vec::new()
        }
        Err(LoadError::Invalid(invalid)) => {
            let errors = errors_of(&invalid);
            show(&(*invalid).into(), args, ui);
            errors
        }
        Err(error) => vec![note(file, error.into(), args, ui)],
    };
    let mut errors: Vec<StackError> = files.iter().flat_map(of_file).collect();
    errors.extend(unread.into_iter().map(|unread| {
        let folder = unread.folder.clone();
        note(&folder, unread.into(), args, ui)
    }));
    errors
}

/// For people; the document has it for programs.
fn show(error: &Report, args: &Args, ui: Ui) {
    if !args.json || ui.is_for_programs() {
        ui.error(error);
    }
}

/// The stacks of a folder; else what the path itself names.
fn found(path: &Path) -> Result<Found> {
    Ok(fleet::every_file(path)?.unwrap_or_else(|| Found {
        files: vec![path.to_owned()],
        unread: Vec::new(),
    }))
}

fn load(path: &Path, environment: Option<&str>) -> Result<Vec<Stack>, LoadError> {
    match environment {
        Some(_) => Ok(vec![stack::load(path, environment)?]),
        None => stack::load_every(path),
    }
}

/// `stacks/tutorial/uninlu.toml is valid (as it stands, staging)`
fn summary(stacks: &[Stack]) -> String {
    let environments: Vec<&str> = stacks
        .iter()
        .map(|stack| stack.environment.as_deref().unwrap_or("the base"))
        .collect();
    let file = stacks
        .first()
        .map(|stack| stack.source.file.display().to_string());
    format!(
        "{} is valid ({})",
        file.unwrap_or_default(),
        environments.join(", ")
    )
}

/// What has no line.
fn note(file: &Path, error: Report, args: &Args, ui: Ui) -> StackError {
    show(&error, args, ui);
    StackError {
        environment: None,
        detail: Detail {
            message: fleet::causes(&error),
            help: error.help().map(|help| help.to_string()),
            file: Some(file.display().to_string()),
            line: None,
            column: None,
        },
    }
}

fn errors_of(invalid: &Invalid) -> Vec<StackError> {
    let error = |fault: &Fault| {
        let (line, column) = invalid.position(fault);
        StackError {
            environment: fault.environment.clone(),
            detail: Detail {
                message: fault.message.clone(),
                help: Some(fault.help.clone()),
                file: Some(invalid.file.clone()),
                line: Some(line),
                column: Some(column),
            },
        }
    };
    invalid.faults.iter().map(error).collect()
}
