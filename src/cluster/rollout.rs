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
use tokio::time::Instant;

use super::{Connection, Error};
use crate::kinds::rollout::{Report, Scene};
use crate::kinds::{Kind, ObjectId, Progress, instance_selector, pod};
use crate::ui::Step;

/// How long a reason that hardly goes away by itself may stand before it counts as final.
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
            return Ok(());
        }
        watch.tell(&report, step);
        let failure = watch.final_reason(&report).or_else(|| {
            (started.elapsed() > budget).then(|| {
                format!(
                    "not done after {} s: {}",
                    budget.as_secs(),
                    describe(&report)
                )
            })
        });
        if let Some(reason) = failure {
            return Err(failed(connection, &report, reason).await);
        }
    }
}

/// What was seen so far, since when each reason stands, and what was said last.
#[derive(Default)]
struct Watch {
    scene: Scene,
    since: BTreeMap<String, Instant>,
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
        let words = describe(report);
        if words != self.said {
            step.update(&words);
            self.said = words;
        }
    }

    /// The reason for which waiting on is of no use.
    fn final_reason(&mut self, report: &Report) -> Option<String> {
        if let Progress::Failed(reason) = &report.deployment {
            return Some(describe_with(reason, report));
        }
        let reasons = reasons(report);
        self.since
            .retain(|key, _| reasons.iter().any(|reason| reason.key == *key));
        for reason in reasons {
            let since = *self.since.entry(reason.key).or_insert_with(Instant::now);
            if reason.is_final || since.elapsed() > GRACE {
                return Some(reason.text);
            }
        }
        None
    }
}

struct Reason {
    /// Who and what kind of reason: stays the same while only numbers in the message change.
    key: String,
    text: String,
    is_final: bool,
}

/// The reasons that, standing for [`GRACE`], end the wait.
fn reasons(report: &Report) -> Vec<Reason> {
    let creation = report.creation.iter().map(|message| Reason {
        key: "creation".into(),
        text: format!("pods cannot be created: {message}"),
        is_final: false,
    });
    let pods = report.pods.iter().filter_map(|(name, progress)| {
        let (reason, is_final) = match progress {
            Progress::Failed(reason) => (reason, true),
            Progress::Waiting(reason) if pod::is_patience_worthless(reason) => (reason, false),
            _ => return None,
        };
        let kind = reason.split(':').next().unwrap_or_default();
        Some(Reason {
            key: format!("{name} {kind}"),
            text: format!("pod {name}: {reason}"),
            is_final,
        })
    });
    creation.chain(pods).collect()
}

fn describe(report: &Report) -> String {
    match &report.deployment {
        Progress::Ready => "ready".into(),
        Progress::Waiting(reason) | Progress::Failed(reason) => describe_with(reason, report),
    }
}

fn describe_with(reason: &str, report: &Report) -> String {
    let pods = report
        .pods
        .iter()
        .filter_map(|(name, progress)| match progress {
            Progress::Waiting(why) | Progress::Failed(why) => Some(format!("{name}: {why}")),
            Progress::Ready => None,
        });
    let details: Vec<String> = report.creation.clone().into_iter().chain(pods).collect();
    if details.is_empty() {
        reason.to_owned()
    } else {
        format!("{reason}; {}", details.join("; "))
    }
}

/// The error, with the last lines that a crashed pod wrote.
async fn failed(connection: &Connection, report: &Report, reason: String) -> Error {
    let crashed = report.pods.iter().find(|(_, progress)| {
        matches!(progress, Progress::Failed(why) | Progress::Waiting(why) if why.starts_with("CrashLoopBackOff"))
    });
    let log = match crashed {
        Some((name, _)) => last_lines(connection, name).await,
        None => None,
    };
    let object: ObjectId = connection.object_id(Kind::Deployment, &connection.stack);
    let reason = match log {
        Some(log) => format!("{reason}\nlast lines of its log:\n{log}"),
        None => reason,
    };
    Error::Rollout { object, reason }
}

async fn last_lines(connection: &Connection, pod: &str) -> Option<String> {
    let api: Api<Pod> = Api::namespaced(connection.client.clone(), &connection.namespace);
    let parameters = LogParams {
        tail_lines: Some(10),
        previous: true,
        ..Default::default()
    };
    let log = api.logs(pod, &parameters).await.ok()?;
    (!log.trim().is_empty()).then(|| log.trim_end().to_owned())
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
    let selector = instance_selector(&connection.stack);
    let by_name = watcher::Config::default().fields(&format!("metadata.name={}", connection.stack));
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
    let api: Api<K> = Api::namespaced(connection.client.clone(), &connection.namespace);
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
