//! `uninlu history`

use miette::{Diagnostic, Result};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::common::{StackFirst, exit};
use super::late;
use super::planning::releases;
use super::release::{Summary, before, changed, changes, ended, ids, reason, when, who};
use crate::cluster::{self, Trust};
use crate::document::{Body, Document, Place, body};
use crate::kinds::Desired;
use crate::plan::diff::diff;
use crate::plan::release::Release;
use crate::plan::{FieldChange, render};
use crate::stack;
use crate::ui::{BOLD, Ui, Unwritable, paint};
use uninlu_text::table::{cut, lines};

/// Lists what was applied: when, by whom, what changed, and how it ended
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  uninlu history
  uninlu history uninlu.toml 3 --diff 2")]
pub struct Args {
    #[command(flatten)]
    stack: StackFirst,
    /// One release's objects; absent means a line for each release
    number: Option<i64>,
    /// With NUMBER: the differences of that release from this one
    #[arg(long, value_name = "NUMBER")]
    diff: Option<i64>,
    /// Without NUMBER: all that is known of each release, with the whole reason of one that failed
    #[arg(long, conflicts_with_all = ["diff", "json"])]
    full: bool,
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

#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("--full has no effect beside a release's number, which shows its objects")]
#[diagnostic(help("leave one of the two out"))]
struct FullOfOne;

/// What it prints with `--json`.
pub(super) const DOCUMENTS: &[Body] = &[body::<All>, body::<One>, body::<Difference>];

/// Runs the command.
///
/// # Errors
/// Whatever keeps the cluster from being read.
pub async fn run(args: Args, ui: Ui) -> Result<u8> {
    let (file, number) = args.stack.and(args.number, |text| text.parse().ok())?;
    if args.diff.is_some() && number.is_none() {
        return Err(NoNumber.into());
    }
    if args.full && number.is_some() {
        return Err(FullOfOne.into());
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
            let release = in_full(find(number)?, &releases);
            ui.json(&Document::new("history", place, One { release }))?;
        }
        (Some(number), None) => show_one(find(number)?, &releases, ui)?,
        (None, _) if args.json => {
            let summary =
                |release: &Release| Summary::of(release, before(&releases, release.number));
            let releases = releases.iter().map(summary).collect();
            ui.json(&Document::new("history", place, All { releases }))?;
        }
        (None, _) => show_all(&releases, &stack.name, args.full, ui)?,
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

fn show_all(releases: &[Release], stack: &str, is_full: bool, ui: Ui) -> Result<(), Unwritable> {
    if releases.is_empty() {
        return ui.data(format_args!("{stack} was never applied here\n"));
    }
    if is_full {
        return ui.data(full(releases));
    }
    let text = table(releases, ui.width().unwrap_or(WIDTH));
    ui.data(&text)?;
    if text.lines().any(|line| line.ends_with('…')) {
        ui.say("--full shows what is cut, with commits and images");
    }
    Ok(())
}

/// Columns of a line that is not on a terminal.
const WIDTH: usize = 120;
/// A user's name is cut behind so many characters: service accounts and roles of clouds have long ones.
const NAME: usize = 26;

/// Where what changed begins, below the second column.
const INDENT: &str = "         ";

/// The newest first, with a header; what does not fit is cut, and stands in [`full`].
fn table(releases: &[Release], width: usize) -> String {
    let head = ["RELEASE", "WHEN (UTC)", "WHO", "ENDED"];
    let mut rows = vec![head.map(String::from).to_vec()];
    rows.extend(releases.iter().rev().map(|release| {
        vec![
            release.number.to_string(),
            when(&release.record),
            cut(who(&release.record), NAME),
            ended(&release.outcome),
        ]
    }));
    let below = releases.iter().rev().map(|release| {
        let changed = changed(release, before(releases, release.number));
        let reason = reason(&release.outcome).map(str::to_owned);
        std::iter::once(changed).chain(reason)
    });
    let mut lines = lines(&rows).into_iter();
    let head = lines.next().unwrap_or_default();
    let mut text = format!(
        "{}\n{}\n",
        paint(BOLD, head),
        paint(BOLD, format_args!("{INDENT}WHAT CHANGED"))
    );
    for (row, below) in lines.zip(below) {
        text += &(cut(&row, width) + "\n");
        for line in below {
            text += &(cut(&format!("{INDENT}{line}"), width) + "\n");
        }
    }
    text
}

/// All that is known of each release but its objects, the newest first.
fn full(releases: &[Release]) -> String {
    let one = |release: &Release| {
        let record = &release.record;
        let by = match &record.user {
            Some(user) => format!("{user}, on {}", record.by),
            None => record.by.clone(),
        };
        let goal = &record.goal;
        let changes = changes(release, before(releases, release.number));
        let ended = match reason(&release.outcome) {
            Some(reason) => format!("{}: {reason}", ended(&release.outcome)),
            None => ended(&release.outcome),
        };
        let facts = [
            ("when", Some(record.at.strftime("%F %T UTC").to_string())),
            ("who", Some(by)),
            ("commit", goal.git.clone()),
            ("environment", goal.target.environment.clone()),
            ("image", Some(goal.image.reference.clone())),
            ("back to", record.back_to.map(|number| number.to_string())),
            ("objects", Some(record.summary.clone())),
            ("changed", (!changes.is_empty()).then(|| changes.join(", "))),
            ("ended", Some(ended)),
        ];
        let facts = facts
            .into_iter()
            .filter_map(|(name, fact)| Some((name, fact?)));
        let rows = facts.map(|(name, fact)| vec![format!("  {name}"), fact]);
        let rows: Vec<Vec<String>> = rows.collect();
        let head = paint(BOLD, format_args!("release {}", release.number));
        format!("{head}\n{}", uninlu_text::table::table(&rows))
    };
    releases.iter().rev().map(one).collect()
}

/// `release 3 of 2026-11-24 05:00 UTC by me@laptop: 1 updated; ready in 9 s`
fn headline(release: &Release, releases: &[Release]) -> String {
    let record = &release.record;
    format!(
        "{} of {} UTC by {}: {}; {}",
        paint(BOLD, format_args!("release {}", release.number)),
        when(record),
        who(record),
        changed(release, before(releases, release.number)),
        release.outcome.words()
    )
}

fn in_full(release: &Release, releases: &[Release]) -> InFull {
    InFull {
        summary: Summary::of(release, before(releases, release.number)),
        objects: release.record.goal.objects.values().cloned().collect(),
    }
}

fn show_one(release: &Release, releases: &[Release], ui: Ui) -> Result<()> {
    ui.say(headline(release, releases));
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
    let nothing = Value::Null;
    let body = |objects: &'_ Desired, id| objects.get(id).unwrap_or(&nothing).clone();
    let differing = ids(from, to).into_iter().filter_map(|id| {
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
