//! `uninlu gate`

use std::path::{Path, PathBuf};

use futures::future::join;
use miette::{Diagnostic, Result};

use super::findings::facts;
use super::planning::{goal, plan_stack, planned_image};
use crate::cli::{StackArgs, exit};
use crate::cluster;
use crate::gate::report::{self, Format, Told};
use crate::gate::{self, Cluster, Facts, Subject, Verdicts};
use crate::image::{self, Inputs, Resolved};
use crate::plan::outlook::Asked;
use crate::plan::render;
use crate::stack::{self, Image, LoadError, Stack};
use crate::ui::Ui;

/// Refuses what would not run well, for CI: the stack file, the plan, and rules over both
///
/// Exits with 3 when it refuses: for a finding of severity `error`, with --strict for a warning too. Writes nothing to
/// the cluster. docs/gate.md tells of waivers and rules of your own, docs/rules of each rule.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    stack: StackArgs,
    /// Asks no cluster and no registry: only what the file and its objects tell
    #[arg(long, conflicts_with = "detailed_exitcode")]
    offline: bool,
    /// Refuses warnings too
    #[arg(long)]
    strict: bool,
    /// In which form the findings are told
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Writes them to a file; people are told on stdout all the same
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Exits with 2 when nothing is refused and there are changes
    #[arg(long)]
    detailed_exitcode: bool,
}

#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("cannot write {}", file.display())]
#[diagnostic(help("name a file in a folder that exists and is yours: --out FILE"))]
struct Unwritable {
    file: PathBuf,
    #[source]
    source: std::io::Error,
}

/// Runs the command.
///
/// # Errors
/// Whatever keeps the stack from being read or planned.
pub async fn run(args: Args, ui: Ui) -> Result<u8> {
    let environment = args.stack.env.as_deref();
    let stack = match stack::load(&args.stack.stack, environment) {
        Ok(stack) => stack,
        Err(error) => {
            if let LoadError::Invalid(invalid) = &error {
                let file = relative(Path::new(&invalid.file));
                let what = format!("{file} is no valid stack file");
                tell(&args, &what, &file, None, &report::faults(invalid), ui)?;
            }
            return Err(error.into());
        }
    };
    let (mut verdicts, plan) = if args.offline {
        (offline(&stack).await?, None)
    } else {
        let (verdicts, plan) = planned(&stack, ui).await?;
        (verdicts, Some(plan))
    };
    verdicts.locate(|keys| stack::locate(&stack, keys));
    let summary = plan.as_ref().map(|plan| plan.summary.as_str());
    let file = relative(&stack.file);
    let what = format!("{}{}", stack.name, stack.target().words());
    tell(&args, &what, &file, summary, &verdicts, ui)?;
    let has_changes = plan.is_some_and(|plan| plan.has_changes);
    Ok(if verdicts.refuse(args.strict) {
        exit::REFUSED
    } else if args.detailed_exitcode && has_changes {
        exit::CHANGES
    } else {
        exit::OK
    })
}

/// What is told of the plan.
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
    let goal = goal(stack, planned_image(resolved));
    let cluster = Cluster::unasked(gate::UNASKED);
    let facts = Facts {
        image_size: image_size(stack, inputs.as_ref()).await,
        ..facts(stack, &goal.image, inputs.as_ref(), cluster)?
    };
    let subject = Subject::offline(stack, &goal, &facts, gate::today());
    Ok(gate::check(&subject))
}

async fn planned(stack: &Stack, ui: Ui) -> Result<(Verdicts, Planned)> {
    let (delivery, inputs) = plan_stack(stack, ui).await?;
    let (plan, outlook) = (&delivery.plan, delivery.outlook.as_ref());
    let (cluster, image_size) = join(
        cluster::capabilities(&delivery.connection),
        image_size(stack, inputs.as_ref()),
    )
    .await;
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

fn tell(
    args: &Args,
    what: &str,
    file: &str,
    plan: Option<&str>,
    verdicts: &Verdicts,
    ui: Ui,
) -> Result<()> {
    let told = Told {
        what,
        file,
        plan,
        verdicts,
        strict: args.strict,
    };
    let text = report::write(args.format, &told);
    let Some(file) = &args.out else {
        ui.data(text);
        return Ok(());
    };
    let plain = anstream::adapter::strip_str(&text).to_string();
    std::fs::write(file, plain).map_err(|source| Unwritable {
        file: file.clone(),
        source,
    })?;
    ui.data(report::write(Format::Text, &told));
    Ok(())
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
