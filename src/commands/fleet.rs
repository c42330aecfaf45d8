//! Many stacks in one run.

use std::path::{Path, PathBuf};

use futures::{StreamExt, stream};
use miette::{Diagnostic, Report, Result};
use serde_json::{Value, json};
use walkdir::WalkDir;

use super::planning::{Delivery, plan_stack};
use crate::cli::exit;
use crate::plan::render;
use crate::stack;
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
    line: String,
    data: Value,
    outcome: Outcome,
}

#[derive(PartialEq)]
enum Outcome {
    Unchanged,
    Changed,
    Failed,
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
}

/// Plans every stack, a few files at a time, and tells each in a line.
///
/// # Errors
/// None: a stack that cannot be planned is a line, and exit code 1.
pub(super) async fn plan(
    files: &[PathBuf],
    wanted: Wanted<'_>,
    detailed_exitcode: bool,
    ui: Ui,
) -> Result<u8> {
    let step = ui.step(format!("planning {} stack files", files.len()));
    let mut results = stream::iter(files)
        .map(|file| plan_file(file, wanted))
        .buffered(AT_ONCE);
    let (mut planned, mut done) = (Vec::new(), 0);
    while let Some(of_file) = results.next().await {
        done += 1;
        if ui.is_interactive() {
            step.update(format_args!("{done} of {}", files.len()));
        }
        planned.extend(of_file);
    }
    step.done(format_args!("{} plans", planned.len()));
    let has = |outcome: Outcome| planned.iter().any(|one| one.outcome == outcome);
    let code = if has(Outcome::Failed) {
        exit::ERROR
    } else if detailed_exitcode && has(Outcome::Changed) {
        exit::CHANGES
    } else {
        exit::OK
    };
    if wanted.as_json {
        let all: Vec<Value> = planned.into_iter().map(|one| one.data).collect();
        let all = json!({ "format_version": 1, "stacks": all });
        ui.data(format_args!("{all:#}\n"));
    } else {
        planned.iter().for_each(|one| ui.data(&one.line));
    }
    Ok(code)
}

async fn plan_file(file: &Path, wanted: Wanted<'_>) -> Vec<Planned> {
    let loaded = if wanted.every_environment {
        stack::load_every(file)
    } else {
        stack::load(file, wanted.environment).map(|stack| vec![stack])
    };
    let stacks = match loaded {
        Ok(stacks) => stacks,
        Err(error) => return vec![failed(file, wanted.environment, &error.into())],
    };
    let mut planned = Vec::new();
    for stack in stacks {
        // Each would talk of its own steps; the summary is what is wanted.
        let result = plan_stack(&stack, Ui::new(true, Talk::Plain)).await;
        planned.push(match result {
            Ok((delivery, _)) => succeeded(file, &delivery, wanted.as_json),
            Err(error) => failed(file, stack.environment.as_deref(), &error),
        });
    }
    planned
}

fn succeeded(file: &Path, delivery: &Delivery, as_json: bool) -> Planned {
    let (plan, target) = (&delivery.plan, &delivery.plan.goal.target);
    let (mark, outcome) = if plan.is_empty() {
        (paint(GREEN, "="), Outcome::Unchanged)
    } else {
        (paint(YELLOW, "~"), Outcome::Changed)
    };
    let mut data = Value::Null;
    if as_json {
        data = render::json(plan, delivery.outlook.as_ref());
        data["file"] = json!(file);
    }
    let environment = in_brackets(target.environment.as_deref());
    Planned {
        line: format!(
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
    let (mark, file) = (paint(RED, "✗"), file.display().to_string());
    Planned {
        line: format!("{mark} {file}{}  {words}\n", in_brackets(environment)),
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
