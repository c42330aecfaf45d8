//! `uninlu schema`

use clap::builder::PossibleValuesParser;
use miette::Result;
use serde_json::Value;

use super::common::exit;
use crate::document::{self, Body};
use crate::stack;
use crate::ui::Ui;

/// Prints the JSON schema of the stack file, or of what a command prints with --json
///
/// Editors that know TOML take it from a comment on the file's first line: `#:schema ./uninlu.schema.json`
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  uninlu schema >uninlu.schema.json
  uninlu schema plan")]
pub struct Args {
    /// Command whose output is described; absent means the stack file
    #[arg(value_parser = PossibleValuesParser::new(printing()))]
    command: Option<String>,
}

macro_rules! documents {
    ($cli:ident => $($name:ident: $module:ident $(($printed:ident))?,)+) => {
        /// Every command, and the documents that it prints with `--json`.
        const COMMANDS: &[(&str, &[Body])] =
            &[$((stringify!($module), super::$module::DOCUMENTS)),+];
    };
}

every_command!(documents);

/// The commands that print JSON.
fn printing() -> impl Iterator<Item = &'static str> {
    let printing = COMMANDS
        .iter()
        .filter(|(_, documents)| !documents.is_empty());
    printing.map(|(command, _)| *command)
}

/// It has no `--json`.
pub(super) const DOCUMENTS: &[Body] = &[];

/// Runs the command.
///
/// # Errors
/// [`Unwritable`](crate::ui::Unwritable)
pub async fn run(args: Args, ui: Ui) -> Result<u8> {
    ui.json(
        &args
            .command
            .as_deref()
            .map_or_else(stack::json_schema, of_command),
    )?;
    Ok(exit::OK)
}

fn of_command(command: &str) -> Value {
    let known = COMMANDS.iter().find(|(known, _)| *known == command);
    document::schema(command, known.map_or(&[], |(_, bodies)| bodies))
}
