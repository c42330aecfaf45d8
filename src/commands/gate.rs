//! `uninlu gate`

use std::path::{Path, PathBuf};

use futures::future::join;
use futures::{StreamExt, stream};
use miette::{Diagnostic, Report, Result};

use super::common::{StackArgs, exit};
use super::discovery::Found;
use super::effect::of_one_stack;
use super::findings::facts;
use super::fleet;
use super::planning::{Look, plan_stack, planned_image};
use crate::cluster;
use crate::document::{Body, Place, body};
use crate::escape;
use crate::gate::report::{self, Format, Judgment};
use crate::gate::{self, Cluster, Facts, Subject, Verdicts};
use crate::image::{self, Inputs, Resolved};
use crate::plan::outlook::Asked;
use crate::plan::{Goal, render};
use crate::stack::{self, Image, Invalid, LoadError, Stack};
use crate::ui::{Ui, plain};

/// Refuses what would not run well, for CI: the stack file, the plan, and rules over both
///
/// Exits with 3 when it refuses: for a finding of severity `error`, with --strict for a warning too. Writes nothing to
/// the cluster. docs/gate.md describes waivers and rules of your own, docs/rules of each rule.
///
/// STACK may also be a folder with stacks below it, at any depth: then one report covers all, and the exit code is
/// the worst of theirs: 1, 3, 2, 0.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  uninlu gate --offline --strict
  uninlu gate stacks --format sarif --out gate.sarif")]
pub struct Args {
    #[command(flatten)]
    stack: StackArgs,
    /// Asks no cluster and no registry: only what the file and its objects say
    #[arg(long, conflicts_with = "detailed_exitcode")]
    offline: bool,
    /// Refuses warnings too
    #[arg(long)]
    strict: bool,
    /// In which form the findings are written
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Prints the findings as JSON on stdout: short for `--format json`
    #[arg(long, conflicts_with_all = ["format", "out"])]
    json: bool,
    /// Writes them to a file; people see them on stdout all the same
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Exits with 2 when nothing is refused and there are changes
    #[arg(long)]
    detailed_exitcode: bool,
    /// With a folder of stacks: the base of each, and with each of its environments
    #[arg(long, conflicts_with = "env")]
    every_environment: bool,
}

#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("cannot write {}", file.display())]
#[diagnostic(help("name a file in a folder that exists and is yours: --out FILE"))]
struct Unwritable {
    file: PathBuf,
    #[source]
    source: std::io::Error,
}

/// A stack and the gate's word on it.
struct Judged {
    place: Place,
    /// `siamese-uninlu in namespace nlu of context prod`
    what: String,
    /// As the reader finds it.
    file: String,
    /// `None` where no cluster was asked.
    plan: Option<Planned>,
    verdicts: Verdicts,
    /// The verdicts say why there are no findings.
    is_error: bool,
}

/// What it prints with `--json`.
pub(super) const DOCUMENTS: &[Body] = &[body::<report::Report>, body::<report::Reports>];

/// Runs the command.
///
/// # Errors
/// Whatever keeps the stack from being read or planned; of a folder's stacks each is reported for itself.
pub async fn run(args: Args, ui: Ui) -> Result<u8> {
    if let Some(found) = fleet::every_file(&args.stack.stack)? {
        return run_all(&args, &found, ui).await;
    }
    of_one_stack(args.every_environment)?;
    let print_one = |judged: &Judged| {
        let judgment = judged.judgment(args.strict);
        print(&args, |format| report::write(format, &judgment), ui)
    };
    let stack = match stack::load(&args.stack.stack, args.stack.env.as_deref()) {
        Ok(stack) => stack,
        Err(error) => {
            if let LoadError::Invalid(invalid) = &error {
                print_one(&Judged::of_invalid(invalid))?;
                if args.json {
                    return Ok(exit::ERROR);
                }
            }
            return Err(error.into());
        }
    };
    let judged = judge(&stack, args.offline, ui).await?;
    print_one(&judged)?;
    Ok(judged.code(&args))
}

