//! Many stacks in one run.

use std::path::{Path, PathBuf};

use futures::{StreamExt, stream};
use miette::{Diagnostic, Report, Result};
use serde_json::{Value, json};
use walkdir::WalkDir;

use super::planning::{Delivery, plan_stack};
use crate::cli::exit;
use crate::plan::render;
use crate::stack::{self, Stack};
use crate::ui::{BOLD, GREEN, RED, Talk, Ui, YELLOW, paint};

/// How many stacks are planned at once: enough to hide the way to the API server, too few to trouble it.
const AT_ONCE: usize = 8;
/// How deep below the folder stack files are looked for.
const DEPTH: usize = 3;

#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("no uninlu.toml in {} or below it", .0.display())]
#[diagnostic(help("name a stack file, or a folder that holds stacks"))]
struct NoStacks(PathBuf);

/// The stack files in a folder that is no stack itself; `None` when the path is a stack, or nothing at all.
pub(super) fn files(path: &Path) -> Result<Option<Vec<PathBuf>>> {
    if !path.is_dir() || path.join("uninlu.toml").exists() {
        return Ok(None);
    }
    let entries = WalkDir::new(path).max_depth(DEPTH).sort_by_file_name();
    let files: Vec<PathBuf> = entries
        .into_iter()
        .filter_map(Result::ok)
        .filter(|entry| entry.file_name() == "uninlu.toml")
        .map(walkdir::DirEntry::into_path)
        .collect();
    if files.is_empty() {
        return Err(NoStacks(path.to_owned()).into());
    }
    Ok(Some(files))
}

/// What became of one stack with one environment: only what is told of it, since a thousand plans would not fit.
struct Planned {
    told: String,
    data: Value,
    outcome: Outcome,
}

#[derive(PartialEq)]
enum Outcome {
    Unchanged,
    Changed,
    Failed,
}

/// Plans every stack, a few at a time, and tells each in a line. With `every_environment` each as it stands and with
/// each of its environments.
///
/// # Errors
/// None: a stack that cannot be planned is a line, and exit code 1.
pub(super) async fn plan(
    files: &[PathBuf],
    environment: Option<&str>,
    every_environment: bool,
    as_json: bool,
    detailed_exitcode: bool,
    ui: Ui,
) -> Result<u8> {
    let step = ui.step(format!("planning {} stack files", files.len()));
    let mut jobs = Vec::new();
    let mut planned = Vec::new();
    for file in files {
        match load(file, environment, every_environment) {
            Ok(stacks) => jobs.extend(stacks),
            Err(error) => planned.push(failed(file, environment, &error)),
        }
    }
    let total = jobs.len();
    let mut results = stream::iter(jobs).map(plan_one).buffered(AT_ONCE);
    let mut done = 0;
    while let Some(one) = results.next().await {
        done += 1;
        if ui.is_interactive() {
            step.update(format_args!("{done} of {total}"));
        }
        planned.push(one);
    }
    step.done(format_args!("{total} plans"));
    if as_json {
        let all: Vec<Value> = planned.iter().map(|one| one.data.clone()).collect();
        let all = json!({ "format_version": 1, "stacks": all });
        ui.data(format_args!("{all:#}\n"));
    } else {
        planned.iter().for_each(|one| ui.data(&one.told));
    }
    let has = |outcome: Outcome| planned.iter().any(|one| one.outcome == outcome);
    Ok(if has(Outcome::Failed) {
        exit::ERROR
    } else if detailed_exitcode && has(Outcome::Changed) {
        exit::CHANGES
    } else {
        exit::OK
    })
}

fn load(file: &Path, environment: Option<&str>, every: bool) -> Result<Vec<Stack>> {
    Ok(if every {
        stack::load_every(file)?
    } else {
        vec![stack::load(file, environment)?]
    })
}

async fn plan_one(stack: Stack) -> Planned {
    // Each would talk of its own steps; the summary is what is wanted.
    match plan_stack(&stack, Ui::new(true, Talk::Plain)).await {
        Ok((delivery, _)) => succeeded(&stack.file, &delivery),
        Err(error) => failed(&stack.file, stack.environment.as_deref(), &error),
    }
}

fn succeeded(file: &Path, delivery: &Delivery) -> Planned {
    let (plan, target) = (&delivery.plan, &delivery.plan.goal.target);
    let (mark, outcome) = if plan.is_empty() {
        (paint(GREEN, "="), Outcome::Unchanged)
    } else {
        (paint(YELLOW, "~"), Outcome::Changed)
    };
    let environment = in_brackets(target.environment.as_deref());
    let mut data = render::json(plan, delivery.outlook.as_ref());
    data["file"] = json!(file);
    Planned {
        told: format!(
            "{mark} {}{environment}  {}/{}  {}\n",
            paint(BOLD, &target.stack),
            target.context,
            target.namespace,
            render::summary(plan)
        ),
        data,
        outcome,
    }
}

fn failed(file: &Path, environment: Option<&str>, error: &Report) -> Planned {
    let help = error.help().map(|help| help.to_string());
    let mend = help
        .as_ref()
        .map_or(String::new(), |help| format!("; {help}"));
    let words = format!("{error}{mend}");
    let words = words.lines().collect::<Vec<_>>().join(" ");
    let mark = paint(RED, "✗");
    Planned {
        told: format!(
            "{mark} {}{}  {words}\n",
            file.display(),
            in_brackets(environment)
        ),
        data: json!({
            "file": file,
            "environment": environment,
            "error": error.to_string(),
            "help": help,
        }),
        outcome: Outcome::Failed,
    }
}

fn in_brackets(environment: Option<&str>) -> String {
    environment.map_or(String::new(), |name| format!(" ({name})"))
}
