//! `uninlu destroy`

use miette::{Diagnostic, Result};

use crate::cli::{StackArgs, exit};
use crate::cluster;
use crate::stack;
use crate::ui::{RED, Ui, paint};

/// Deletes the stack's objects in reverse order and proves that nothing is left
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    stack: StackArgs,
    /// Does not ask; needed where nobody can be asked
    #[arg(long, short)]
    yes: bool,
}

#[derive(Debug, thiserror::Error, Diagnostic)]
enum Stop {
    #[error("nobody can be asked here")]
    #[diagnostic(help("look at the list above, then run again with --yes"))]
    CannotAsk,
    #[error("not confirmed; nothing was deleted")]
    NotConfirmed,
}

/// Runs the command.
///
/// # Errors
/// Whatever keeps the objects from going; destroying again goes on where it ended.
pub async fn run(args: Args, ui: Ui) -> Result<u8> {
    let stack = stack::load(&args.stack.stack, args.stack.env.as_deref())?;
    let connection = cluster::connect(&stack).await?;
    let destruction = cluster::destruction(&connection, stack.cluster.create_namespace).await?;
    if destruction.objects.is_empty() {
        ui.data(format_args!(
            "nothing to destroy: {} has no objects in namespace {}\n",
            stack.name, stack.namespace
        ));
        return Ok(exit::OK);
    }
    for (id, _) in &destruction.objects {
        ui.data(format_args!("{} {id}\n", paint(RED, "-")));
    }
    if !args.yes {
        confirm(&stack.name, ui)?;
    }
    let step = ui.step(format!("destroying {}", stack.name));
    match cluster::destroy(&connection, &destruction, &step).await {
        Ok(()) => step.done(format_args!(
            "{} objects are gone, and nothing is left",
            destruction.objects.len()
        )),
        Err(error) => {
            step.failed("not everything is gone");
            return Err(error.into());
        }
    }
    Ok(exit::OK)
}

fn confirm(name: &str, ui: Ui) -> Result<(), Stop> {
    if !ui.can_ask() {
        return Err(Stop::CannotAsk);
    }
    let question = format!("This cannot be undone. Type the stack's name ({name}) to destroy it:");
    if ui.confirm(&question, name) {
        Ok(())
    } else {
        Err(Stop::NotConfirmed)
    }
}
