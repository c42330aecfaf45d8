//! `uninlu apply`

use std::collections::BTreeSet;
use std::time::Duration;

use miette::{Diagnostic, Result};

use super::planning::{Planned, derive, plan_stack, tell_findings};
use crate::cli::{StackArgs, exit};
use crate::cluster;
use crate::image;
use crate::kinds::{self, Kind};
use crate::plan::{Plan, PlannedImage, moved, render};
use crate::stack::{self, Stack, Timeout};
use crate::ui::Ui;

/// Builds the image if it must, shows the plan, asks, applies it, and waits until the pods run
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    stack: StackArgs,
    /// Does not ask; needed where nobody can be asked
    #[arg(long, short)]
    yes: bool,
    /// Takes a field that another manager owns, as the plan names it (`Deployment/NAME:.spec.…`); can be repeated
    #[arg(long, value_name = "OBJECT:FIELD")]
    take: Vec<String>,
    /// Does not wait for the rollout
    #[arg(long)]
    no_wait: bool,
    /// Prints the applied plan as JSON
    #[arg(long)]
    json: bool,
}

/// Why an apply stops before it writes.
#[derive(Debug, thiserror::Error, Diagnostic)]
enum Stop {
    #[error("nobody can be asked here")]
    #[diagnostic(help("look at the plan above, then run again with --yes"))]
    CannotAsk,
    #[error("not confirmed; nothing was changed")]
    NotConfirmed,
    #[error("other managers own fields that this stack sets: {0}")]
    #[diagnostic(help(
        "nothing was changed. Take them with --take (the plan shows how to write it), or leave them to their owner"
    ))]
    Conflicts(String),
    #[error("the cluster moved since the plan was shown: {0}")]
    #[diagnostic(help("nothing was changed. Look at a new plan and apply again"))]
    Moved(String),
    #[error("--take {0}: the plan has no such conflict")]
    #[diagnostic(help("nothing was changed. The plan shows each conflict with its --take"))]
    UnknownTake(String),
}

/// Runs the command.
///
/// # Errors
/// Whatever keeps the plan from being made or carried out; what was written before stays, and applying again
/// completes it.
pub async fn run(args: Args, ui: Ui) -> Result<u8> {
    let stack = stack::load(&args.stack.stack, args.stack.env.as_deref())?;
    let planned = plan_stack(&stack, ui).await?;
    show(&args, &planned.plan, ui);
    tell_findings(&stack, ui);
    if !planned.plan.is_empty() || planned.plan.image.to_be_built.is_some() {
        refuse_conflicts(&planned.plan, &args.take)?;
        confirm(&args, ui)?;
        let plan = settle(&stack, &planned, ui).await?;
        let step = ui.step("applying");
        cluster::apply(&planned.connection, &plan, ui).await?;
        step.done(render::summary(&plan));
    }
    if !args.no_wait {
        wait(&stack, &planned, ui).await?;
    }
    Ok(exit::OK)
}

fn show(args: &Args, plan: &Plan, ui: Ui) {
    if args.json {
        ui.data(format_args!("{:#}\n", render::json(plan)));
    } else {
        ui.data(render::text(plan));
    }
}

/// Each field that somebody else owns must have been asked for by name.
fn refuse_conflicts(plan: &Plan, take: &[String]) -> Result<(), Stop> {
    let notations: BTreeSet<String> = plan
        .changes
        .iter()
        .flat_map(|change| {
            change
                .conflicts
                .iter()
                .map(|conflict| render::take_notation(change, &conflict.field))
        })
        .collect();
    if let Some(unknown) = take.iter().find(|field| !notations.contains(*field)) {
        return Err(Stop::UnknownTake(unknown.clone()));
    }
    let left: Vec<&str> = notations
        .iter()
        .map(String::as_str)
        .filter(|field| !take.iter().any(|taken| taken == field))
        .collect();
    if left.is_empty() {
        Ok(())
    } else {
        Err(Stop::Conflicts(left.join(", ")))
    }
}

fn confirm(args: &Args, ui: Ui) -> Result<(), Stop> {
    if args.yes {
        return Ok(());
    }
    if !ui.can_ask() {
        return Err(Stop::CannotAsk);
    }
    if ui.confirm("Apply this plan? Only `yes` does:", "yes") {
        Ok(())
    } else {
        Err(Stop::NotConfirmed)
    }
}

/// Builds and pins the image, then looks at the cluster once more: what is sent is what was shown, or nothing is.
async fn settle(stack: &Stack, planned: &Planned, ui: Ui) -> Result<Plan> {
    let image = match (&planned.plan.image.to_be_built, &planned.inputs) {
        (Some(_), Some(inputs)) => {
            let reference = image::build_and_push(stack, inputs, ui).await?;
            PlannedImage {
                reference,
                to_be_built: None,
            }
        }
        _ => planned.plan.image.clone(),
    };
    let plan = derive(stack, &planned.connection, image).await?;
    let moved = moved(&planned.plan, &plan);
    if moved.is_empty() {
        Ok(plan)
    } else {
        Err(Stop::Moved(moved.join(", ")).into())
    }
}

async fn wait(stack: &Stack, planned: &Planned, ui: Ui) -> Result<()> {
    let budget = match stack.rollout.timeout {
        Timeout::Auto => kinds::wait_budget(stack),
        Timeout::After(duration) => duration.seconds,
    };
    let step = ui.step(format!(
        "rollout of {} {}",
        Kind::Deployment.name(),
        stack.name
    ));
    match cluster::watch_rollout(
        &planned.connection,
        Duration::from_secs(budget.into()),
        &step,
    )
    .await
    {
        Ok(()) => {
            step.done("ready");
            Ok(())
        }
        Err(error) => {
            step.failed("failed");
            Err(error.into())
        }
    }
}
