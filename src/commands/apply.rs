//! `uninlu apply`

use std::path::Path;
use std::sync::Arc;

use miette::{Diagnostic, Result};

use super::common::{StackArgs, exit};
use super::delivery::{DeliveryArgs, deliver, refuse_moved};
use super::effect::{NoEffect, of_one_stack, refuse};
use super::planning::{Delivery, Look, build, plan_goal, plan_stack};
use super::saved::{self, Given};
use super::verify::{self, KeyArgs};
use super::{ending, findings, fleet};
use crate::cluster::{self, Trust};
use crate::document::{Body, body};
use crate::interruption::GoingOn;
use crate::plan::Plan;
use crate::plan::render::Planned;
use crate::stack::{self, Source};
use crate::ui::Ui;

/// Builds the image if it must, shows the plan, asks, applies it, and waits until the pods run
///
/// STACK may also be a plan that `plan --out` saved: then exactly that is applied, and only while the cluster is as the
/// plan saw it. Or a folder with stacks below it, at any depth: then all of them are planned before any is applied.
#[derive(Debug, clap::Args)]
#[command(visible_aliases = ["deploy", "up"])]
#[command(after_help = "\
Examples:
  uninlu apply --env staging
  uninlu apply plan.json --yes")]
pub struct Args {
    #[command(flatten)]
    stack: StackArgs,
    #[command(flatten)]
    delivery: DeliveryArgs,
    /// With a folder of stacks: the base of each, and with each of its environments
    #[arg(long, conflicts_with = "env")]
    every_environment: bool,
    /// After the rollout, proves on the running pods what the stack promises, as `uninlu verify` does
    #[arg(long, conflicts_with_all = ["no_wait", "json"])]
    verify: bool,
    #[command(flatten)]
    key: KeyArgs,
}

/// A plan's bodies say what is applied, not what was promised: that stands in the stack file.
#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("--verify needs one stack file, and {0} is not one")]
#[diagnostic(help("nothing was changed. Apply without it, then run `uninlu verify STACK`"))]
struct NoStack(String);

/// What it prints with `--json`.
pub(super) const DOCUMENTS: &[Body] = &[body::<Planned>, body::<fleet::Report>];

/// Runs the command.
///
/// # Errors
/// Whatever keeps the plan from being made or carried out; what was written before stays, and applying again
/// completes it.
pub async fn run(args: Args, ui: Ui) -> Result<u8> {
    let file = &args.stack.stack;
    let refused = || NoStack(file.display().to_string());
    if let Some(found) = fleet::files(file)? {
        if args.verify {
            return Err(refused().into());
        }
        args.refuse_key()?;
        let wanted = fleet::Wanted {
            environment: args.stack.env.as_deref(),
            every_environment: args.every_environment,
            as_json: args.delivery.json,
            given: &args.stack.given(),
        };
        fleet::apply(found, wanted, &args.delivery, ui).await?;
        return Ok(exit::OK);
    }
    of_one_stack(args.every_environment)?;
    args.refuse_key()?;
    match saved::read(file)? {
        Given::Plan(_) if args.verify => return Err(refused().into()),
        Given::Plan(plan) => {
            let flags = [("--env", args.stack.is_environment_typed())];
            refuse(&flags, "on a saved plan, which has its environment")?;
            apply_saved(*plan, file, &args.delivery, ui).await?;
        }
        Given::Stack(source) => apply_stack(&source, &args, ui).await?,
    }
    Ok(exit::OK)
}

impl Args {
    /// Without `--verify` no pod is asked.
    fn refuse_key(&self) -> Result<(), NoEffect> {
        let flags = [("--api-key-file", self.key.is_typed() && !self.verify)];
        refuse(&flags, "without --verify")
    }
}

async fn apply_stack(source: &Arc<Source>, args: &Args, ui: Ui) -> Result<()> {
    let stack = stack::stack_of(source, args.stack.env.as_deref())?;
    let key = args.key.read()?;
    let (mut delivery, inputs) = plan_stack(&stack, Look::AtChanges, ui).await?;
    delivery.given = args.stack.given();
    findings::tell(&stack, &delivery.plan, inputs.as_ref(), ui);
    let ending = ending::lines(&delivery.plan.goal, &args.stack, args.verify);
    let build = async || build(&stack, inputs.as_ref(), ui).await;
    deliver("apply", delivery, &args.delivery, build, ui).await?;
    if args.verify {
        let _going =
            GoingOn::new("the release is applied, and its pods run; `uninlu verify` checks it");
        verify::after_rollout(&stack, key.as_deref(), ui).await?;
    }
    for line in ending {
        ui.say(format_args!("{line}"));
    }
    Ok(())
}

/// The cluster is looked at once more under the lock: a plan whose ground moved is refused there. One that has nothing to
/// do takes no lock, and what became of its objects is seen here.
async fn apply_saved(plan: Plan, file: &Path, args: &DeliveryArgs, ui: Ui) -> Result<()> {
    let connection = cluster::connect(&plan.goal.target, &Trust::beside(file)).await?;
    let (now, nearby) = plan_goal(&connection, plan.goal.clone()).await?;
    if plan.is_empty() {
        refuse_moved(&plan, &now)?;
    }
    let delivery = Delivery::new(connection, (plan, nearby), Look::AtChanges).await;
    deliver("apply", delivery, args, async || Ok(None), ui).await
}
