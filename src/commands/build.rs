//! `uninlu build`

use schemars::JsonSchema;
use serde::Serialize;

use super::common::{StackArgs, exit};
use crate::document::{Body, Document, body};
use crate::image::docker::LocalImage;
use crate::image::{self, BuildOptions, Inputs};
use crate::interruption::GoingOn;
use crate::stack::{self, Image, Stack};
use crate::ui::{Ui, Unwritable, human_bytes};

/// Builds the stack's image, unless its inputs are unchanged; prints reference, digest and size
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  uninlu build
  uninlu build --push --json")]
pub struct Args {
    #[command(flatten)]
    stack: StackArgs,
    /// Pushes the image to its repository as well, unless the registry has it
    #[arg(long)]
    push: bool,
    /// Builds although the image is there, and runs every step anew
    #[arg(long)]
    no_cache: bool,
    /// Shows each line that a step of the build writes
    #[arg(long, short, conflicts_with = "quiet")]
    verbose: bool,
    /// Prints JSON
    #[arg(long)]
    json: bool,
}

/// What the command prints on stdout.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Outcome {
    /// `repository:tag`, the name in the engine.
    reference: String,
    /// blake3 of the inputs; null where the stack names its image.
    inputs: Option<String>,
    /// The image's id in the engine; null where that does not have it.
    id: Option<String>,
    /// Size in bytes, unpacked; null where the engine does not have it.
    size: Option<u64>,
    /// Whether something was built.
    built: bool,
    /// `repository@sha256:…`; null without `--push`.
    pinned: Option<String>,
}

/// What it prints with `--json`.
pub(super) const DOCUMENTS: &[Body] = &[body::<Outcome>];

/// Runs the command.
///
/// # Errors
/// An invalid stack file; whatever [`image::build`] and [`image::push`] meet.
pub async fn run(args: Args, ui: Ui) -> miette::Result<u8> {
    let stack = stack::load(&args.stack.stack, args.stack.env.as_deref())?;
    if let Image::Reference { reference, .. } = &stack.image {
        ui.say("nothing to build: the stack names its image");
        match args.json {
            true => show_json(&stack, named(reference), ui)?,
            false => ui.data(format_args!("{reference}\n"))?,
        }
        return Ok(exit::OK);
    }
    let inputs = image::inputs(&stack)?;
    let outcome = build(&stack, &inputs, &args, ui).await?;
    match args.json {
        true => show_json(&stack, outcome, ui)?,
        false => ui.data(text(&outcome))?,
    }
    Ok(exit::OK)
}

fn show_json(stack: &Stack, outcome: Outcome, ui: Ui) -> Result<(), Unwritable> {
    ui.json(&Document::new("build", stack.target(), outcome))
}

/// Of an image that is built elsewhere.
fn named(reference: &str) -> Outcome {
    Outcome {
        reference: reference.to_owned(),
        inputs: None,
        id: None,
        size: None,
        built: false,
        pinned: None,
    }
}

async fn build(
    stack: &Stack,
    inputs: &Inputs,
    args: &Args,
    ui: Ui,
) -> Result<Outcome, image::Error> {
    if args.push
        && !args.no_cache
        && let Some(pinned) = image::registered(inputs).await?
    {
        ui.say("nothing was built: the inputs are unchanged, and the registry has their image");
        let image = image::local(inputs).await?;
        return Ok(outcome(inputs, image, false, Some(pinned)));
    }
    let _going = GoingOn::new(
        "the build was stopped, and nothing was deployed; the steps that were finished are cached: the next build goes on from there",
    );
    let options = BuildOptions {
        no_cache: args.no_cache,
        verbose: args.verbose,
    };
    let built = image::build(stack, inputs, options, ui).await?;
    ui.say(image::summary(inputs, &built));
    let pinned = match args.push {
        true => Some(image::push(inputs, ui).await?),
        false => None,
    };
    Ok(outcome(inputs, Some(built.image), built.is_new, pinned))
}

fn outcome(
    inputs: &Inputs,
    image: Option<LocalImage>,
    built: bool,
    pinned: Option<String>,
) -> Outcome {
    let (id, size) = image.map(|image| (image.id, image.size)).unzip();
    Outcome {
        reference: inputs.reference(),
        inputs: Some(inputs.digest.clone()),
        id,
        size,
        built,
        pinned,
    }
}

fn text(outcome: &Outcome) -> String {
    let size = |size| format!("size       {} ({size} bytes)", human_bytes(size));
    let lines = [
        Some(format!("reference  {}", outcome.reference)),
        outcome
            .inputs
            .as_ref()
            .map(|inputs| format!("inputs     blake3:{inputs}")),
        outcome.id.as_ref().map(|id| format!("image      {id}")),
        outcome.size.map(size),
        outcome
            .pinned
            .as_ref()
            .map(|pinned| format!("pinned     {pinned}")),
    ];
    let lines: Vec<String> = lines.into_iter().flatten().collect();
    lines.join("\n") + "\n"
}
