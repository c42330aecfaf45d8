//! `uninlu render`

use std::path::PathBuf;

use clap::ValueEnum;
use miette::{Diagnostic, Result};

use super::common::{StackFirst, exit};
use super::effect::{NoEffect, refuse};
use super::leave::{self, yaml};
use crate::document::Body;
use crate::image;
use crate::kinds::{self, Facts, prometheus};
use crate::stack::{self, Image, Stack};
use crate::ui::Ui;

/// Prints the objects as YAML, or what Prometheus needs; asks no cluster and no registry
#[derive(Debug, clap::Args)]
#[command(visible_aliases = ["template"])]
#[command(after_help = "\
Examples:
  uninlu render --env staging
  uninlu render uninlu.toml adapter")]
pub struct Args {
    #[command(flatten)]
    stack: StackFirst,
    /// What to print [default: objects] [possible values: objects, service-monitor, adapter]
    #[arg(hide_possible_values = true)]
    what: Option<String>,
    /// In which form the objects leave: documents on stdout, or the files of a chart or a kustomization
    #[arg(long, value_enum, default_value_t = Format::Yaml)]
    format: Format,
    /// Folder for the files of a chart or a kustomization; it must not exist, or be empty
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// In which form objects leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// YAML documents
    Yaml,
    /// A Helm chart whose templates are the objects
    Helm,
    /// A kustomization and its resources
    Kustomize,
}

#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("a chart or a kustomization is a folder of files: where to?")]
#[diagnostic(help("name it with --out DIR"))]
struct NoFolder;

#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("`{0}` cannot be rendered")]
#[diagnostic(help("write objects, service-monitor or adapter after STACK"))]
struct NoWhat(String);

/// What can be rendered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// The stack's Kubernetes objects
    Objects,
    /// A ServiceMonitor for the Prometheus operator
    ServiceMonitor,
    /// The Prometheus Adapter's rule for requests per second
    Adapter,
}

/// It has no `--json`.
pub(super) const DOCUMENTS: &[Body] = &[];

/// Runs the command.
///
/// # Errors
/// Whatever keeps the stack from being read.
pub async fn run(args: Args, ui: Ui) -> Result<u8> {
    let (file, what) = stack_and_what(&args)?;
    refuse_without_effect(&args, what)?;
    let stack = stack::load(&file, args.stack.env.as_deref())?;
    match what {
        What::Objects => {
            let objects = kinds::desired(&stack, &facts(&stack)?);
            let files = match args.format {
                Format::Yaml => {
                    let documents: Vec<String> =
                        objects.values().map(yaml).collect::<Result<_>>()?;
                    ui.file(&documents.join("---\n"))?;
                    return Ok(exit::OK);
                }
                Format::Helm => leave::helm(&stack, &objects)?,
                Format::Kustomize => leave::kustomize(&objects)?,
            };
            leave::write(args.out.as_deref().ok_or(NoFolder)?, &files, ui)?;
        }
        What::ServiceMonitor => ui.file(&yaml(&prometheus::service_monitor(&stack))?)?,
        What::Adapter => ui.file(&yaml(&prometheus::adapter(&stack))?)?,
    }
    Ok(exit::OK)
}

/// Only objects have forms, and only two of the forms are files.
fn refuse_without_effect(args: &Args, what: What) -> Result<(), NoEffect> {
    let has_format = args.format != Format::Yaml;
    if what != What::Objects {
        let flags = [("--format", has_format), ("--out", args.out.is_some())];
        return refuse(&flags, "here: only objects leave as files");
    }
    let flags = [("--out", args.out.is_some() && !has_format)];
    refuse(
        &flags,
        "on YAML, which goes to stdout; --format names a form of files",
    )
}

/// WHAT came before STACK in earlier versions.
fn stack_and_what(args: &Args) -> Result<(PathBuf, What)> {
    let what = |text: &str| What::from_str(text, false).ok();
    let (file, last) = args.stack.and(args.what.clone(), |text| {
        what(text).map(|_| text.to_owned())
    })?;
    let Some(last) = last else {
        return Ok((file, What::Objects));
    };
    let first = file.to_str().and_then(what);
    match (what(&last), first) {
        (Some(what), _) => Ok((file, what)),
        (None, Some(what)) => Ok((PathBuf::from(last), what)),
        (None, None) => Err(NoWhat(last).into()),
    }
}

/// What rendering must know and the stack file cannot say.
pub(super) fn facts(stack: &Stack) -> Result<Facts> {
    let image = match &stack.image {
        Image::Reference { reference, .. } => reference.clone(),
        Image::Build(_) => image::inputs(stack)?.reference(),
    };
    Ok(Facts { image })
}
