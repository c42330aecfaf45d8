//! `uninlu drift`

use miette::{Diagnostic, Result};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::common::{StackArgs, exit};
use super::planning::{plan_goal, releases};
use crate::cluster::{self, Trust};
use crate::document::{Body, Document, body};
use crate::kinds::Going;
use crate::plan::owner::Owner;
use crate::plan::release::{Release, newest};
use crate::plan::{Action, Change, render};
use crate::stack;
use crate::ui::{BOLD, RED, Ui, paint};

/// Shows what differs from the last release, and who changed it when; exits with 2 when something does
///
/// Only fields that the release set count: what autoscalers, webhooks and defaults own is not drift.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  uninlu drift
  uninlu drift uninlu.toml --env prod --json")]
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
    "drift compares with what was applied last; `uninlu plan` compares with the stack file"
))]
struct NoRelease {
    stack: String,
    namespace: String,
    context: String,
}

/// What it prints with `--json`.
pub(super) const DOCUMENTS: &[Body] = &[body::<Report>];

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
        ui.json(&Document::new(
            "drift",
            stack.target(),
            as_json(release, &drifted),
        ))?;
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

/// What `drift --json` prints.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Report {
    /// The release that the cluster is compared with.
    release: i64,
    has_drift: bool,
    /// One for each object that differs.
    objects: Vec<Drifted>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Drifted {
    kind: &'static str,
    namespace: Option<String>,
    name: String,
    /// `missing`, `unexpected`, `changed` or `being-deleted`.
    what: &'static str,
    /// What keeps an object that is being deleted.
    being_deleted: Option<String>,
    fields: Vec<Field>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Field {
    path: String,
    /// The release's value; null when it has none.
    wanted: Option<Value>,
    /// The cluster's value; null when it has none.
    found: Option<Value>,
    /// Who set it; null when the API server does not say.
    by: Option<Owner>,
}

fn as_json(release: &Release, drifted: &[&Change]) -> Report {
    Report {
        release: release.number,
        has_drift: !drifted.is_empty(),
        objects: drifted.iter().map(|change| object_json(change)).collect(),
    }
}

fn object_json(change: &Change) -> Drifted {
    let what = match change.action {
        _ if change.going.is_some() => "being-deleted",
        Action::Create => "missing",
        Action::Delete => "unexpected",
        _ => "changed",
    };
    let fields = change.fields.iter().map(|field| Field {
        path: field.path.clone(),
        wanted: field.to.clone(),
        found: field.from.clone(),
        by: field.owner.clone(),
    });
    Drifted {
        kind: change.id.kind.name(),
        namespace: change.id.namespace.clone(),
        name: change.id.name.clone(),
        what,
        being_deleted: change.going.as_ref().map(Going::words),
        fields: fields.collect(),
    }
}