/// Judges the stacks of a folder, a few files at a time, and shows all in one report; one that cannot be judged hides
/// no other.
async fn run_all(args: &Args, found: &Found, ui: Ui) -> Result<u8> {
    let files = &found.files;
    let step = ui.step(format!("judging {} stack files", files.len()));
    let of_files: Vec<Vec<Judged>> = stream::iter(files)
        .map(|file| judge_file(file, args))
        .buffered(fleet::AT_ONCE)
        .collect()
        .await;
    let unread = found.unread.iter().map(|unread| {
        let folder = &unread.folder;
        let what = format!("stacks in {}", relative(folder));
        Judged::of_failure(what, folder, format!("{unread}: {}", unread.source), unread)
    });
    let all: Vec<Judged> = of_files.into_iter().flatten().chain(unread).collect();
    step.done(format_args!("{} stacks", all.len()));
    let judgments: Vec<Judgment> = all.iter().map(|one| one.judgment(args.strict)).collect();
    let folder = relative(&args.stack.stack);
    print(
        args,
        |format| report::write_all(format, &folder, &judgments),
        ui,
    )?;
    let codes: Vec<u8> = all.iter().map(|one| one.code(args)).collect();
    Ok(worst(&codes))
}

/// An error comes before a refusal: what else would be refused is not known.
fn worst(codes: &[u8]) -> u8 {
    const WORST_FIRST: [u8; 3] = [exit::ERROR, exit::REFUSED, exit::CHANGES];
    let worst = WORST_FIRST.into_iter().find(|code| codes.contains(code));
    worst.unwrap_or(exit::OK)
}

/// Each stack of a file.
async fn judge_file(file: &Path, args: &Args) -> Vec<Judged> {
    let environment = args.stack.env.as_deref();
    let stacks = match fleet::load(file, environment, args.every_environment) {
        Ok(stacks) => stacks,
        Err(LoadError::Invalid(invalid)) => return vec![Judged::of_invalid(&invalid)],
        Err(error) => return vec![Judged::of_error(relative(file), file, &error.into())],
    };
    let mut all = Vec::new();
    for stack in stacks {
        let judged = judge(&stack, args.offline, fleet::SILENT).await;
        all.push(judged.unwrap_or_else(|error| Judged {
            place: stack.target().into(),
            ..Judged::of_error(words(&stack), file, &error)
        }));
    }
    all
}

async fn judge(stack: &Stack, is_offline: bool, ui: Ui) -> Result<Judged> {
    let (mut verdicts, plan) = if is_offline {
        (offline(stack).await?, None)
    } else {
        let (verdicts, plan) = planned(stack, ui).await?;
        (verdicts, Some(plan))
    };
    verdicts.locate(|keys| stack.locate(keys));
    Ok(Judged {
        place: stack.target().into(),
        what: words(stack),
        file: relative(&stack.source.file),
        plan,
        verdicts,
        is_error: false,
    })
}

fn words(stack: &Stack) -> String {
    format!("{}{}", stack.name, stack.target().words())
}

impl Judged {
    fn of_invalid(invalid: &Invalid) -> Self {
        let file = relative(Path::new(&invalid.file));
        Self {
            place: Place::NONE,
            what: format!("{file} is not a valid stack file"),
            file,
            plan: None,
            verdicts: report::errors(invalid),
            is_error: true,
        }
    }

    fn of_error(what: String, file: &Path, error: &Report) -> Self {
        Self::of_failure(what, file, fleet::causes(error), error.as_ref())
    }

    fn of_failure(what: String, file: &Path, words: String, error: &dyn Diagnostic) -> Self {
        let file = relative(file);
        let fix = error.help().map_or_else(
            || format!("`uninlu gate {file}` shows more"),
            |help| help.to_string(),
        );
        Self {
            place: Place::NONE,
            what,
            file,
            plan: None,
            verdicts: report::not_judged(words, fix),
            is_error: true,
        }
    }

    fn judgment(&self, strict: bool) -> Judgment<'_> {
        Judgment {
            place: &self.place,
            what: &self.what,
            file: &self.file,
            plan: self.plan.as_ref().map(|plan| plan.summary.as_str()),
            verdicts: &self.verdicts,
            strict,
        }
    }

    fn code(&self, args: &Args) -> u8 {
        let has_changes = self.plan.as_ref().is_some_and(|plan| plan.has_changes);
        if self.is_error {
            exit::ERROR
        } else if self.verdicts.refuse(args.strict) {
            exit::REFUSED
        } else if args.detailed_exitcode && has_changes {
            exit::CHANGES
        } else {
            exit::OK
        }
    }
}

