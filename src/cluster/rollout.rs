//! Watches a rollout until it is done, or until the reason why it will not be is final.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::api::LogParams;
use kube::{Api, Resource};
use serde_json::Value;
use tokio::time::Instant;

use super::explain::explain;
use super::metrics::metric_state;
use super::observe::to_value;
use super::retry::retried;
use super::sight::{self, Change, News, Source};
use super::{Connection, Error};
use crate::kinds::rollout::{Patience, Report, Scene};
use crate::kinds::{self, AutoscalerMetric, Kind, MetricState, Progress, node};
use crate::plan::Wait;
use crate::ui::Step;

/// How long an obstacle that hardly goes away by itself may stand before it counts as final.
const GRACE: Duration = Duration::from_secs(15);

/// Waits for the Deployment's rollout; says what it waits for.
///
/// What counts as failed is looked at once more before: a watch may have missed the end.
///
/// # Errors
/// [`Error::Rollout`] with the reason, as soon as it is final or when the time is used up; [`Error::Paused`];
/// [`Error::Unwatched`] when nothing can be seen of the rollout, which says nothing of the rollout itself.
pub async fn watch_rollout(connection: &Connection, wait: Wait, step: &Step) -> Result<(), Error> {
    let mut watch = Watch::new(wait);
    let mut changes = sight::changes(connection);
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            change = changes.next() => if let Some(change) = change { watch.take(change, step) },
            _ = tick.tick() => if watch.is_look_due() { watch.look(connection, step).await? },
        }
        let mut report = watch.scene.report();
        if watch.failure(&report).is_some() {
            watch.look(connection, step).await?;
            report = watch.scene.report();
        }
        if report.deployment == Progress::Ready {
            watch.sum_up(step);
            return Ok(());
        }
        watch.tell(&report, step);
        if watch.begins_to_lack_nodes(&report) {
            changes.push(sight::nodes(connection));
        }
        if let Some(failure) = watch.failure(&report).filter(|_| watch.is_looking()) {
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
struct Watch {
    wait: Wait,
    started: Instant,
    scene: Scene,
    /// By name; only looked at while a pod has none.
    nodes: BTreeMap<String, Node>,
    asks_for_nodes: bool,
    /// When a pod was last without a node: Kubernetes' own deadline went on meanwhile.
    without_node: Option<Instant>,
    since: BTreeMap<(String, &'static str), Instant>,
    /// Watches that are broken now.
    broken: BTreeSet<Source>,
    looked: Instant,
    /// Why the last look saw nothing.
    unseen: Option<String>,
    said: String,
}

/// Between two looks: a watch can hang without a word, and one that is broken says nothing.
const PAUSE: Duration = Duration::from_secs(20);
const PAUSE_WITHOUT_WATCH: Duration = Duration::from_secs(2);

impl Watch {
    fn new(wait: Wait) -> Self {
        let started = Instant::now();
        Self {
            wait,
            started,
            scene: Scene::default(),
            nodes: BTreeMap::new(),
            asks_for_nodes: false,
            without_node: None,
            since: BTreeMap::new(),
            broken: BTreeSet::new(),
            looked: started,
            unseen: None,
            said: String::new(),
        }
    }

    fn take(&mut self, change: Change, step: &Step) {
        match change.news {
            News::Deployment(deployment) => {
                self.scene.deployment = serde_json::to_value(deployment).ok();
            }
            News::ReplicaSet(set) => upsert(&mut self.scene.replica_sets, set),
            News::Pod(pod) => upsert(&mut self.scene.pods, pod),
            News::PodGone(pod) => self
                .scene
                .pods
                .retain(|known| known.metadata.uid != pod.metadata.uid),
            News::Event { event, is_earlier } => self.take_event(event, is_earlier),
            News::Node { node, is_earlier } => self.take_node(*node, is_earlier),
            News::Listed => drop(self.broken.remove(&change.source)),
            News::Broken(reason) => self.breaks(change.source, &reason, step),
        }
    }

    fn take_event(&mut self, event: k8s_openapi::api::core::v1::Event, is_earlier: bool) {
        if let Some(uid) = event.metadata.uid.clone() {
            let is_known = self
                .scene
                .events
                .iter()
                .any(|it| it.metadata.uid == event.metadata.uid);
            if !is_earlier {
                self.scene.earlier.remove(&uid);
            } else if !is_known {
                self.scene.earlier.insert(uid);
            }
        }
        upsert(&mut self.scene.events, event);
    }

    /// A node that joins or opens gives every pod without one its patience anew.
    fn take_node(&mut self, node: Node, is_earlier: bool) {
        let name = node.metadata.name.clone().unwrap_or_default();
        let is_news = match self.nodes.get(&name) {
            Some(before) => node::opens(before, &node),
            None => !is_earlier,
        };
        if is_news {
            self.since.clear();
        }
        self.nodes.insert(name, node);
    }

    /// Said once for each break.
    fn breaks(&mut self, source: Source, reason: &str, step: &Step) {
        if self.broken.insert(source) {
            step.log(format_args!(
                "the watch of {} broke: {reason}; {}",
                source.name(),
                source.instead()
            ));
        }
    }

    fn is_look_due(&self) -> bool {
        let is_blind = self.broken.iter().any(|source| source.is_looked_at());
        let pause = if is_blind { PAUSE_WITHOUT_WATCH } else { PAUSE };
        self.looked.elapsed() >= pause
    }

    /// Whether the last look saw something.
    fn is_looking(&self) -> bool {
        self.unseen.is_none()
    }

    /// Asks instead of waiting for news.
    ///
    /// # Errors
    /// [`Error::Unwatched`] when this user may not look, or when the time is over without a look.
    async fn look(&mut self, connection: &Connection, step: &Step) -> Result<(), Error> {
        let looked = sight::look(connection).await;
        self.looked = Instant::now();
        let unseen = match looked {
            Ok(seen) => {
                self.unseen = None;
                self.scene.deployment =
                    seen.deployment.and_then(|it| serde_json::to_value(it).ok());
                self.scene.replica_sets = seen
                    .replica_sets
                    .unwrap_or_else(|| std::mem::take(&mut self.scene.replica_sets));
                self.scene.pods = seen
                    .pods
                    .unwrap_or_else(|| std::mem::take(&mut self.scene.pods));
                return Ok(());
            }
            Err(unseen) => unseen,
        };
        if unseen.is_refusal || self.is_over() {
            return Err(Error::Unwatched {
                object: deployment_id(connection),
                reason: unseen.reason,
            });
        }
        if self.unseen.as_ref() != Some(&unseen.reason) {
            step.log(format_args!("cannot look: {}; trying again", unseen.reason));
        }
        self.unseen = Some(unseen.reason);
        Ok(())
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

    /// Whether nodes are to be watched from now on.
    fn begins_to_lack_nodes(&mut self, report: &Report) -> bool {
        let begins = report.waits_for_node() && !self.asks_for_nodes;
        self.asks_for_nodes |= begins;
        begins
    }

    fn is_over(&self) -> bool {
        self.started.elapsed() > Duration::from_secs(self.wait.budget.into())
    }

    /// Why waiting on is of no use, if it is not.
    fn failure(&mut self, report: &Report) -> Option<Failure> {
        if report.waits_for_node() {
            self.without_node = Some(Instant::now());
        }
        let is_failed = matches!(report.deployment, Progress::Failed(_));
        if is_failed && (report.paused.is_some() || !self.started_late()) {
            return Some(Failure {
                reason: report.summary(),
                fix: report.fix(),
            });
        }
        self.standing(report).or_else(|| {
            self.is_over()
                .then(|| Failure::after(self.wait.budget, report))
        })
    }

    /// Whether Kubernetes' deadline for progress counted time in which a pod had no node.
    fn started_late(&self) -> bool {
        let deployment = self.scene.deployment.as_ref();
        let deadline = deployment.and_then(|it| it["spec"]["progressDeadlineSeconds"].as_u64());
        let deadline = Duration::from_secs(deadline.unwrap_or(600));
        self.without_node
            .is_some_and(|last| last.elapsed() < deadline)
    }

    /// The first obstacle that stood for longer than it may.
    fn standing(&mut self, report: &Report) -> Option<Failure> {
        let obstacles = report.obstacles();
        self.since
            .retain(|key, _| obstacles.iter().any(|obstacle| obstacle.key == *key));
        let for_nodes = Duration::from_secs(self.wait.nodes.into()).max(GRACE);
        obstacles.into_iter().find_map(|obstacle| {
            let since = self.since.entry(obstacle.key).or_insert_with(Instant::now);
            let is_over = match obstacle.patience {
                Patience::Over => true,
                Patience::Moment => since.elapsed() > GRACE,
                Patience::ForNodes => since.elapsed() > for_nodes,
                Patience::Whole => false,
            };
            is_over.then_some(Failure {
                reason: obstacle.reason,
                fix: obstacle.fix,
            })
        })
    }
}

fn deployment_id(connection: &Connection) -> kinds::ObjectId {
    connection.object_id(Kind::Deployment, &connection.target.stack)
}

/// Why the wait ends without success.
struct Failure {
    reason: String,
    fix: &'static str,
}

impl Failure {
    fn after(seconds: u32, report: &Report) -> Self {
        Self {
            reason: format!("not done after {seconds} s: {}", report.summary()),
            fix: report.fix(),
        }
    }
}

/// The error, with the last lines that a pod wrote before it ended.
async fn failed(connection: &Connection, report: &Report, failure: Failure) -> Error {
    if let Some(words) = &report.paused {
        return Error::paused(&connection.target, words.clone());
    }
    let Failure { mut reason, fix } = failure;
    for pod in &report.pods {
        if let Some(log) = last_lines(connection, &pod.name).await {
            reason = format!("{reason}\nlast lines of {}:\n{log}", pod.name);
            break;
        }
    }
    Error::Rollout {
        object: deployment_id(connection),
        reason,
        fix,
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
                // Admission may have added others.
                container: Some(kinds::CONTAINER.to_owned()),
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
