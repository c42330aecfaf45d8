//! Sends the writes of a plan, in their order. Decides nothing.

use std::time::Duration;

use kube::api::{Patch, PatchParams};
use serde_json::Value;

use super::deletion::{PATIENCE, request_deletion, wait_until_gone};
use super::explain::explain;
use super::observe::to_value;
use super::retry::retried;
use super::{Connection, Error};
use crate::kinds::{MANAGER, ObjectId};
use crate::plan::replicas::release;
use crate::plan::{Action, Plan, Write};
use crate::ui::Ui;

/// Makes the namespace, when the plan is to create it: the lock of the apply has to be somewhere.
///
/// # Errors
/// See [`Error`].
pub async fn make_namespace(connection: &Connection, plan: &Plan, ui: Ui) -> Result<(), Error> {
    if let Some(write) = plan.namespace_creation() {
        send(connection, write, PATIENCE).await?;
        say_done(plan, write.id(), ui);
    }
    Ok(())
}

/// Sends the plan's writes. A crash anywhere in between leaves a state that the next apply completes.
///
/// # Errors
/// The first write that is refused ends it; what was written before stays.
pub async fn apply(connection: &Connection, plan: &Plan, ui: Ui) -> Result<(), Error> {
    wait_for_going(connection, plan, ui).await?;
    for writes in plan.writes.chunk_by(|one, next| one.id() == next.id()) {
        for write in writes {
            send(connection, write, PATIENCE).await?;
        }
        if let Some(last) = writes.last() {
            say_done(plan, last.id(), ui);
        }
    }
    Ok(())
}

/// The ApplySet's parent is no change of the plan, and is not reported.
fn say_done(plan: &Plan, id: &ObjectId, ui: Ui) {
    let mut changes = plan.changes.iter();
    let done = match changes.find(|change| change.id == *id).map(|it| it.action) {
        Some(Action::Create) => "created",
        Some(Action::Update) => "updated",
        Some(Action::Replace) => "replaced",
        Some(Action::Delete) => "deleted",
        Some(Action::Keep) | None => return,
    };
    ui.say(format_args!("  {id} {done}"));
}

/// Waits until what is being deleted is gone, before anything is written: what comes after it needs its name.
async fn wait_for_going(connection: &Connection, plan: &Plan, ui: Ui) -> Result<(), Error> {
    let going: Vec<_> = plan.going().collect();
    for (id, going) in &going {
        ui.say(format_args!("waiting for {id} to go: it {}", going.words()));
    }
    let objects: Vec<_> = going
        .into_iter()
        .map(|(id, going)| (id.clone(), going.uid.clone()))
        .collect();
    let patience = PATIENCE.min(Duration::from_secs(plan.goal.wait.budget.into()));
    wait_until_gone(connection, &objects, patience).await
}

/// Sends one request, and waits where it says so.
pub(super) async fn send(
    connection: &Connection,
    write: &Write,
    patience: Duration,
) -> Result<(), Error> {
    match write {
        Write::Apply {
            id,
            body,
            manager,
            force,
        } => send_apply(connection, id, body, manager, *force).await,
        Write::ReleaseReplicas { id } => release_number(connection, id).await,
        Write::Delete { id, uid, wait } => {
            request_deletion(connection, id, uid.as_deref()).await?;
            if *wait {
                wait_until_gone(connection, &[write.object()], patience).await?;
            }
            Ok(())
        }
    }
}

/// A number that changes so often that it cannot be released stays shared, which a later conflict tells.
async fn release_number(connection: &Connection, id: &ObjectId) -> Result<(), Error> {
    const ATTEMPTS: usize = 5;
    let api = connection.api(id.kind);
    for _ in 0..ATTEMPTS {
        let live = retried(|| api.get(&id.name)).await;
        let live = live.map_err(|error| explain(error, connection, "get", id))?;
        let Some(patch) = release(&to_value(id.kind, live)) else {
            break;
        };
        if patch_json(connection, id, patch).await? {
            break;
        }
    }
    Ok(())
}

/// Sends a JSON patch that names the object's version; `false` when the object changed since it was looked at.
pub(super) async fn patch_json(
    connection: &Connection,
    id: &ObjectId,
    patch: Value,
) -> Result<bool, Error> {
    let parameters = PatchParams {
        field_manager: Some(MANAGER.to_owned()),
        ..Default::default()
    };
    let patch = serde_json::from_value(patch).expect("it was made as a JSON patch");
    let (api, patch) = (connection.api(id.kind), Patch::<Value>::Json(patch));
    match api.patch(&id.name, &parameters, &patch).await {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
        Err(error) => Err(explain(error, connection, "patch", id)),
    }
}

async fn send_apply(
    connection: &Connection,
    id: &ObjectId,
    body: &Value,
    manager: &str,
    force: bool,
) -> Result<(), Error> {
    let parameters = PatchParams {
        force,
        field_manager: Some(manager.to_owned()),
        ..Default::default()
    };
    // To send the same body once more changes nothing, so an answer that was lost does no harm.
    let (api, patch) = (connection.api(id.kind), Patch::Apply(body));
    let result = retried(|| api.patch(&id.name, &parameters, &patch)).await;
    result.map_err(|error| explain(error, connection, "apply", id))?;
    Ok(())
}
