//! `uninlu validate`

use std::io;
use std::path::{Path, PathBuf};

use miette::{Diagnostic, Report, Result};
use serde_json::{Value, json};

use super::discovery::Found;
use super::fleet;
use crate::cli::exit;
use crate::stack::{self, Invalid, LoadError, Stack};
use crate::ui::{GREEN, Ui, paint};

/// Tells every fault of stack files at once, offline: as they stand, and with each of their environments
///
/// Exits with 1 when there is a fault.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Stack files, folders that hold `uninlu.toml`, or folders with stacks below them
    #[arg(default_value = "uninlu.toml", value_name = "STACK")]
    stacks: Vec<PathBuf>,
    /// Only this environment
    #[arg(long, short, env = "UNINLU_ENV", value_name = "NAME")]
    env: Option<String>,
    /// Prints the faults on stdout: `[{ "file", "line", "column", "environment", "message", "help" }]`
    ///
    /// `line` and `column` count from 1, and are null when the file cannot be read; `environment` is null unless only
    /// that environment brings the fault.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// A folder without stacks. Faults are the result, with exit code 1.
pub async fn run(args: Args, ui: Ui) -> Result<u8> {
    let mut faults = Vec::new();
    let mut is_valid = true;
    for path in &args.stacks {
        let Found { files, unread } = found(path)?;
        for file in &files {
            match load(file, args.env.as_deref()) {
                Ok(stacks) => ui.say(format_args!("{} {}", paint(GREEN, "✓"), summary(&stacks))),
                Err(error) => {
                    is_valid = false;
                    faults.extend(as_json(&error));
                    ui.error(&Report::new(error));
                }
            }
        }
        for unread in unread {
            is_valid = false;
            faults.push(unread_as_json(&unread.folder, &unread, &unread.source));
            ui.error(&Report::new(unread));
        }
    }
    if args.json {
        ui.json(&json!(faults))?;
    }
    Ok(if is_valid { exit::OK } else { exit::ERROR })
}

/// The stacks of a folder; else what the path itself names.
fn found(path: &Path) -> Result<Found> {
    Ok(fleet::files(path)?.unwrap_or_else(|| Found {
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
        .map(|stack| stack.environment.as_deref().unwrap_or("as it stands"))
        .collect();
    let file = stacks.first().map(|stack| stack.source.file.display().to_string());
    format!(
        "{} is valid ({})",
        file.unwrap_or_default(),
        environments.join(", ")
    )
}

fn as_json(error: &LoadError) -> Vec<Value> {
    match error {
        LoadError::Invalid(invalid) => faults_as_json(invalid),
        LoadError::Unreadable { file, source } => vec![unread_as_json(file, error, source)],
    }
}

fn unread_as_json(file: &Path, error: &dyn Diagnostic, source: &io::Error) -> Value {
    json!({
        "file": file,
        "line": null,
        "column": null,
        "environment": null,
        "message": format!("{error}: {source}"),
        "help": error.help().map(|help| help.to_string()),
    })
}

fn faults_as_json(invalid: &Invalid) -> Vec<Value> {
    let value = |fault| {
        let (line, column) = invalid.position(fault);
        json!({
            "file": invalid.file,
            "line": line,
            "column": column,
            "environment": fault.environment,
            "message": fault.message,
            "help": fault.help,
        })
    };
    invalid.faults.iter().map(value).collect()
}
