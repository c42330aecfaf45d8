//! Watches a rollout until it is done, or until the reason why it will not be is final.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

use futures::stream::{BoxStream, select_all};
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::{Event, Pod};
use kube::api::LogParams;
use kube::core::NamespaceResourceScope;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::Instant;

use super::error::explain;
use super::metrics::metric_state;
use super::observe::{retried, to_value};
use super::{Connection, Error};
use crate::kinds::rollout::{Report, Scene};
use crate::kinds::{self, AutoscalerMetric, Kind, MetricState, Progress, instance_selector};
use crate::ui::Step;

/// How long an obstacle that hardly goes away by itself may stand before it counts as final.
const GRACE: Duration = Duration::from_secs(15);

/// One thing that happened to one of the watched objects.
enum Change {
    Deployment(Deployment),
    ReplicaSet(ReplicaSet),
    Pod(Pod),
    PodGone(Pod),
    Event(Event),
}

/// Waits for the Deployment's rollout; says what it waits for.
///
/// # Errors
/// [`Error::Rollout`] with the reason, as soon as it is final or when `budget` is used up.
pub async fn watch_rollout(
    connection: &Connection,
    budget: Duration,
    step: &Step,
) -> Result<(), Error> {
    let started = Instant::now();
    let mut watch = Watch::default();
    let mut changes = changes(connection);
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            change = changes.next() => if let Some(change) = change { watch.take(change) },
            _ = tick.tick() => (),
        }
        let report = watch.scene.report();
        if report.deployment == Progress::Ready {
            watch.sum_up(step);
            return Ok(());
        }
        watch.tell(&report, step);
        let failure = watch
            .failure(&report)
            .or_else(|| (started.elapsed() > budget).then(|| Failure::after(budget, &report)));
        if let Some(failure) = failure {
            watch.sum_up(step);
            return Err(failed(connection, &report, failure).await);
        }
    }
}

