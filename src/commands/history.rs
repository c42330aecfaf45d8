//! `uninlu history`

use std::collections::BTreeSet;

use miette::{Diagnostic, Result};
use serde_json::{Value, json};

use super::late;
use super::planning::releases;
use crate::cli::{StackOption, exit};
use crate::cluster::{self, Trust};
use crate::kinds::Desired;
use crate::plan::diff::diff;
use crate::plan::release::Release;
use crate::plan::{FieldChange, render};
use crate::stack;
use crate::ui::{BOLD, Ui, Unwritable, paint};

/// Lists what was applied: when, by whom, from which commit, and how it ended
#[derive(Debug, clap::Args)]
pub struct Args {
    /// One release in full; absent means a line for each
    number: Option<i64>,
    /// With NUMBER: what that release has otherwise than this one
    #[arg(long, value_name = "NUMBER", requires = "number")]
    diff: Option<i64>,
    #[command(flatten)]
    stack: StackOption,
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

/// Runs the command.
///
/// # Errors
/// Whatever keeps the cluster from being read.
pub async fn run(args: Args, ui: Ui) -> Result<u8> {
    let stack = stack::load(&args.stack.stack, args.stack.env.as_deref())?;
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
    match (args.number, args.diff) {
        (Some(number), Some(other)) => {
            let objects = |release: &Release| release.record.goal.objects.clone();
            let objects = difference(&objects(find(other)?), &objects(find(number)?));
            tell_difference(&objects, args.json, ui)?;
        }
        (Some(number), None) => tell_one(find(number)?, args.json, ui)?,
        (None, _) => tell_all(&releases, &stack.name, args.json, ui)?,
    }
    Ok(exit::OK)
}

fn tell_all(releases: &[Release], stack: &str, as_json: bool, ui: Ui) -> Result<(), Unwritable> {
    if as_json {
        let all: Vec<Value> = releases.iter().map(summary).collect();
        return ui.json(&json!({ "format_version": 1, "releases": all }));
    }
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

fn summary(release: &Release) -> Value {
    let record = &release.record;
    json!({
        "number": release.number,
        "at": record.at.strftime("%FT%TZ").to_string(),
        "by": record.by,
        "git": record.goal.git,
        "environment": record.goal.target.environment,
        "image": record.goal.image.reference,
        "plan": record.plan,
        "summary": record.summary,
        "back_to": record.back_to,
        "outcome": release.outcome,
    })
}

fn tell_one(release: &Release, as_json: bool, ui: Ui) -> Result<()> {
    let objects: Vec<&Value> = release.record.goal.objects.values().collect();
    if as_json {
        let mut one = summary(release);
        one["format_version"] = json!(1);
        one["objects"] = json!(objects);
        return Ok(ui.json(&one)?);
    }
    ui.say(headline(release));
    let documents: Vec<String> = objects
        .into_iter()
        .map(super::leave::yaml)
        .collect::<Result<_>>()?;
    Ok(ui.file(&documents.join("---\n"))?)
}

/// Per object that differs: its name and the fields; an object that only one of them has, as a whole.
pub(super) fn difference(from: &Desired, to: &Desired) -> Vec<(String, Vec<FieldChange>)> {
    let ids: BTreeSet<_> = from.keys().chain(to.keys()).collect();
    let nothing = Value::Null;
    ids.into_iter()
        .filter_map(|id| {
            let (from, to) = (
                from.get(id).unwrap_or(&nothing),
                to.get(id).unwrap_or(&nothing),
            );
            let fields = diff(from, to);
            (!fields.is_empty()).then(|| (id.to_string(), fields))
        })
        .collect()
}

pub(super) fn tell_difference(
    objects: &[(String, Vec<FieldChange>)],
    as_json: bool,
    ui: Ui,
) -> Result<(), Unwritable> {
    if as_json {
        let objects: Vec<Value> = objects
            .iter()
            .map(|(object, fields)| json!({ "object": object, "fields": fields }))
            .collect();
        return ui.json(&json!({ "format_version": 1, "objects": objects }));
    }
    if objects.is_empty() {
        ui.data("no differences\n")?;
    }
    for (object, fields) in objects {
        ui.data(format_args!(
            "{}\n{}",
            paint(BOLD, object),
            render::fields(fields)
        ))?;
    }
    Ok(())
}
