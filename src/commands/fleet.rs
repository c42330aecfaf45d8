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

/// What became of one stack with one environment.
struct Planned {
    file: PathBuf,
    environment: Option<String>,
    result: Result<Delivery>,
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
            Err(error) => planned.push(Planned {
                file: file.clone(),
                environment: environment.map(str::to_owned),
                result: Err(error),
            }),
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
        let all: Vec<Value> = planned.iter().map(one_as_json).collect();
        ui.data(format_args!(
            "{:#}\n",
            json!({ "format_version": 1, "stacks": all })
        ));
    } else {
        planned.iter().for_each(|one| ui.data(row(one)));
    }
    let has_failed = planned.iter().any(|one| one.result.is_err());
    let has_changes = planned
        .iter()
        .any(|one| one.result.as_ref().is_ok_and(|it| !it.plan.is_empty()));
    Ok(match (has_failed, has_changes && detailed_exitcode) {
        (true, _) => exit::ERROR,
        (false, true) => exit::CHANGES,
        (false, false) => exit::OK,
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
    let result = plan_stack(&stack, Ui::new(true, Talk::Plain)).await;
    Planned {
        file: stack.file,
        environment: stack.environment,
        result: result.map(|(delivery, _)| delivery),
    }
}

fn row(one: &Planned) -> String {
    let environment = one
        .environment
        .as_ref()
        .map_or(String::new(), |name| format!(" ({name})"));
    let file = one.file.display();
    match &one.result {
        Ok(delivery) => {
            let target = &delivery.plan.goal.target;
            let mark = if delivery.plan.is_empty() {
                paint(GREEN, "=")
            } else {
                paint(YELLOW, "~")
            };
            format!(
                "{mark} {}{environment}  {}/{}  {}\n",
                paint(BOLD, &target.stack),
                target.context,
                target.namespace,
                render::summary(&delivery.plan)
            )
        }
        Err(error) => format!(
            "{} {file}{environment}  {}\n",
            paint(RED, "✗"),
            headline(error)
        ),
    }
}

/// The error in one line, with its mend.
fn headline(error: &Report) -> String {
    let help = error
        .help()
        .map_or(String::new(), |help| format!("; {help}"));
    let text = format!("{error}{help}");
    text.lines().collect::<Vec<_>>().join(" ")
}

fn one_as_json(one: &Planned) -> Value {
    match &one.result {
        Ok(delivery) => {
            let mut plan = render::json(&delivery.plan, delivery.outlook.as_ref());
            plan["file"] = json!(one.file);
            plan
        }
        Err(error) => json!({
            "file": one.file,
            "environment": one.environment,
            "error": error.to_string(),
            "help": error.help().map(|help| help.to_string()),
        }),
    }
}
