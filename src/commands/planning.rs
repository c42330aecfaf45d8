//! What `plan`, `apply` and `rollback` share: from a goal to a plan.

use futures::future::{OptionFuture, join};
use miette::{Diagnostic, Result};

use crate::cluster::{self, Connection, Releases, Trust};
use crate::document::Document;
use crate::gate;
use crate::image::{self, Inputs, Resolved};
use crate::plan::outlook::{self, Block, Outlook};
use crate::plan::release::Release;
use crate::plan::render::{Detail, Planned};
use crate::plan::{self, Goal, Nearby, Plan, PlannedImage, provenance, render};
use crate::revision;
use crate::stack::Stack;
use crate::ui::Ui;

/// A plan and where to carry it out.
pub(super) struct Delivery {
    pub(super) connection: Connection,
    pub(super) plan: Plan,
    /// What its pods will meet.
    pub(super) outlook: Option<Outlook>,
    /// Fields that the stack file takes from other managers, in the notation of `--take`.
    pub(super) take: Vec<String>,
    /// How a next command names the stack; nothing where it has no file.
    pub(super) given: String,
    /// The release that the plan goes back to.
    pub(super) back_to: Option<i64>,
    /// What the API server warned of while it was planned.
    pub(super) warnings: Vec<String>,
}

impl Delivery {
    /// Looks at what the plan's pods will meet.
    pub(super) async fn new(
        connection: Connection,
        (plan, nearby): (Plan, Nearby),
        look: Look,
    ) -> Self {
        Self {
            outlook: look_ahead(&connection, &plan, &nearby, look).await,
            warnings: connection.warnings(),
            connection,
            plan,
            take: Vec::new(),
            given: String::new(),
            back_to: None,
        }
    }

    /// The plan and all that is shown with it.
    pub(super) fn text(&self, detail: Detail) -> String {
        let plan = render::text(&self.plan, self.outlook.as_ref(), detail);
        plan + &render::warnings(&self.warnings)
    }

    /// The same for a pull request.
    pub(super) fn markdown(&self) -> String {
        let plan = render::markdown(&self.plan, self.outlook.as_ref());
        plan + &render::warnings_in_markdown(&self.warnings)
    }

    /// The same for programs.
    pub(super) fn json(&self) -> Planned {
        render::json(&self.plan, self.outlook.as_ref(), &self.warnings)
    }

    /// What `command` prints of it with `--json`.
    pub(super) fn document(&self, command: &str) -> Document<Planned> {
        Document::new(command, &self.plan.goal.target, self.json())
    }

    /// Whether anything is to be written or built.
    pub(super) fn has_work(&self) -> bool {
        !self.plan.is_empty() || self.plan.goal.image.to_be_built.is_some()
    }

    /// By what its rollout gets stuck, whatever comes.
    pub(super) fn blocks(&self) -> impl Iterator<Item = &Block> {
        self.outlook.iter().flat_map(Outlook::blocks)
    }

    /// By what its rollout gets stuck, also where a node may yet come.
    pub(super) fn doubts(&self) -> impl Iterator<Item = &Block> {
        self.outlook.iter().flat_map(Outlook::doubts)
    }
}

/// Resolves the image, asks the cluster, and derives the plan. Writes nothing. Besides it returns the build's inputs,
/// when the image is built here.
pub(super) async fn plan_stack(
    stack: &Stack,
    look: Look,
    ui: Ui,
) -> Result<(Delivery, Option<Inputs>)> {
    let step = ui.step("reading the image's inputs and the cluster");
    let folder = stack.source.folder.clone();
    // git answers while the image's inputs are read.
    let git = tokio::task::spawn_blocking(move || revision::version(&folder));
    let connection = cluster::connect(&stack.target(), &Trust::beside(&stack.source.file)).await?;
    let (resolved, inputs) = image::resolve(stack).await?;
    let git = git.await.unwrap_or_default();
    let goal = Goal::of_stack(stack, planned_image(resolved), git);
    let (plan, nearby) = plan_goal(&connection, goal).await?;
    step.done(format_args!("context {}", connection.target.context));
    let delivery = Delivery {
        take: stack.apply.take.clone(),
        ..Delivery::new(connection, (plan, nearby), look).await
    };
    Ok((delivery, inputs))
}

/// Asks the cluster for its state and its prediction, and derives the plan; besides it returns what else is there.
pub(super) async fn plan_goal(connection: &Connection, goal: Goal) -> Result<(Plan, Nearby)> {
    let live = cluster::observe(connection, &goal.objects).await?;
    Ok((plan::plan(goal, &live)?, live.nearby))
}

/// The stack's releases; the records that are not believed are named.
pub(super) async fn releases(connection: &Connection, ui: Ui) -> Result<Releases> {
    let releases = cluster::releases(connection).await?;
    for skipped in &releases.skipped {
        ui.warn(format_args!(
            "ControllerRevision {}/{} is skipped: it is not a release of this stack: {}",
            connection.target.namespace, skipped.name, skipped.reason
        ));
    }
    Ok(releases)
}

/// Why a record is not applied.
#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("release {number} is not applied: {reason}")]
#[diagnostic(help(
    "nothing was changed by it. If it is meant, write it into the stack file and apply that; otherwise name another release (`uninlu rollback NUMBER`), and find out who wrote this ControllerRevision"
))]
pub(super) struct Refused {
    pub(super) number: i64,
    pub(super) reason: String,
}

/// Refuses a release that reaches what the stack does not name, or whose pods the gate's rules refuse.
pub(super) fn refuse_release(release: &Release, stack: &Goal) -> Result<(), Refused> {
    let goal = &release.record.goal;
    let refused = provenance::outside(goal, stack);
    let refused = refused.or_else(|| gate::refuse_pods(&goal.objects).into_iter().next());
    refused.map_or(Ok(()), |reason| {
        Err(Refused {
            number: release.number,
            reason,
        })
    })
}

/// How far around is looked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// At kinds that no stack is made of only when there is something to do: each is one more request.
    AtChanges,
    /// At them all: a gate judges what is there.
    AtAll,
}

/// Looks at what the plan's pods will meet; `None` when it leaves them as they are, and nothing is in their way.
async fn look_ahead(
    connection: &Connection,
    plan: &Plan,
    nearby: &Nearby,
    look: Look,
) -> Option<Outlook> {
    let references = outlook::references(plan);
    let (around, workloads) = join(
        OptionFuture::from(
            references
                .as_ref()
                .map(|references| cluster::surroundings(connection, references)),
        ),
        OptionFuture::from(
            (look == Look::AtAll || !plan.is_empty()).then(|| cluster::workloads(connection)),
        ),
    )
    .await;
    let mut nearby = nearby.clone();
    if let Some(workloads) = workloads {
        nearby.others.extend(workloads.others);
        nearby.unknown.extend(workloads.unknown);
    }
    let outlook = around.and_then(|around| outlook::look(plan, &around));
    outlook::with_nearby(outlook, plan, &nearby)
}

pub(super) fn planned_image(resolved: Resolved) -> PlannedImage {
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

/// The reference, pinned by its digest, of the image that is built of the inputs.
pub(super) async fn build(
    stack: &Stack,
    inputs: Option<&Inputs>,
    ui: Ui,
) -> Result<Option<String>> {
    match inputs {
        Some(inputs) => Ok(Some(image::build_and_push(stack, inputs, ui).await?)),
        None => Ok(None),
    }
}
