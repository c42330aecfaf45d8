//! `uninlu destroy`

use std::time::Duration;

use miette::Result;
use schemars::JsonSchema;
use serde::Serialize;

use super::common::{StackArgs, exit};
use super::consent::{NoConsent, Question};
use super::interrupted;
use crate::cluster::{self, Connection, Lock, Trust};
use crate::document::{Body, Document, body};
use crate::interruption::GoingOn;
use crate::kinds::Going;
use crate::plan::Write;
use crate::plan::destruction::Destruction;
use crate::stack;
use crate::ui::{RED, Step, Ui, paint};
use crate::who;

/// Deletes the stack's objects in reverse order and proves that nothing is left
#[derive(Debug, clap::Args)]
#[command(visible_aliases = ["down", "delete"])]
#[command(after_help = "\
Examples:
  uninlu destroy --env staging
  uninlu destroy uninlu.toml --yes --json")]
pub struct Args {
    #[command(flatten)]
    stack: StackArgs,
    /// Does not ask; needed without a terminal
    #[arg(long, short)]
    yes: bool,
    /// How many seconds the objects may take to go
    #[arg(long, value_name = "SECONDS", default_value_t = 180)]
    timeout: u64,
    /// Prints what is deleted and what stays as JSON
    #[arg(long)]
    json: bool,
}

/// What it prints with `--json`.
pub(super) const DOCUMENTS: &[Body] = &[body::<Report>];

/// Runs the command.
///
/// # Errors
/// Whatever keeps the objects from going; destroying again goes on where it ended.
pub async fn run(args: Args, ui: Ui) -> Result<u8> {
    let stack = stack::load(&args.stack.stack, args.stack.env.as_deref())?;
    let connection = cluster::connect(&stack.target(), &Trust::beside(&stack.source.file)).await?;
    let destruction = cluster::destruction(&connection, stack.cluster.create_namespace).await?;
    if args.json {
        ui.json(&Document::new(
            "destroy",
            stack.target(),
            as_json(&destruction),
        ))?;
    } else {
        show(&destruction, ui)?;
    }
    if destruction.is_empty() {
        if !args.json {
            ui.data(format_args!(
                "nothing to destroy: {} has no objects of its own in namespace {}\n",
                stack.name, stack.namespace
            ))?;
        }
        return Ok(exit::OK);
    }
    if !args.yes {
        confirm(&stack.name, ui)?;
    }
    let going = GoingOn::new("nothing was deleted");
    let lock = lock(&connection, ui).await?;
    going.now(interrupted::destroying(&args.stack.given()));
    let step = ui.step(format!("destroying {}", stack.name));
    let result = under_lock(
        &connection,
        lock,
        &destruction,
        Duration::from_secs(args.timeout),
        &step,
    )
    .await;
    match result {
        Ok(holds) => step.done(result_words(&destruction, holds.as_deref())),
        Err(error) => {
            step.failed("not everything is gone");
            return Err(error.into());
        }
    }
    Ok(exit::OK)
}

fn show(destruction: &Destruction, ui: Ui) -> Result<()> {
    for id in destruction.deletions().map(Write::id) {
        let going = destruction.going.get(id);
        let going = going.map_or(String::new(), |going| format!("  {}", going.words()));
        ui.data(format_args!("{} {id}{going}\n", paint(RED, "-")))?;
    }
    for (id, why) in &destruction.kept {
        ui.data(format_args!("= {id} stays: {why}\n"))?;
    }
    Ok(())
}

/// What `destroy --json` prints, before it deletes.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Report {
    /// What is deleted, in that order.
    objects: Vec<Doomed>,
    /// What stays.
    kept: Vec<Kept>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Doomed {
    kind: &'static str,
    namespace: Option<String>,
    name: String,
    /// What keeps an object that is being deleted already.
    being_deleted: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Kept {
    object: String,
    why: String,
}

fn as_json(destruction: &Destruction) -> Report {
    let doomed = destruction.deletions().map(Write::id).map(|id| Doomed {
        kind: id.kind.name(),
        namespace: id.namespace.clone(),
        name: id.name.clone(),
        being_deleted: destruction.going.get(id).map(Going::words),
    });
    let kept = destruction.kept.iter().map(|(id, why)| Kept {
        object: id.to_string(),
        why: why.clone(),
    });
    Report {
        objects: doomed.collect(),
        kept: kept.collect(),
    }
}

/// How it ended, and what stays. `moved_in` is what came into the namespace while its objects were deleted.
fn result_words(destruction: &Destruction, moved_in: Option<&str>) -> String {
    let kept = destruction.kept.iter();
    let mut stays: Vec<String> = kept.map(|(id, why)| format!("{id} stays: {why}")).collect();
    stays.extend(moved_in.map(|why| format!("the namespace stays: {why}")));
    let gone = destruction.deletions().count() - usize::from(moved_in.is_some());
    if stays.is_empty() {
        format!("{gone} objects are gone, and nothing is left")
    } else {
        format!("{gone} objects are gone; {}", stays.join("; "))
    }
}

/// In a namespace that is going no lock can be made, and no apply can run either.
async fn lock(connection: &Connection, ui: Ui) -> Result<Option<Lock>> {
    let step = ui.step(format!("lock of {}", connection.target.stack));
    match cluster::lock(connection, &who::process(), Duration::ZERO, &step).await {
        Ok(lock) => {
            step.done("taken");
            Ok(Some(lock))
        }
        Err(cluster::Error::Terminating { .. }) => {
            step.done("not needed: the namespace is going");
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

async fn under_lock(
    connection: &Connection,
    lock: Option<Lock>,
    destruction: &Destruction,
    patience: Duration,
    step: &Step,
) -> Result<Option<String>, cluster::Error> {
    let Some(lock) = lock else {
        cluster::destroy(connection, destruction, patience, step).await?;
        return cluster::destroy_namespace(connection, destruction, patience, step).await;
    };
    let result = cluster::destroy(lock.connection(), destruction, patience, step).await;
    lock.release().await;
    result?;
    cluster::destroy_namespace(connection, destruction, patience, step).await
}

fn confirm(name: &str, ui: Ui) -> Result<(), NoConsent> {
    let words = format!("This cannot be undone. Type the stack's name ({name}) to destroy it:");
    let question = Question {
        words: &words,
        consent: name,
        shown: "list",
        undone: "deleted",
    };
    question.ask(ui)
}