/// What is shown of the plan.
struct Planned {
    summary: String,
    has_changes: bool,
}

async fn offline(stack: &Stack) -> Result<Verdicts> {
    let (resolved, inputs) = match &stack.image {
        Image::Reference { reference, .. } => {
            let reference = reference.clone();
            (Resolved::Pinned { reference }, None)
        }
        Image::Build(_) => {
            let inputs = image::inputs(stack)?;
            let resolved = Resolved::ToBeBuilt {
                reference: inputs.reference(),
                reason: "the registry was not asked".to_owned(),
            };
            (resolved, Some(inputs))
        }
    };
    let goal = Goal::of_stack(stack, planned_image(resolved), None);
    let cluster = Cluster::unasked(gate::UNASKED);
    let facts = Facts {
        image_size: image_size(stack, inputs.as_ref()).await,
        ..facts(stack, &goal.image, inputs.as_ref(), cluster)?
    };
    let subject = Subject::offline(stack, &goal, &facts, gate::today());
    Ok(gate::check(&subject))
}

async fn planned(stack: &Stack, ui: Ui) -> Result<(Verdicts, Planned)> {
    let (delivery, inputs) = plan_stack(stack, Look::AtAll, ui).await?;
    let (plan, outlook) = (&delivery.plan, delivery.outlook.as_ref());
    let (cluster, image_size) = join(
        cluster::capabilities(&delivery.connection),
        image_size(stack, inputs.as_ref()),
    )
    .await;
    let mut warnings = delivery.warnings.clone();
    warnings.extend(delivery.connection.warnings());
    let cluster = Cluster {
        warnings,
        ..cluster
    };
    let facts = Facts {
        image_size,
        ..facts(stack, &plan.goal.image, inputs.as_ref(), cluster)?
    };
    let subject = Subject::planned(stack, plan, outlook, &facts, gate::today());
    let planned = Planned {
        summary: render::summary(plan),
        has_changes: !plan.is_empty(),
    };
    Ok((gate::check(&subject), planned))
}

/// Asked of the engine only where there is a budget to hold.
async fn image_size(stack: &Stack, inputs: Option<&Inputs>) -> Asked<u64> {
    let has_budget = matches!(&stack.image, Image::Build(build) if build.max_size.is_some());
    let (true, Some(inputs)) = (has_budget, inputs) else {
        return Err("the stack has no budget for it".to_owned());
    };
    match image::local(inputs).await {
        Ok(Some(image)) => Ok(image.size),
        Ok(None) => Err("no local Docker engine has the image, and there is no profile".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn print(args: &Args, write: impl Fn(Format) -> String, ui: Ui) -> Result<()> {
    let format = match args.json {
        true => Format::Json,
        false => args.format,
    };
    let text = write(format);
    let Some(file) = &args.out else {
        match format {
            Format::Text | Format::Markdown => ui.data(text)?,
            // Escaped in their own ways.
            Format::Json | Format::Junit | Format::Sarif | Format::Github => ui.file(&text)?,
        }
        return Ok(());
    };
    let text = match format {
        Format::Text => escape::log(&plain(&text)),
        _ => text,
    };
    std::fs::write(file, text).map_err(|source| Unwritable {
        file: file.clone(),
        source,
    })?;
    Ok(ui.data(write(Format::Text))?)
}

/// As a reader in this folder finds the file: a CI system knows paths of the checkout.
fn relative(file: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    let clean = path_clean::clean(file);
    clean
        .strip_prefix(&here)
        .unwrap_or(&clean)
        .display()
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_code_counts() {
        assert_eq!(worst(&[]), exit::OK);
        assert_eq!(worst(&[exit::OK, exit::CHANGES]), exit::CHANGES);
        assert_eq!(worst(&[exit::CHANGES, exit::REFUSED]), exit::REFUSED);
        assert_eq!(worst(&[exit::REFUSED, exit::ERROR, exit::OK]), exit::ERROR);
    }
}
