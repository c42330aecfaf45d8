//! `uninlu history`

use std::collections::BTreeSet;

use miette::{Diagnostic, Result};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::common::{StackFirst, exit};
use super::late;
use super::planning::releases;
use crate::cluster::{self, Trust};
use crate::document::{Document, Place};
use crate::kinds::Desired;
use crate::plan::diff::diff;
use crate::plan::release::{Outcome, Release};
use crate::plan::{FieldChange, render};
use crate::stack;
use crate::ui::{BOLD, Ui, Unwritable, paint};

/// Lists what was applied: when, by whom, from which commit, and how it ended
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  uninlu history
  uninlu history uninlu.toml 3 --diff 2")]
pub struct Args {
    #[command(flatten)]
    stack: StackFirst,
    /// One release in full; absent means a line for each
    number: Option<i64>,
    /// With NUMBER: the differences of that release from this one
    #[arg(long, value_name = "NUMBER")]
    diff: Option<i64>,
    /// Prints JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("there is no release {number} of {stack}")]
#[diagnostic(help("`uninlu history` lists those that there are; the cluster keeps the last ten"))]
struct Unknown {
    number: i64,
    stack: String,
}

#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("--diff compares two releases, and only one is given")]
#[diagnostic(help("name the other one too: `uninlu history NUMBER --diff NUMBER`"))]
struct NoNumber;

/// Runs the command.
///
/// # Errors
/// Whatever keeps the cluster from being read.
pub async fn run(args: Args, ui: Ui) -> Result<u8> {
    let (file, number) = args.stack.and(args.number, |text| text.parse().ok())?;
    if args.diff.is_some() && number.is_none() {
        return Err(NoNumber.into());
    }
    let stack = stack::load(&file, args.stack.env.as_deref())?;
    let connection = cluster::connect(&stack.target(), &Trust::beside(&stack.source.file)).await?;
    let mut releases = releases(&connection, ui).await?;
    late::record(&connection, &mut releases, ui).await;
    let find = |number: i64| {
        let found = releases.iter().find(|release| release.number == number);
        found.ok_or_else(|| Unknown {
            number,
            stack: stack.name.clone(),
        })
    };
    let place = Place::from(stack.target());
    match (number, args.diff) {
        (Some(number), Some(other)) => {
            let objects = |release: &Release| release.record.goal.objects.clone();
            let difference = difference(&objects(find(other)?), &objects(find(number)?));
            match args.json {
                true => ui.json(&Document::new("history", place, difference))?,
                false => ui.data(difference.text())?,
            }
        }
        (Some(number), None) if args.json => {
            let release = in_full(find(number)?);
            ui.json(&Document::new("history", place, One { release }))?;
        }
        (Some(number), None) => show_one(find(number)?, ui)?,
        (None, _) if args.json => {
            let releases = releases.iter().map(summary).collect();
            ui.json(&Document::new("history", place, All { releases }))?;
        }
        (None, _) => show_all(&releases, &stack.name, ui)?,
    }
    Ok(exit::OK)
}

/// What `history --json` prints.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct All {
    releases: Vec<Summary>,
}

/// What `history NUMBER --json` prints.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct One {
    release: InFull,
}

#[derive(Debug, Serialize, JsonSchema)]
struct InFull {
    #[serde(flatten)]
    summary: Summary,
    /// The objects' bodies.
    objects: Vec<Value>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Summary {
    number: i64,
    /// When it began, RFC 3339.
    at: String,
    /// `user@host`.
    by: String,
    /// The commit; null outside of git.
    git: Option<String>,
    environment: Option<String>,
    image: String,
    /// Digest of the plan.
    plan: String,
    summary: String,
    /// The release that this one went back to.
    back_to: Option<i64>,
    outcome: Outcome,
}

fn show_all(releases: &[Release], stack: &str, ui: Ui) -> Result<(), Unwritable> {
    if releases.is_empty() {
        ui.data(format_args!("{stack} was never applied here\n"))?;
    }
    for release in releases.iter().rev() {
        ui.data(format_args!("{}\n", headline(release)))?;
    }
    Ok(())
}

/// `3  2026-11-24T05:00:00Z  me@laptop  v0.1.0-3-g1234567  1 to update, …: ready in 9 s`
fn headline(release: &Release) -> String {
    let record = &release.record;
    let back_to = record
        .back_to
        .map_or(String::new(), |number| format!("back to {number}, "));
    format!(
        "{}  {}  {}  {}  {back_to}{}: {}",
        paint(BOLD, release.number),
        record.at.strftime("%FT%TZ"),
        record.by,
        record.goal.git.as_deref().unwrap_or("no git"),
        record.summary,
        release.outcome.words()
    )
}

fn summary(release: &Release) -> Summary {
    let record = &release.record;
    Summary {
        number: release.number,
        at: record.at.strftime("%FT%TZ").to_string(),
        by: record.by.clone(),
        git: record.goal.git.clone(),
        environment: record.goal.target.environment.clone(),
        image: record.goal.image.reference.clone(),
        plan: record.plan.clone(),
        summary: record.summary.clone(),
        back_to: record.back_to,
        outcome: release.outcome.clone(),
    }
}

fn in_full(release: &Release) -> InFull {
    InFull {
        summary: summary(release),
        objects: release.record.goal.objects.values().cloned().collect(),
    }
}

fn show_one(release: &Release, ui: Ui) -> Result<()> {
    ui.say(headline(release));
    let objects = release.record.goal.objects.values();
    let documents: Vec<String> = objects.map(super::leave::yaml).collect::<Result<_>>()?;
    Ok(ui.file(&documents.join("---\n"))?)
}

/// In what two sets of objects differ.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Difference {
    /// One for each object that differs.
    objects: Vec<Differing>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Differing {
    object: String,
    fields: Vec<FieldChange>,
}

/// Per object that differs: its name and the fields; an object that only one of them has, as a whole.
pub(super) fn difference(from: &Desired, to: &Desired) -> Difference {
    let ids: BTreeSet<_> = from.keys().chain(to.keys()).collect();
    let nothing = Value::Null;
    let body = |objects: &'_ Desired, id| objects.get(id).unwrap_or(&nothing).clone();
    let differing = ids.into_iter().filter_map(|id| {
        let fields = diff(&body(from, id), &body(to, id));
        (!fields.is_empty()).then(|| Differing {
            object: id.to_string(),
            fields,
        })
    });
    Difference {
        objects: differing.collect(),
    }
}

impl Difference {
    pub(super) fn text(&self) -> String {
        if self.objects.is_empty() {
            return "no differences\n".to_owned();
        }
        let texts = self.objects.iter().map(|one| {
            let fields = render::fields(&one.fields);
            format!("{}\n{fields}", paint(BOLD, &one.object))
        });
        texts.collect()
    }
}
