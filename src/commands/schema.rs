//! `uninlu schema`

use clap::builder::PossibleValuesParser;
use miette::Result;
use serde_json::Value;

use super::common::exit;
use super::{
    adopt, build, destroy, drift, explain, fleet, history, init, rehearse, status, validate,
};
use crate::document::{self, Body, body};
use crate::gate::report as gate;
use crate::plan::render::Planned;
use crate::ui::Ui;
use crate::{import, simulate, stack, verify};

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
    #[arg(value_parser = PossibleValuesParser::new(DOCUMENTS.map(|(command, _)| command)))]
    command: Option<String>,
}

/// Every command that prints JSON, and its documents.
const DOCUMENTS: [(&str, &[Body]); 18] = [
    ("init", &[body::<init::Report>]),
    ("import", &[body::<import::Report>]),
    ("validate", &[body::<validate::Checked>]),
    ("build", &[body::<build::Outcome>]),
    ("rehearse", &[body::<rehearse::Report>]),
    ("plan", &[body::<Planned>, body::<fleet::Report>]),
    ("diff", &[body::<history::Difference>]),
    ("explain", &[body::<explain::Listed>, body::<explain::One>]),
    ("gate", &[body::<gate::Report>, body::<gate::Reports>]),
    ("apply", &[body::<Planned>, body::<fleet::Report>]),
    ("adopt", &[body::<adopt::Report>]),
    ("status", &[body::<status::Report>]),
    ("verify", &[body::<verify::render::Report>]),
    ("drift", &[body::<drift::Report>]),
    (
        "history",
        &[
            body::<history::All>,
            body::<history::One>,
            body::<history::Difference>,
        ],
    ),
    ("rollback", &[body::<Planned>]),
    ("destroy", &[body::<destroy::Report>]),
    ("simulate", &[body::<simulate::Report>]),
];

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
    let known = DOCUMENTS.into_iter().find(|(known, _)| *known == command);
    document::schema(command, known.map_or(&[], |(_, bodies)| bodies))
}
