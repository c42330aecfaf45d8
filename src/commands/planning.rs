//! What `plan` and `apply` share: from a stack file to a plan.

use miette::Result;

use crate::cluster::{self, Connection};
use crate::gate::{self, Finding};
use crate::image::{self, Inputs, Resolved};
use crate::kinds::{self, Facts};
use crate::plan::{self, Plan, PlannedImage};
use crate::stack::{self, Stack};
use crate::ui::{RED, Ui, YELLOW, paint};

/// A plan with what an apply needs besides.
pub(super) struct Planned {
    pub(super) connection: Connection,
    pub(super) plan: Plan,
    /// The build's inputs, when the image is built here.
    pub(super) inputs: Option<Inputs>,
}

/// Resolves the image, asks the cluster, and derives the plan. Writes nothing.
pub(super) async fn plan_stack(stack: &Stack, ui: Ui) -> Result<Planned> {
    let step = ui.step("reading the image's inputs and the cluster");
    let connection = cluster::connect(stack).await?;
    let (resolved, inputs) = image::resolve(stack).await?;
    let plan = derive(stack, &connection, planned_image(resolved)).await?;
    step.done(format_args!("context {}", connection.context));
    Ok(Planned {
        connection,
        plan,
        inputs,
    })
}

/// Asks the cluster for its state and its prediction, and derives the plan.
pub(super) async fn derive(
    stack: &Stack,
    connection: &Connection,
    image: PlannedImage,
) -> Result<Plan> {
    let facts = Facts {
        image: image.reference.clone(),
    };
    let desired = plan::as_members(kinds::desired(stack, &facts), stack);
    let live = cluster::observe(connection, &desired).await?;
    Ok(plan::plan(stack, image, &desired, &live)?)
}

fn planned_image(resolved: Resolved) -> PlannedImage {
    match resolved {
        Resolved::Pinned { reference } => PlannedImage {
            reference,
            to_be_built: None,
        },
        Resolved::ToBeBuilt { reference, reason } => PlannedImage {
            reference,
            to_be_built: Some(reason),
        },
    }
}

/// Tells what the gate's rules found.
pub(super) fn tell_findings(stack: &Stack, ui: Ui) -> Vec<Finding> {
    let findings = gate::check(stack, gate::today());
    for finding in &findings {
        let style = if finding.severity == gate::Severity::Error {
            RED
        } else {
            YELLOW
        };
        ui.say(format_args!(
            "{} {} ({}): {}; {}",
            paint(style, finding.severity.word()),
            finding.rule,
            place(stack, finding.keys),
            finding.message,
            finding.mend
        ));
    }
    findings
}

/// `/srv/uninlu.toml:7, replicas`; only the key where it is a default.
fn place(stack: &Stack, keys: &'static [&'static str]) -> String {
    match stack::locate(stack, keys) {
        Some((key, line)) => format!("{}:{line}, {key}", stack.file.display()),
        None => keys.join(" or "),
    }
}
