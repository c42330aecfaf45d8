//! `uninlu validate`

use std::path::PathBuf;

use miette::{Report, Result};
use serde_json::{Value, json};

use crate::cli::exit;
use crate::stack::{self, LoadError};
use crate::ui::{GREEN, Ui, paint};

/// Tells every fault of stack files at once, offline, for the file alone and with each of its environments
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Stack files, or folders that hold `uninlu.toml`
    #[arg(default_value = "uninlu.toml", value_name = "STACK")]
    stacks: Vec<PathBuf>,
    /// Only this environment
    #[arg(long, short, env = "UNINLU_ENV", value_name = "NAME")]
    env: Option<String>,
    /// Prints `[{ "file", "environment", "valid", "faults": [{ "message", "help", "offset", "length" }] }]`
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// None besides a file that cannot be read: faults are the result, with exit code 1.
pub async fn run(args: Args, ui: Ui) -> Result<u8> {
    let mut results = Vec::new();
    for path in &args.stacks {
        let (file, text) = stack::read(path)?;
        let environments = match &args.env {
            Some(name) => vec![Some(name.clone())],
            None => std::iter::once(None)
                .chain(stack::environments(&text).into_iter().map(Some))
                .collect(),
        };
        for environment in environments {
            let result = stack::load(&file, environment.as_deref());
            results.push((file.clone(), environment, result.err()));
        }
    }
    if args.json {
        let values: Vec<Value> = results
            .iter()
            .map(|(file, environment, error)| as_json(file, environment, error.as_ref()))
            .collect();
        ui.data(format_args!("{:#}\n", json!(values)));
    }
    let is_valid = results.iter().all(|(_, _, error)| error.is_none());
    for (file, environment, error) in results {
        let name = environment.map_or(String::new(), |name| format!(" with environment {name}"));
        match error {
            None => ui.say(format_args!(
                "{} {}{name}",
                paint(GREEN, "valid:"),
                file.display()
            )),
            Some(error) if !args.json => ui.warn(format_args!(
                "{}{name}:\n{:?}",
                file.display(),
                Report::new(error)
            )),
            Some(_) => (),
        }
    }
    Ok(if is_valid { exit::OK } else { exit::ERROR })
}

fn as_json(
    file: &std::path::Path,
    environment: &Option<String>,
    error: Option<&LoadError>,
) -> Value {
    let faults = match error {
        None => Vec::new(),
        Some(LoadError::Invalid(invalid)) => invalid
            .faults
            .iter()
            .map(|fault| {
                json!({
                    "message": fault.message,
                    "help": fault.help,
                    "offset": fault.span.offset(),
                    "length": fault.span.len(),
                })
            })
            .collect(),
        Some(other) => vec![json!({ "message": other.to_string() })],
    };
    json!({ "file": file, "environment": environment, "valid": error.is_none(), "faults": faults })
}
