//! `uninlu diff`

use std::path::PathBuf;

use miette::{Diagnostic, Result};

use super::common::{exit, stack_file};
use super::history::{Difference, difference};
use super::render::facts;
use crate::document::{Body, Document, Place, body};
use crate::kinds::{self, Desired};
use crate::stack;
use crate::ui::Ui;

/// Shows in what the objects of two environments differ; asks no cluster
#[derive(Debug, clap::Args)]
#[command(override_usage = "uninlu diff [OPTIONS] [STACK] <FROM> <TO>")]
#[command(after_help = "\
Examples:
  uninlu diff staging prod
  uninlu diff uninlu.toml - prod --json")]
pub struct Args {
    /// Stack file [default: uninlu.toml], and two environments, `-` for the file without one
    #[arg(num_args = 2..=3, required = true, value_names = ["STACK", "FROM", "TO"])]
    arguments: Vec<String>,
    /// The earlier form
    #[arg(long = "stack", hide = true, value_name = "STACK")]
    option: Option<PathBuf>,
    /// Prints JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("two environments are compared")]
#[diagnostic(help("name both: `uninlu diff staging prod`; `-` is the file without one"))]
struct NotTwo;

/// What it prints with `--json`.
pub(super) const DOCUMENTS: &[Body] = &[body::<Difference>];

/// Runs the command.
///
/// # Errors
/// Whatever keeps the stack from being read.
pub async fn run(args: Args, ui: Ui) -> Result<u8> {
    let [file @ .., from, to] = args.arguments.as_slice() else {
        return Err(NotTwo.into());
    };
    let file = file.first().map(PathBuf::from);
    let source = stack::source(&stack_file(file.as_ref(), args.option.as_ref())?)?;
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
    let difference = difference(&objects(from)?, &objects(to)?);
    match args.json {
        true => ui.json(&Document::new("diff", Place::NONE, difference))?,
        false => ui.data(difference.text())?,
    }
    Ok(exit::OK)
}
