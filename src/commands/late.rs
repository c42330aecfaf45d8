//! A release whose pods became ready after the wait for them had ended: recorded as ready by the next command that sees it
//! and may write, so that `rollback` finds it. `plan`, `drift` and `gate` write nothing, and leave it to the others.

use jiff::Timestamp;
use miette::Result;
use serde_json::Value;

use super::planning::plan_goal;
use crate::cluster::{self, Connection, Releases};
use crate::kinds::{Kind, Progress, progress};
use crate::plan::release::{Outcome, Record, Release, newest};
use crate::ui::Ui;

/// As [`record`], for those who do not have the releases yet: the releases, none where this user may not list them, who
/// has no right to write them either.
pub(super) async fn see(connection: &Connection, ui: Ui) -> Releases {
    let mut releases = cluster::releases(connection).await.unwrap_or_default();
    record(connection, &mut releases, ui).await;
    releases
}

/// Looks whether the newest release, where it is not recorded as ready, is so by now: nothing of it is left to write, and
/// its pods are ready. Of older ones the cluster says nothing any more.
pub(super) async fn record(connection: &Connection, releases: &mut [Release], ui: Ui) {
    let Some(number) = newest(releases).map(|release| release.number) else {
        return;
    };
    let Some(release) = releases.iter_mut().find(|it| it.number == number) else {
        return;
    };
    if matches!(release.outcome, Outcome::Ready { .. }) {
        return;
    }
    let Ok(Some(outcome)) = readiness(connection, &release.record).await else {
        return;
    };
    match cluster::end(connection, number, &outcome).await {
        Ok(()) => {
            ui.say(format_args!(
                "release {number} is recorded as ready: its pods became ready after the wait for them had ended"
            ));
            release.outcome = outcome;
        }
        Err(cluster::Error::Forbidden { .. }) => (),
        Err(error) => ui.warn(format_args!(
            "release {number} is ready by now, which could not be recorded: {error}"
        )),
    }
}

async fn readiness(connection: &Connection, record: &Record) -> Result<Option<Outcome>> {
    let kind = Kind::Deployment;
    let live = cluster::ours(connection, &[kind].into()).await?;
    let mut live = live.into_iter();
    let own = live.find(|(id, _)| id.name == connection.target.stack);
    let Some((_, deployment)) = own.filter(|(_, it)| progress(kind, it) == Progress::Ready) else {
        return Ok(None);
    };
    let (plan, _) = plan_goal(connection, record.goal.clone().at(&connection.target)).await?;
    let is_whole = plan.is_empty() && plan.forbidden().is_none();
    Ok(is_whole.then(|| Outcome::Ready {
        seconds: seconds(record.at, ready_since(&deployment)),
    }))
}

/// When Kubernetes called the rollout complete.
fn ready_since(deployment: &Value) -> Option<Timestamp> {
    let mut conditions = deployment["status"]["conditions"].as_array()?.iter();
    let complete = conditions.find(|it| it["reason"] == "NewReplicaSetAvailable")?;
    complete["lastUpdateTime"].as_str()?.parse().ok()
}

/// A release that replaced no pod was ready before it began.
fn seconds(began: Timestamp, ready: Option<Timestamp>) -> u64 {
    let ready = ready.unwrap_or(began);
    u64::try_from((ready - began).get_seconds()).unwrap_or(0)
}
