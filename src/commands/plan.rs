//! `uninlu plan`

use std::path::PathBuf;

use miette::Result;

use super::common::{StackArgs, exit};
use super::effect::{of_one_stack, refuse};
use super::planning::{Look, plan_stack};
use super::{findings, fleet, saved};
use crate::document::{Body, body};
use crate::plan::render::{Detail, Planned};
use crate::stack;
use crate::ui::Ui;

/// Shows exactly what an apply would change on the live cluster; writes nothing
///
/// STACK may also be a folder with stacks below it, at any depth: then each is shown in a line.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  uninlu plan --env staging
  uninlu plan uninlu.toml --out plan.json")]
pub struct Args {
    #[command(flatten)]
    stack: StackArgs,
    /// Prints the plan as JSON
    #[arg(long, conflicts_with = "markdown")]
    json: bool,
    /// Prints the plan as Markdown, for a pull request
    #[arg(long)]
    markdown: bool,
    /// Shows each field of the objects that are created
    #[arg(long, conflicts_with_all = ["json", "markdown"])]
    full: bool,
    /// Saves the plan, for `uninlu apply FILE` to carry out exactly this or nothing
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Exits with 2 when there are changes
    #[arg(long)]
    detailed_exitcode: bool,
    /// With a folder of stacks: the base of each, and with each of its environments
    #[arg(long, conflicts_with = "env")]
    every_environment: bool,
}

/// What it prints with `--json`.
pub(super) const DOCUMENTS: &[Body] = &[body::<Planned>, body::<fleet::Report>];

/// Runs the command.
///
/// # Errors
/// Whatever keeps a plan from being made; nothing is written to the cluster in any case.
pub async fn run(args: Args, ui: Ui) -> Result<u8> {
    if let Some(found) = fleet::files(&args.stack.stack)? {
        let flags = [
            ("--markdown", args.markdown),
            ("--full", args.full),
            ("--out", args.out.is_some()),
        ];
        refuse(&flags, "on a folder of stacks: name one of them")?;
        let wanted = fleet::Wanted {
            environment: args.stack.env.as_deref(),
            every_environment: args.every_environment,
            as_json: args.json,
            given: &args.stack.given(),
        };
        return fleet::plan(found, wanted, args.detailed_exitcode, ui).await;
    }
    of_one_stack(args.every_environment)?;
    let stack = stack::load(&args.stack.stack, args.stack.env.as_deref())?;
    let (delivery, inputs) = plan_stack(&stack, Look::AtChanges, ui).await?;
    if args.json {
        ui.json(&delivery.document("plan"))?;
    } else if args.markdown {
        ui.data(delivery.markdown())?;
    } else {
        let detail = if args.full {
            Detail::Full
        } else {
            Detail::Brief
        };
        ui.data(delivery.text(detail))?;
    }
    let plan = delivery.plan;
    findings::tell(&stack, &plan, inputs.as_ref(), ui);
    if let Some(file) = &args.out {
        saved::write(file, &plan)?;
        ui.say(format_args!(
            "saved: `uninlu apply {}` carries out exactly this plan",
            file.display()
        ));
    } else if !plan.is_empty() && !args.json && !args.markdown {
        ui.say("to apply exactly this plan: `uninlu plan --out plan.json`, then `uninlu apply plan.json`");
    }
    let has_changes = args.detailed_exitcode && !plan.is_empty();
    Ok(if has_changes { exit::CHANGES } else { exit::OK })
}
