//! Sends a plan, in its order. Decides nothing.

use std::time::Duration;

use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::deletion::{PATIENCE, request_deletion, wait_until_gone};
use super::explain::explain;
use super::observe::to_value;
use super::retry::retried;
use super::{Connection, Error};
use crate::kinds::{Kind, MANAGER, ObjectId};
use crate::plan::replicas::{HAND_OVER_MANAGER, Transition, hand_over_body, release};
use crate::plan::{Action, Change, Plan};
use crate::ui::Ui;

/// Makes the namespace, when the plan is to create it: the lock of the apply has to be somewhere.
///
/// # Errors
/// See [`Error`].
pub async fn make_namespace(connection: &Connection, plan: &Plan, ui: Ui) -> Result<(), Error> {
    let creation = plan
        .changes
        .iter()
        .find(|change| change.id.kind == Kind::Namespace && change.action == Action::Create);
    match creation {
        Some(change) => send(connection, plan, change, ui).await,
        None => Ok(()),
    }
}

/// Sends the plan's writes: namespace, the ApplySet's parent with the superset of kinds, objects, deletions, the parent
/// with what remains. A crash anywhere in between leaves a state that the next apply completes.
///
/// # Errors
/// The first write that is refused ends it; what was written before stays.
pub async fn apply(connection: &Connection, plan: &Plan, ui: Ui) -> Result<(), Error> {
    wait_for_going(connection, plan, ui).await?;
    let (namespaces, others): (Vec<&Change>, Vec<&Change>) = plan
        .changes
        .iter()
        .partition(|change| change.id.kind == Kind::Namespace);
    for change in namespaces {
        send(connection, plan, change, ui).await?;
    }
    if let Some(body) = &plan.parent.before {
        send_apply(connection, &plan.parent.id, body, MANAGER, false).await?;
    }
    // An autoscaler that goes must not scale while its number passes to us.
    let (first, rest): (Vec<&Change>, Vec<&Change>) = others.into_iter().partition(|change| {
        change.id.kind == Kind::HorizontalPodAutoscaler && change.action == Action::Delete
    });
    for change in first.into_iter().chain(rest) {
        send(connection, plan, change, ui).await?;
    }
    if let Some(body) = &plan.parent.after {
        send_apply(connection, &plan.parent.id, body, MANAGER, false).await?;
    }
    Ok(())
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

async fn send(connection: &Connection, plan: &Plan, change: &Change, ui: Ui) -> Result<(), Error> {
    let done = match change.action {
        Action::Keep => return Ok(()),
        Action::Create => "created",
        Action::Update => "updated",
        Action::Replace => "replaced",
        Action::Delete => "deleted",
    };
    if matches!(change.action, Action::Delete | Action::Replace) {
        delete(connection, &change.id, change.uid.as_deref()).await?;
    }
    if let Some(body) = plan.body(change) {
        if let Transition::Begin { minimum } = change.transition {
            let mut with_number = body.clone();
            with_number["spec"]["replicas"] = json!(minimum);
            send_apply(connection, &change.id, &with_number, MANAGER, false).await?;
        }
        if let Transition::Begin { minimum: pods } | Transition::HandOver { current: pods } =
            change.transition
        {
            let part = hand_over_body(&body, pods);
            send_apply(connection, &change.id, &part, HAND_OVER_MANAGER, false).await?;
        }
        if let Transition::TakeBack { .. } = change.transition {
            release_number(connection, &change.id).await?;
        }
        // Force takes exactly the fields that the plan showed and the user agreed to: anything else that another
        // manager owned would have made the plans differ before this was reached.
        let force = !change.conflicts.is_empty()
            || matches!(change.transition, Transition::TakeBack { .. });
        send_apply(connection, &change.id, &body, MANAGER, force).await?;
    }
    ui.say(format_args!("  {} {done}", change.id));
    Ok(())
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

/// Deletes the object with that uid and waits until it is gone; one that is gone already is fine, another one of the
/// same name is not touched.
pub(super) async fn delete(
    connection: &Connection,
    id: &ObjectId,
    uid: Option<&str>,
) -> Result<(), Error> {
    request_deletion(connection, id, uid).await?;
    let object = (id.clone(), uid.map(str::to_owned));
    wait_until_gone(connection, &[object], PATIENCE).await
}
