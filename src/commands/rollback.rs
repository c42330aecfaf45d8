//! `uninlu rollback`

use miette::{Diagnostic, Result};

use super::common::{StackFirst, exit, given};
use super::delivery::{DeliveryArgs, deliver};
use super::late;
use super::planning::{Delivery, Look, Refused, plan_goal, refuse_release, releases};
use crate::cluster::{self, Releases, Skipped, Trust};
use crate::document::{Body, body};
use crate::image;
use crate::plan::release::{Release, newest, newest_ready};
use crate::plan::render::Planned;
use crate::plan::{FieldChange, Goal, Plan, PlannedImage};
use crate::stack::{self, Image, Stack};
use crate::ui::Ui;

/// Goes back to an earlier release: planned, shown and confirmed like any apply
///
/// What later releases created goes, as far as it belongs to this stack.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  uninlu rollback
  uninlu rollback uninlu.toml 3 --yes")]
pub struct Args {
    #[command(flatten)]
    stack: StackFirst,
    /// Number of the release, as `uninlu history` lists it; absent means the last one that ran before the present one
    number: Option<i64>,
    #[command(flatten)]
    delivery: DeliveryArgs,
}

#[derive(Debug, thiserror::Error, Diagnostic)]
enum Stop {
    #[error("there is no release {number} of {stack}; there are: {known}")]
    #[diagnostic(help("nothing was changed. `uninlu history` shows each of them"))]
    UnknownRelease {
        number: i64,
        stack: String,
        known: String,
    },
    #[error("no earlier release of {0} ever ran: there is nothing to go back to")]
    #[diagnostic(help(
        "nothing was changed. `uninlu history` lists what was applied; apply a stack file instead"
    ))]
    Nothing(String),
    #[error("the image of release {number} is gone: {reference}")]
    #[diagnostic(help(
        "nothing was changed. Check out the commit that `uninlu history --full` names and apply it: that builds the image again"
    ))]
    ImageGone { number: i64, reference: String },
}

/// What it prints with `--json`.
pub(super) const DOCUMENTS: &[Body] = &[body::<Planned>];

/// Runs the command.
///
/// # Errors
/// Whatever keeps the plan from being made or carried out; what was written before stays, and a rollback or an apply
/// completes it.
pub async fn run(args: Args, ui: Ui) -> Result<u8> {
    let (file, number) = args.stack.and(args.number, |text| text.parse().ok())?;
    let stack = stack::load(&file, args.stack.env.as_deref())?;
    let connection = cluster::connect(&stack.target(), &Trust::beside(&stack.source.file)).await?;
    let mut releases = releases(&connection, ui).await?;
    late::record(&connection, &mut releases, ui).await;
    let release = choose(&releases, number, &stack.name)?;
    refuse_release(release, &Goal::of_stack(&stack, stated_image(&stack), None))?;
    ui.say(format_args!(
        "back to release {}, applied by {} at {}",
        release.number,
        release.record.by,
        release.record.at.strftime("%FT%TZ")
    ));
    let goal = release.record.goal.clone().at(&connection.target);
    let planned = plan_goal(&connection, goal).await?;
    if changes_image(&planned.0) {
        check_image(release, ui).await?;
    }
    let delivery = Delivery {
        take: stack.apply.take.clone(),
        given: given(&file, args.stack.env.as_deref()),
        back_to: Some(release.number),
        ..Delivery::new(connection, planned, Look::AtChanges).await
    };
    deliver("rollback", delivery, &args.delivery, async || Ok(None), ui).await?;
    Ok(exit::OK)
}

/// The repository is what matters: what would be built of the files does not.
fn stated_image(stack: &Stack) -> PlannedImage {
    let reference = match &stack.image {
        Image::Build(build) => &build.repository,
        Image::Reference { reference, .. } => reference,
    };
    PlannedImage {
        reference: reference.clone(),
        to_be_built: None,
    }
}

fn choose<'a>(releases: &'a Releases, number: Option<i64>, stack: &str) -> Result<&'a Release> {
    let present = newest(releases).map_or(0, |release| release.number);
    let is_asked_for = |skipped: &&Skipped| match number {
        Some(number) => skipped.number == Some(number),
        // What is back of a release that is not believed is not known.
        None => skipped.number > Some(present),
    };
    if let Some(skipped) = releases.skipped.iter().find(is_asked_for) {
        return Err(Refused {
            number: skipped.number.unwrap_or_default(),
            reason: skipped.reason.clone(),
        }
        .into());
    }
    let found = match number {
        None => newest_ready(releases, present).ok_or_else(|| Stop::Nothing(stack.to_owned())),
        Some(number) => releases
            .iter()
            .find(|release| release.number == number)
            .ok_or_else(|| Stop::UnknownRelease {
                number,
                stack: stack.to_owned(),
                known: known(releases),
            }),
    };
    Ok(found?)
}

fn known(releases: &[Release]) -> String {
    let numbers = releases.iter().map(|release| release.number.to_string());
    let numbers = numbers.collect::<Vec<_>>().join(", ");
    if numbers.is_empty() {
        "none".into()
    } else {
        numbers
    }
}

fn changes_image(plan: &Plan) -> bool {
    let is_image = |field: &FieldChange| field.path.ends_with("].image");
    plan.changes
        .iter()
        .any(|change| change.fields.iter().any(is_image))
}

/// A registry that says "not there" stops it. One that does not answer from here may well answer the nodes.
async fn check_image(release: &Release, ui: Ui) -> Result<(), Stop> {
    let reference = &release.record.goal.image.reference;
    match image::registry::digest(reference).await {
        Ok(Some(_)) => Ok(()),
        Ok(None) => Err(Stop::ImageGone {
            number: release.number,
            reference: reference.clone(),
        }),
        Err(error) => {
            ui.warn(format_args!(
                "whether the image {reference} still exists could not be checked: {error}"
            ));
            Ok(())
        }
    }
}
