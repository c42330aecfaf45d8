//! `uninlu schema`

use miette::Result;

use crate::cli::exit;
use crate::stack;
use crate::ui::Ui;

/// Prints the JSON schema of the stack file, for editors and other programs
///
/// Editors that know TOML take it from a comment on the file's first line: `#:schema ./uninlu.schema.json`
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command.
///
/// # Errors
/// None.
pub async fn run(_: Args, ui: Ui) -> Result<u8> {
    ui.json(&stack::json_schema())?;
    Ok(exit::OK)
}
