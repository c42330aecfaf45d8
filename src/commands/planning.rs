//! What `plan`, `apply` and `rollback` share: from a goal to a plan.

use miette::Result;

use crate::cluster::{self, Connection};
use crate::image::{self, Inputs, Resolved};
use crate::plan::outlook::{self, Outlook};
use crate::plan::{self, Goal, Plan, PlannedImage};
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
    /// The release that the plan goes back to.
    pub(super) back_to: Option<i64>,
}

impl Delivery {
    /// Whether anything is to be written or built.
    pub(super) fn has_work(&self) -> bool {
        !self.plan.is_empty() || self.plan.goal.image.to_be_built.is_some()
    }
}

/// Resolves the image, asks the cluster, and derives the plan. Writes nothing. Besides it returns the build's inputs,
/// when the image is built here.
pub(super) async fn plan_stack(stack: &Stack, ui: Ui) -> Result<(Delivery, Option<Inputs>)> {
    let step = ui.step("reading the image's inputs and the cluster");
    let folder = stack.source.folder.clone();
    // git answers while the cluster does.
    let git = tokio::task::spawn_blocking(move || revision::version(&folder));
    let connection = cluster::connect(&stack.target()).await?;
    let (resolved, inputs) = image::resolve(stack).await?;
    let mut goal = goal(stack, planned_image(resolved));
    let live = cluster::observe(&connection, &goal.objects).await?;
    goal.git = git.await.unwrap_or_default();
    let plan = plan::plan(goal, &live)?;
    step.done(format_args!("context {}", connection.target.context));
    let delivery = Delivery {
        outlook: look_ahead(&connection, &plan).await,
        connection,
        plan,
        take: stack.apply.take.clone(),
        back_to: None,
    };
    Ok((delivery, inputs))
}

/// What the stack stands for with that image, but for its git commit.
pub(super) fn goal(stack: &Stack, image: PlannedImage) -> Goal {
    Goal {
        source: Some(stack.source.digest()),
        places: stack.places(),
        ..Goal::of_stack(stack, image)
    }
}

/// Asks the cluster for its state and its prediction, and derives the plan.
pub(super) async fn plan_goal(connection: &Connection, goal: Goal) -> Result<Plan> {
    let live = cluster::observe(connection, &goal.objects).await?;
    Ok(plan::plan(goal, &live)?)
}

/// Looks at what the plan's pods will meet; `None` when it leaves them as they are.
pub(super) async fn look_ahead(connection: &Connection, plan: &Plan) -> Option<Outlook> {
    let references = outlook::references(plan)?;
    outlook::look(plan, &cluster::surroundings(connection, &references).await)
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
