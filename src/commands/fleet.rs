//! Many stacks in one run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use futures::{StreamExt, stream};
use miette::{Diagnostic, Result};
use schemars::JsonSchema;
use serde::Serialize;

use super::common::{FILE, exit};
use super::consent::Question;
use super::delivery::{self, DeliveryArgs};
use super::discovery::{self, Found};
use super::interrupted;
use super::planning::{Delivery, Look, build, plan_stack};
use crate::document::{Document, Failure, Place};
use crate::image::Inputs;
use crate::interruption::GoingOn;
use crate::plan::render::{self, Detail};
use crate::report;
use crate::stack::{self, LoadError, Stack};
use crate::ui::{BOLD, GREEN, RED, Talk, Ui, Unwritable, YELLOW, paint};

/// How many stacks are planned, judged or applied at once: enough to hide the way to the API server, too few to trouble
/// it.
pub(super) const AT_ONCE: usize = 8;

/// Why a folder of stacks is not carried out.
#[derive(Debug, thiserror::Error, Diagnostic)]
enum Stop {
    #[error("no uninlu.toml in {} or below it", .0.display())]
    #[diagnostic(help("name a stack file, or a folder that holds stacks"))]
    NoStacks(PathBuf),
    #[error("{0} of {1} stacks cannot be applied")]
    #[diagnostic(help("nothing was changed. Fix those above, or name the stacks one by one"))]
    Unplanned(usize, usize),
    #[error("{place} is planned twice: by {}, and by {}", one.display(), other.display())]
    #[diagnostic(help(
        "nothing was changed. Give each a name, namespace or context of its own, or apply one of them"
    ))]
    Twins {
        place: String,
        one: PathBuf,
        other: PathBuf,
    },
    #[error("{0} of {1} stacks were not applied")]
    #[diagnostic(help("the others are. Fix those above and apply again: it completes them"))]
    Unapplied(usize, usize),
}

/// The stack files in a folder that is no stack itself; `None` when the path is a stack, or nothing at all.
pub(super) fn files(path: &Path) -> Result<Option<Found>> {
    if !path.is_dir() || path.join(FILE).symlink_metadata().is_ok() {
        return Ok(None);
    }
    Ok(Some(below(path)?))
}

/// As [`files`], for what only judges: a stack in the folder itself hides none below it.
pub(super) fn every_file(path: &Path) -> Result<Option<Found>> {
    if !path.is_dir() {
        return Ok(None);
    }
    let found = below(path)?;
    let is_own = matches!(found.files.as_slice(), [file] if file.parent() == Some(path));
    let is_alone = is_own && found.unread.is_empty();
    Ok((!is_alone).then_some(found))
}

/// What a folder holds, which is something.
fn below(path: &Path) -> Result<Found, Stop> {
    let found = discovery::find(path);
    if found.files.is_empty() && found.unread.is_empty() {
        return Err(Stop::NoStacks(path.to_owned()));
    }
    Ok(found)
}

/// Which plans are made of each file, and how they are told.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    /// `[env.NAME]` laid over each file.
    pub(super) environment: Option<&'a str>,
    /// Each file as it stands, and with each of its environments.
    pub(super) every_environment: bool,
    /// One JSON document instead of lines.
    pub(super) as_json: bool,
    /// How a next command names the folder.
    pub(super) given: &'a str,
}

/// A stack with one environment, and its plan.
struct Planned {
    /// As it was named or found.
    file: PathBuf,
    stack: Stack,
    delivery: Delivery,
    inputs: Option<Inputs>,
}

/// What is told of one of them: all that stays in memory, since a thousand plans would not fit.
#[derive(Clone)]
struct Told {
    line: String,
    /// In place of the line, where it is asked for.
    data: Option<Box<OfStack>>,
    outcome: Outcome,
}

/// What `plan DIR --json` and `apply DIR --json` print.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Report {
    stacks: Vec<OfStack>,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
struct OfStack {
    /// The stack file.
    file: String,
    #[serde(flatten)]
    place: Place,
    #[serde(flatten)]
    outcome: OutcomeReport,
}

/// A plan, or why there is none.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(untagged)]
enum OutcomeReport {
    Planned(Box<render::Planned>),
    Failed(Failure),
}

#[derive(Clone, PartialEq)]
enum Outcome {
    Unchanged,
    Changed,
    Failed,
}

