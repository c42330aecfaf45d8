//! `uninlu drift`

use miette::{Diagnostic, Result};
use serde_json::{Value, json};

use super::planning::{plan_goal, releases};
use crate::cli::{StackArgs, exit};
use crate::cluster::{self, Trust};
use crate::kinds::Going;
use crate::plan::release::{Release, newest};
use crate::plan::{Action, Change, render};
use crate::stack;
use crate::ui::{BOLD, RED, Ui, paint};

/// Tells what differs from the last release, and who changed it when; exits with 2 when something does
///
/// Only fields that the release set count: what autoscalers, webhooks and defaults own is no drift.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    stack: StackArgs,
    /// Prints the drift as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("{stack} has no release in namespace {namespace} of context {context}")]
#[diagnostic(help(
    "drift is told against what was applied last; `uninlu plan` compares with the stack file"
))]
struct NoRelease {
    stack: String,
    namespace: String,
    context: String,
}

/// Runs the command.
///
/// # Errors
/// Whatever keeps the cluster from being read.
pub async fn run(args: Args, ui: Ui) -> Result<u8> {
    let stack = stack::load(&args.stack.stack, args.stack.env.as_deref())?;
    let connection = cluster::connect(&stack.target(), &Trust::beside(&stack.source.file)).await?;
    let releases = releases(&connection, ui).await?;
    let release = newest(&releases).ok_or_else(|| NoRelease {
        stack: stack.name.clone(),
        namespace: stack.namespace.clone(),
        context: stack.cluster.context.clone(),
    })?;
    let goal = release.record.goal.clone().at(&connection.target);
    let (plan, _) = plan_goal(&connection, goal).await?;
    let drifted: Vec<&Change> = plan
        .changes
        .iter()
        .filter(|change| change.action != Action::Keep)
        .collect();
    if args.json {
        ui.json(&as_json(release, &drifted))?;
    } else {
        ui.data(as_text(release, &drifted))?;
    }
    Ok(if drifted.is_empty() {
        exit::OK
    } else {
        exit::CHANGES
    })
}

fn as_text(release: &Release, drifted: &[&Change]) -> String {
    let mut text = String::new();
    for change in drifted {
        text.push_str(&paint(BOLD, &change.id));
        text.push_str(&match (change.action, &change.going) {
            (_, Some(going)) => format!(": {}\n", paint(RED, going.words())),
            (Action::Create, _) => format!(": {}\n", paint(RED, "is missing")),
            (Action::Delete, _) => {
                format!(": {}\n", paint(RED, "is there and was not in the release"))
            }
            _ => format!("\n{}", render::drift(change)),
        });
    }
    if drifted.is_empty() {
        format!(
            "no drift: everything is as release {} left it\n",
            release.number
        )
    } else {
        text + &format!(
            "{} objects differ from release {}\n",
            drifted.len(),
            release.number
        )
    }
}

fn as_json(release: &Release, drifted: &[&Change]) -> Value {
    json!({
        "format_version": 1,
        "release": release.number,
        "has_drift": !drifted.is_empty(),
        "objects": drifted.iter().map(|change| object_json(change)).collect::<Vec<_>>(),
    })
}

fn object_json(change: &Change) -> Value {
    let what = match change.action {
        _ if change.going.is_some() => "being-deleted",
        Action::Create => "missing",
        Action::Delete => "unexpected",
        _ => "changed",
    };
    json!({
        "kind": change.id.kind.name(),
        "namespace": change.id.namespace,
        "name": change.id.name,
        "what": what,
        "being_deleted": change.going.as_ref().map(Going::words),
        "fields": change.fields.iter().map(|field| json!({
            "path": field.path,
            "wanted": field.to,
            "found": field.from,
            "by": field.owner,
        })).collect::<Vec<_>>(),
    })
}
