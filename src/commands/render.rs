//! `uninlu render`

use clap::ValueEnum;
use miette::{IntoDiagnostic, Result};
use serde_json::Value;

use crate::cli::{StackArgs, exit};
use crate::image;
use crate::kinds::{self, Facts, prometheus};
use crate::stack::{self, Image, Stack};
use crate::ui::Ui;

/// Prints the objects as YAML, or what Prometheus needs; asks no cluster and no registry
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to print
    #[arg(value_enum, default_value_t = What::Objects)]
    what: What,
    #[command(flatten)]
    stack: StackArgs,
}

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

/// Runs the command.
///
/// # Errors
/// Whatever keeps the stack from being read.
pub async fn run(args: Args, ui: Ui) -> Result<u8> {
    let stack = stack::load(&args.stack.stack, args.stack.env.as_deref())?;
    match args.what {
        What::Objects => {
            let facts = Facts {
                image: image_reference(&stack)?,
            };
            let documents: Vec<String> = kinds::desired(&stack, &facts)
                .values()
                .map(yaml)
                .collect::<Result<_>>()?;
            ui.data(documents.join("---\n"));
        }
        What::ServiceMonitor => ui.data(yaml(&prometheus::service_monitor(&stack))?),
        What::Adapter => ui.data(yaml(&prometheus::adapter(&stack))?),
    }
    Ok(exit::OK)
}

fn image_reference(stack: &Stack) -> Result<String> {
    match &stack.image {
        Image::Reference { reference, .. } => Ok(reference.clone()),
        Image::Build(_) => Ok(image::inputs(stack)?.reference()),
    }
}

/// Long text stays on one line: folded, an image reference could not be found by its key.
pub(super) fn yaml(value: &Value) -> Result<String> {
    let options = serde_saphyr::ser_options! { folded_wrap_chars: usize::MAX };
    serde_saphyr::to_string_with_options(value, options).into_diagnostic()
}
