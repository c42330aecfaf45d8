//! `uninlu destroy`

use std::time::Duration;

use miette::Result;

use super::consent::{NoConsent, Question};
use crate::cli::{StackArgs, exit};
use crate::cluster::{self, Connection, Destruction, Lock};
use crate::stack;
use crate::ui::{RED, Step, Ui, paint};
use crate::who;

/// Deletes the stack's objects in reverse order and proves that nothing is left
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    stack: StackArgs,
    /// Does not ask; needed where nobody can be asked
    #[arg(long, short)]
    yes: bool,
    /// How many seconds the objects may take to go
    #[arg(long, value_name = "SECONDS", default_value_t = 180)]
    timeout: u64,
}

/// Runs the command.
///
/// # Errors
/// Whatever keeps the objects from going; destroying again goes on where it ended.
pub async fn run(args: Args, ui: Ui) -> Result<u8> {
    let stack = stack::load(&args.stack.stack, args.stack.env.as_deref())?;
    let connection = cluster::connect(&stack.target()).await?;
    let destruction = cluster::destruction(&connection, stack.cluster.create_namespace).await?;
    if destruction.is_empty() {
        ui.data(format_args!(
            "nothing to destroy: {} has no objects in namespace {}\n",
            stack.name, stack.namespace
        ))?;
        return Ok(exit::OK);
    }
    for (id, _) in &destruction.objects {
        ui.data(format_args!("{} {id}\n", paint(RED, "-")))?;
    }
    if !args.yes {
        confirm(&stack.name, ui)?;
    }
    let lock = lock(&connection, ui).await?;
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
) -> Result<(), cluster::Error> {
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
