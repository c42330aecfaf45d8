//! `uninlu validate`

use std::path::{Path, PathBuf};

use miette::{Report, Result};
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
/// stdout that cannot be written; faults are the result, with exit code 1.
pub async fn run(args: Args, ui: Ui) -> Result<u8> {
    let environment = args.env.as_deref();
    let faults: Vec<Value> = args
        .stacks
        .iter()
        .flat_map(|path| match found(path) {
            Ok(found) => check(found, environment, ui),
            Err(error) => vec![note(path, error, ui)],
        })
        .collect();
    if args.json {
        ui.json(&json!(faults))?;
    }
    Ok(if faults.is_empty() {
        exit::OK
    } else {
        exit::ERROR
    })
}

/// The faults of all files, each told where it is found.
fn check(found: Found, environment: Option<&str>, ui: Ui) -> Vec<Value> {
    let Found { files, unread } = found;
    let of_file = |file: &PathBuf| match load(file, environment) {
        Ok(stacks) => {
            ui.say(format_args!("{} {}", paint(GREEN, "✓"), summary(&stacks)));
            Vec::new()
        }
        Err(LoadError::Invalid(invalid)) => {
            let faults = faults_as_json(&invalid);
            ui.error(&(*invalid).into());
            faults
        }
        Err(error) => vec![note(file, error.into(), ui)],
    };
    let mut faults: Vec<Value> = files.iter().flat_map(of_file).collect();
    faults.extend(unread.into_iter().map(|unread| {
        let folder = unread.folder.clone();
        note(&folder, unread.into(), ui)
    }));
    faults
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
    let file = stacks
        .first()
        .map(|stack| stack.source.file.display().to_string());
    format!(
        "{} is valid ({})",
        file.unwrap_or_default(),
        environments.join(", ")
    )
}

/// Tells what has no line.
fn note(file: &Path, error: Report, ui: Ui) -> Value {
    ui.error(&error);
    json!({
        "file": file,
        "line": null,
        "column": null,
        "environment": null,
        "message": fleet::causes(&error),
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