/// Plans every stack, a few files at a time, and tells each in a line.
///
/// # Errors
/// [`Unwritable`]: a stack that cannot be planned is a line, and exit code 1.
pub(super) async fn plan(
    found: Found,
    wanted: Wanted<'_>,
    detailed_exitcode: bool,
    ui: Ui,
) -> Result<u8> {
    let told = plan_each(found, wanted, ui, |planned| match planned {
        Ok(planned) => planned.tell(wanted.as_json),
        Err(told) => told,
    })
    .await;
    let has = |outcome: Outcome| told.iter().any(|one| one.outcome == outcome);
    let code = if has(Outcome::Failed) {
        exit::ERROR
    } else if detailed_exitcode && has(Outcome::Changed) {
        exit::CHANGES
    } else {
        exit::OK
    };
    show("plan", told, wanted.as_json, ui)?;
    Ok(code)
}

/// Plans every stack, shows every change, asks once, and carries them out, a few at a time.
///
/// # Errors
/// Before anything is written: a stack that cannot be planned, or whose plan may not be carried out. After: the stacks
/// that were not applied; the others are.
pub(super) async fn apply(
    found: Found,
    wanted: Wanted<'_>,
    args: &DeliveryArgs,
    ui: Ui,
) -> Result<()> {
    let planned = plan_each(found, wanted, ui, |planned| {
        planned.and_then(|planned| planned.check(args, ui))
    })
    .await;
    let told = planned.iter().map(|one| match one {
        Ok(planned) if planned.delivery.has_work() && !wanted.as_json => Told {
            line: planned.delivery.text(Detail::Brief),
            ..planned.tell(false)
        },
        Ok(planned) => planned.tell(wanted.as_json),
        Err(told) => told.clone(),
    });
    show("apply", told.collect(), wanted.as_json, ui)?;
    let count = planned.len();
    let planned: Vec<Planned> = planned.into_iter().filter_map(Result::ok).collect();
    if planned.len() < count {
        return Err(Stop::Unplanned(count - planned.len(), count).into());
    }
    refuse_twins(&planned)?;
    let mut work = planned
        .iter()
        .filter(|one| one.delivery.has_work())
        .peekable();
    if work.peek().is_some() {
        let doubts = work.flat_map(|one| one.delivery.doubts());
        delivery::agree(&QUESTION, doubts, args, ui)?;
    }
    let _going = GoingOn::new(interrupted::of_fleet(wanted.given));
    let step = ui.step(format!("applying {count} stacks"));
    let mut results = stream::iter(planned)
        .map(|one| one.carry(args))
        .buffer_unordered(AT_ONCE);
    let mut failures = 0;
    while let Some(result) = results.next().await {
        failures += usize::from(result.is_err());
        let (Ok(line) | Err(line)) = result;
        step.log(line);
    }
    if failures > 0 {
        step.failed(format_args!("{failures} of {count} failed"));
        return Err(Stop::Unapplied(failures, count).into());
    }
    step.done("all of them");
    Ok(())
}

/// Two stacks in one place, or two environments of one, would undo each other.
fn refuse_twins(planned: &[Planned]) -> Result<(), Stop> {
    let mut seen = BTreeMap::new();
    for one in planned {
        let target = &one.delivery.plan.goal.target;
        let place = (&target.context, &target.namespace, &target.stack);
        if let Some(first) = seen.insert(place, &one.file) {
            return Err(Stop::Twins {
                place: format!("{}/{}/{}", place.0, place.1, place.2),
                one: first.clone(),
                other: one.file.clone(),
            });
        }
    }
    Ok(())
}

const QUESTION: Question<'_> = Question {
    words: "Apply these plans? Only `yes` does:",
    consent: "yes",
    shown: "plans",
    undone: "changed",
};

fn show(command: &str, told: Vec<Told>, as_json: bool, ui: Ui) -> Result<(), Unwritable> {
    if as_json {
        let stacks = told
            .into_iter()
            .filter_map(|one| one.data.map(|data| *data));
        let stacks = stacks.collect();
        return ui.json(&Document::new(command, Place::NONE, Report { stacks }));
    }
    told.iter().try_for_each(|one| ui.data(&one.line))
}

/// Plans every stack, a few files at a time; `keep` says what stays of each plan.
async fn plan_each<T>(
    found: Found,
    wanted: Wanted<'_>,
    ui: Ui,
    keep: impl Fn(Result<Planned, Told>) -> T,
) -> Vec<T> {
    let Found { files, unread } = found;
    let step = ui.step(format!("planning {} stack files", files.len()));
    let keep = &keep;
    let mut results = stream::iter(&files)
        .map(|file| async move {
            let stacks = match load(file, wanted.environment, wanted.every_environment) {
                Ok(stacks) => stacks,
                Err(error) => {
                    let told = failed(file, wanted.environment, &error.into());
                    return vec![keep(Err(told))];
                }
            };
            let mut kept = Vec::new();
            for stack in stacks {
                kept.push(keep(plan_one(file, stack).await));
            }
            kept
        })
        .buffered(AT_ONCE);
    let (mut kept, mut done) = (Vec::new(), 0);
    while let Some(of_file) = results.next().await {
        done += 1;
        if ui.is_interactive() {
            step.update(format_args!("{done} of {}", files.len()));
        }
        kept.extend(of_file);
    }
    step.done(format_args!("{} plans", kept.len()));
    kept.extend(unread.into_iter().map(|unread| {
        let folder = unread.folder.clone();
        keep(Err(failed(&folder, None, &unread.into())))
    }));
    kept
}