/// Why the autoscaler does not scale as it should, once it has looked at the metrics that it reads; `None` when it does, or
/// when it has not looked within a while.
///
/// An API that nobody serves is told at once. A value that is missing may be that of a new pod: it is waited for.
///
/// # Errors
/// See [`Error`].
pub async fn autoscaler_trouble(
    connection: &Connection,
    metrics: &[AutoscalerMetric],
) -> Result<Option<String>, Error> {
    let kind = Kind::HorizontalPodAutoscaler;
    let (api, name) = (connection.api(kind), &connection.target.stack);
    let id = connection.object_id(kind, name);
    let started = Instant::now();
    loop {
        let missing = match unserved(connection, metrics).await {
            Some(Unserved::Api(reason)) => return Ok(Some(reason)),
            Some(Unserved::Values(reason)) => Some(reason),
            None => None,
        };
        let live = retried(|| api.get(name)).await;
        let live = live.map_err(|error| explain(error, connection, "get", &id))?;
        let live = to_value(kind, live);
        let trouble = match kinds::progress(kind, &live) {
            Progress::Failed(reason) => return Ok(Some(reason)),
            Progress::Waiting(reason) if has_looked(&live) => Some(reason),
            Progress::Waiting(_) if started.elapsed() > FIRST_LOOK => return Ok(None),
            Progress::Waiting(_) => None,
            Progress::Ready if missing.is_none() => return Ok(None),
            Progress::Ready => missing,
        };
        if trouble.is_some() && started.elapsed() > FIRST_VALUES {
            return Ok(trouble);
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// Why a metric cannot be read.
enum Unserved {
    /// Nobody serves its API.
    Api(String),
    /// No pod has it yet.
    Values(String),
}

/// The worst that is wrong with the metrics. Where this user may not look, the autoscaler's own words are all there is.
async fn unserved(connection: &Connection, metrics: &[AutoscalerMetric]) -> Option<Unserved> {
    let mut missing = None;
    for metric in metrics {
        let (group, name) = (metric.group(), metric.name());
        match metric_state(connection, metric).await {
            Ok(MetricState::NoApi(reason)) => {
                return Some(Unserved::Api(format!("{group} does not answer ({reason})")));
            }
            Ok(MetricState::Missing) => {
                missing = Some(Unserved::Values(format!(
                    "{group} has `{name}` of no pod, and so it removes none"
                )));
            }
            Ok(MetricState::Served) | Err(_) => (),
        }
    }
    missing
}

/// It raises the pods to their minimum first, and looks at the metrics the next time.
fn has_looked(autoscaler: &Value) -> bool {
    let conditions = autoscaler["status"]["conditions"].as_array();
    conditions
        .into_iter()
        .flatten()
        .any(|condition| condition["type"] == "ScalingActive")
}

/// The controller comes by every 15 s.
const FIRST_LOOK: Duration = Duration::from_secs(40);

/// A new pod's first rate needs two scrapes, the adapter's look at which series there are, and the controller's next look.
const FIRST_VALUES: Duration = Duration::from_secs(90);

/// What was seen so far, since when each obstacle stands, and what was said last.
#[derive(Default)]
struct Watch {
    scene: Scene,
    since: BTreeMap<(String, &'static str), Instant>,
    said: String,
}

impl Watch {
    fn take(&mut self, change: Change) {
        match change {
            Change::Deployment(deployment) => {
                self.scene.deployment = serde_json::to_value(deployment).ok();
            }
            Change::ReplicaSet(set) => upsert(&mut self.scene.replica_sets, set),
            Change::Pod(pod) => upsert(&mut self.scene.pods, pod),
            Change::PodGone(pod) => self
                .scene
                .pods
                .retain(|known| known.metadata.uid != pod.metadata.uid),
            Change::Event(event) => upsert(&mut self.scene.events, event),
        }
    }

    fn tell(&mut self, report: &Report, step: &Step) {
        let words = report.summary();
        if words != self.said {
            step.update(&words);
            self.said = words;
        }
    }

    /// The events that a reader of the log would look for next.
    fn sum_up(&self, step: &Step) {
        for warning in self.scene.warnings() {
            step.log(format_args!("event: {warning}"));
        }
    }

    /// Why waiting on is of no use, if it is not.
    fn failure(&mut self, report: &Report) -> Option<Failure> {
        if let Progress::Failed(_) = &report.deployment {
            return Some(Failure {
                reason: report.summary(),
                mend: report.mend(),
            });
        }
        let obstacles = report.obstacles();
        self.since
            .retain(|key, _| obstacles.iter().any(|obstacle| obstacle.key == *key));
        obstacles.into_iter().find_map(|obstacle| {
            let since = self.since.entry(obstacle.key).or_insert_with(Instant::now);
            (obstacle.is_final || since.elapsed() > GRACE).then_some(Failure {
                reason: obstacle.reason,
                mend: obstacle.mend,
            })
        })
    }
}

/// Why the wait ends without success.
struct Failure {
    reason: String,
    mend: &'static str,
}

impl Failure {
    fn after(budget: Duration, report: &Report) -> Self {
        Self {
            reason: format!(
                "not done after {} s: {}",
                budget.as_secs(),
                report.summary()
            ),
            mend: report.mend(),
        }
    }
}

/// The error, with the last lines that a pod wrote before it ended.
async fn failed(connection: &Connection, report: &Report, failure: Failure) -> Error {
    let Failure { mut reason, mend } = failure;
    for (pod, _) in &report.pods {
        if let Some(log) = last_lines(connection, pod).await {
            reason = format!("{reason}\nlast lines of {pod}:\n{log}");
            break;
        }
    }
    Error::Rollout {
        object: connection.object_id(Kind::Deployment, &connection.target.stack),
        reason,
        mend,
    }
}

/// Of the container that ended, or else of the one that runs; a pod that never ran has no log.
async fn last_lines(connection: &Connection, pod: &str) -> Option<String> {
    const ROUNDS: usize = 3;
    let api: Api<Pod> = Api::namespaced(connection.client.clone(), &connection.target.namespace);
    for _ in 0..ROUNDS {
        let mut is_between_containers = false;
        for previous in [true, false] {
            let parameters = LogParams {
                tail_lines: Some(10),
                previous,
                ..Default::default()
            };
            match api.logs(pod, &parameters).await.map(Log::from_answer) {
                Ok(Log::Lines(lines)) => return Some(lines),
                Ok(Log::BetweenContainers) => is_between_containers = true,
                Ok(Log::Nothing) | Err(_) => (),
            }
        }
        if !is_between_containers {
            return None;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    None
}

/// What the kubelet answers when it is asked for a container's log.
#[derive(Debug, PartialEq)]
enum Log {
    Lines(String),
    /// While it removes a container it answers 200 with an apology for a log (GetContainerLogs in kuberuntime).
    BetweenContainers,
    Nothing,
}

impl Log {
    fn from_answer(answer: String) -> Self {
        match answer.trim_end() {
            "" => Self::Nothing,
            apology if apology.starts_with("unable to retrieve container logs for ") => {
                Self::BetweenContainers
            }
            lines => Self::Lines(lines.to_owned()),
        }
    }
}

fn upsert<K: Resource>(known: &mut Vec<K>, new: K) {
    match known
        .iter_mut()
        .find(|object| object.meta().uid == new.meta().uid)
    {
        Some(object) => *object = new,
        None => known.push(new),
    }
}

/// Everything that happens to the stack's Deployment, ReplicaSets, pods and their events. The watchers resume by
/// themselves after a cut.
fn changes(connection: &Connection) -> BoxStream<'static, Change> {
    let selector = instance_selector(&connection.target.stack);
    let by_name =
        watcher::Config::default().fields(&format!("metadata.name={}", connection.target.stack));
    let by_label = watcher::Config::default().labels(&selector);
    select_all([
        objects::<Deployment>(connection, by_name, |object, _| {
            Some(Change::Deployment(object))
        }),
        objects::<ReplicaSet>(connection, by_label.clone(), |object, _| {
            Some(Change::ReplicaSet(object))
        }),
        objects::<Pod>(connection, by_label, |object, gone| {
            Some(if gone {
                Change::PodGone(object)
            } else {
                Change::Pod(object)
            })
        }),
        objects::<Event>(connection, watcher::Config::default(), |object, gone| {
            (!gone).then_some(Change::Event(object))
        }),
    ])
    .boxed()
}

fn objects<K>(
    connection: &Connection,
    config: watcher::Config,
    change: impl Fn(K, bool) -> Option<Change> + Send + 'static,
) -> BoxStream<'static, Change>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + DeserializeOwned
        + Send
        + 'static,
{
    let api: Api<K> = Api::namespaced(connection.client.clone(), &connection.target.namespace);
    watcher(api, config)
        .default_backoff()
        .map_ok(move |event| match event {
            watcher::Event::Apply(object) | watcher::Event::InitApply(object) => {
                change(object, false)
            }
            watcher::Event::Delete(object) => change(object, true),
            watcher::Event::Init | watcher::Event::InitDone => None,
        })
        .filter_map(|result| async { result.ok().flatten() })
        .boxed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_apology_for_a_log_is_not_a_log() {
        for (answer, log) in [
            ("", Log::Nothing),
            ("\n", Log::Nothing),
            (
                "loading\nerror: no model\n",
                Log::Lines("loading\nerror: no model".into()),
            ),
            (
                "unable to retrieve container logs for containerd://3b38",
                Log::BetweenContainers,
            ),
        ] {
            assert_eq!(Log::from_answer(answer.into()), log);
        }
    }
}
