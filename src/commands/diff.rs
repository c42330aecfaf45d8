//! `uninlu diff`

use miette::Result;

use super::history::{difference, tell_difference};
use super::render::facts;
use crate::cli::exit;
use crate::kinds::{self, Desired};
use crate::stack;
use crate::ui::Ui;

/// Tells in what the objects of two environments differ; asks no cluster
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Environment, or `-` for the file as it stands
    from: String,
    /// The other one
    to: String,
    /// Stack file, or a folder that holds `uninlu.toml`
    #[arg(long, default_value = "uninlu.toml", value_name = "STACK")]
    stack: std::path::PathBuf,
    /// Prints JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// Whatever keeps the stack from being read.
pub async fn run(args: Args, ui: Ui) -> Result<u8> {
    let source = stack::source(&args.stack)?;
    let objects = |environment: &str| -> Result<Desired> {
        let environment = (environment != "-").then_some(environment);
        let stack = stack::stack_of(&source, environment)?;
        let objects = kinds::desired(&stack, &facts(&stack)?);
        // An object is told by what it is, not by where: another namespace would make all of them others.
        let nowhere = objects.into_iter().map(|(mut id, body)| {
            id.namespace = None;
            (id, body)
        });
        Ok(nowhere.collect())
    };
    let objects = difference(&objects(&args.from)?, &objects(&args.to)?);
    tell_difference(&objects, args.json, ui)?;
    Ok(exit::OK)
}
