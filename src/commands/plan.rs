//! `uninlu plan`

use miette::Result;

use super::planning::{plan_stack, tell_findings};
use crate::cli::{StackArgs, exit};
use crate::plan::render;
use crate::stack;
use crate::ui::Ui;

/// Shows exactly what an apply would change on the live cluster; writes nothing
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    stack: StackArgs,
    /// Prints the plan as JSON
    #[arg(long)]
    json: bool,
    /// Exits with 2 when there are changes
    #[arg(long)]
    detailed_exitcode: bool,
}

/// Runs the command.
///
/// # Errors
/// Whatever keeps a plan from being made; nothing is written in any case.
pub async fn run(args: Args, ui: Ui) -> Result<u8> {
    let stack = stack::load(&args.stack.stack, args.stack.env.as_deref())?;
    let planned = plan_stack(&stack, ui).await?;
    if args.json {
        ui.data(format_args!("{:#}\n", render::json(&planned.plan)));
    } else {
        ui.data(render::text(&planned.plan));
    }
    tell_findings(&stack, ui);
    let has_changes = args.detailed_exitcode && !planned.plan.is_empty();
    Ok(if has_changes { exit::CHANGES } else { exit::OK })
}