/// The stack of a file with that environment; or as it stands, and with each of its environments.
pub(super) fn load(
    file: &Path,
    environment: Option<&str>,
    every_environment: bool,
) -> Result<Vec<Stack>, LoadError> {
    if every_environment {
        stack::load_every(file)
    } else {
        stack::load(file, environment).map(|stack| vec![stack])
    }
}

async fn plan_one(file: &Path, stack: Stack) -> Result<Planned, Told> {
    match plan_stack(&stack, Look::AtChanges, SILENT).await {
        Ok((delivery, inputs)) => Ok(Planned {
            file: file.to_owned(),
            stack,
            delivery,
            inputs,
        }),
        Err(error) => Err(failed(file, stack.environment.as_deref(), &error)),
    }
}

/// Each stack would talk of its own steps, between those of the others; a line for each is what is wanted.
pub(super) const SILENT: Ui = Ui::new(true, Talk::Plain);

impl Planned {
    fn tell(&self, as_json: bool) -> Told {
        let plan = &self.delivery.plan;
        let (mark, outcome) = if plan.is_empty() {
            (paint(GREEN, "="), Outcome::Unchanged)
        } else {
            (paint(YELLOW, "~"), Outcome::Changed)
        };
        let data = as_json.then(|| {
            Box::new(OfStack {
                file: self.file.display().to_string(),
                place: Place::from(&plan.goal.target),
                outcome: OutcomeReport::Planned(Box::new(self.delivery.json())),
            })
        });
        Told {
            line: format!(
                "{mark} {}  {}\n{}",
                self.place(),
                render::summary(plan),
                render::warnings(&self.delivery.warnings)
            ),
            data,
            outcome,
        }
    }

    /// `nlu (staging)  kind/models`
    fn place(&self) -> String {
        let target = &self.delivery.plan.goal.target;
        format!(
            "{}{}  {}/{}",
            paint(BOLD, &target.stack),
            in_brackets(target.environment.as_deref()),
            target.context,
            target.namespace,
        )
    }

    fn check(self, args: &DeliveryArgs, ui: Ui) -> Result<Self, Told> {
        match delivery::check(&self.delivery, args, ui) {
            Ok(()) => Ok(self),
            Err(error) => Err(failed(
                &self.file,
                self.stack.environment.as_deref(),
                &error,
            )),
        }
    }

    /// The line of a stack that runs, or of one that does not.
    async fn carry(self, args: &DeliveryArgs) -> Result<String, String> {
        let place = self.place();
        let summary = render::summary(&self.delivery.plan);
        let build = async || build(&self.stack, self.inputs.as_ref(), SILENT).await;
        match delivery::carry(self.delivery, args, build, SILENT).await {
            Ok(()) => Ok(format!("{} {place}  {summary}", paint(GREEN, "✓"))),
            Err(error) => Err(failed(&self.file, self.stack.environment.as_deref(), &error).line),
        }
    }
}

fn failed(file: &Path, environment: Option<&str>, error: &miette::Report) -> Told {
    let help = error.help().map(|help| help.to_string());
    let fix = help
        .as_ref()
        .map_or(String::new(), |help| format!("; {help}"));
    let words = format!("{}{fix}", causes(error));
    let words = words.lines().collect::<Vec<_>>().join(" ");
    let (mark, file) = (paint(RED, "✗"), file.display().to_string());
    Told {
        line: format!("{mark} {file}{}  {words}\n", in_brackets(environment)),
        data: Some(Box::new(OfStack {
            file,
            place: Place {
                environment: environment.map(str::to_owned),
                ..Place::NONE
            },
            outcome: OutcomeReport::Failed(Failure {
                error: report::problem(error.as_ref()),
            }),
        })),
        outcome: Outcome::Failed,
    }
}

/// What went wrong, and why.
pub(super) fn causes(error: &miette::Report) -> String {
    let causes: Vec<String> = error.chain().map(ToString::to_string).collect();
    causes.join(": ")
}

fn in_brackets(environment: Option<&str>) -> String {
    environment.map_or(String::new(), |name| format!(" ({name})"))
}
