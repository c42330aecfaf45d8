//! A rollout's state as one value: the pure step inside `cluster::watch_rollout`.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::{Event, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;

use super::amounts::requests;
use super::pod::Supply;
use super::{Kind, Progress, deployment, pod, progress};

/// Annotation by which the controller numbers a Deployment's revisions.
const REVISION: &str = "deployment.kubernetes.io/revision";

/// Everything that says how a rollout goes.
#[derive(Debug, Clone, Default)]
pub struct Scene {
    /// The Deployment; `None` while it was not seen yet.
    pub deployment: Option<Value>,
    /// Its ReplicaSets.
    pub replica_sets: Vec<ReplicaSet>,
    /// The stack's pods.
    pub pods: Vec<Pod>,
    /// Events of the namespace.
    pub events: Vec<Event>,
    /// The uids of those that are older than the wait and were not repeated since.
    pub earlier: BTreeSet<String>,
}

/// A new pod that is not ready.
#[derive(Debug, Clone, PartialEq)]
pub struct Unready {
    /// Its name.
    pub name: String,
    /// How far it is.
    pub progress: Progress,
    /// Whether a node will come for it, where none takes it.
    pub supply: Option<Supply>,
    /// Whether it would have room in the place of an old pod, where it has none beside them.
    pub fits_in_place: bool,
}

/// How the rollout goes.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The Deployment's own word.
    pub deployment: Progress,
    /// The new pods that are not ready, each with its reason.
    pub pods: Vec<Unready>,
    /// Why the new ReplicaSet cannot create its pods, if it says so.
    pub creation: Option<String>,
    /// That the Deployment is paused, and by whom, where that keeps it from its end.
    pub paused: Option<String>,
}

/// What keeps the rollout from its end, and hardly goes away by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obstacle {
    /// Whose and of which kind: stays the same while only the words change.
    pub key: (String, &'static str),
    /// In words.
    pub reason: String,
    /// What to do.
    pub fix: &'static str,
    /// How long it is waited for.
    pub patience: Patience,
}

/// How long an obstacle may stand before waiting on is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// Not at all.
    Over,
    /// For a moment: it hardly goes away by itself.
    Moment,
    /// As long as a node may come: `[rollout] wait-for-nodes`.
    ForNodes,
    /// Until the rollout's own time is over: a node is on its way.
    Whole,
}

/// Kinds of warnings that a summary tells.
const MOST_WARNINGS: usize = 5;

/// What to do when nothing better is known.
const FIX_UNKNOWN: &str = "`uninlu status` shows the pods and how far they are";

impl Report {
    /// All of it in one line.
    pub fn summary(&self) -> String {
        let whole = words(&self.deployment).unwrap_or("ready");
        let pods = self
            .pods
            .iter()
            .filter_map(|pod| Some(format!("{}: {}", pod.name, words(&pod.progress)?)));
        [whole.to_owned()]
            .into_iter()
            .chain(self.creation.clone())
            .chain(pods)
            .collect::<Vec<_>>()
            .join("; ")
    }

    /// What stands in the way, the pods that cannot be created first.
    pub fn obstacles(&self) -> Vec<Obstacle> {
        let creation = self.creation.iter().map(|message| Obstacle {
            key: (String::new(), pod::FIX_CREATION),
            reason: format!("pods cannot be created: {message}"),
            fix: pod::fix_creation(message),
            patience: Patience::Moment,
        });
        creation
            .chain(self.pods.iter().filter_map(Unready::obstacle))
            .collect()
    }

    /// Whether a pod waits for a node that may still come.
    pub fn waits_for_node(&self) -> bool {
        let mut pods = self.pods.iter();
        pods.any(|pod| matches!(pod.supply, Some(Supply::Coming | Supply::Possible)))
    }

    /// What to do about a rollout that took too long.
    pub fn fix(&self) -> &'static str {
        let creation = self
            .creation
            .iter()
            .map(|message| pod::fix_creation(message));
        let pods = self.pods.iter().filter_map(Unready::fix);
        creation.chain(pods).next().unwrap_or(FIX_UNKNOWN)
    }
}

impl Unready {
    fn of(pod: &Pod, scene: &Scene, old: &[&Pod]) -> Self {
        let events = scene.events_of(&pod.metadata);
        let progress = pod::explain(pod, &events);
        let lacks = |what: fn(&str) -> bool| words(&progress).is_some_and(what);
        Self {
            name: pod.metadata.name.clone().unwrap_or_default(),
            supply: lacks(pod::lacks_node).then(|| scene.supply(pod, &events)),
            fits_in_place: lacks(pod::lacks_room) && old.iter().any(|old| is_as_large(old, pod)),
            progress,
        }
    }

    fn obstacle(&self) -> Option<Obstacle> {
        let reason = words(&self.progress)?;
        let trouble = pod::trouble(reason).filter(|trouble| !trouble.passes)?;
        Some(Obstacle {
            key: (self.name.clone(), trouble.fix),
            reason: format!("pod {}: {reason}", self.name),
            fix: self.fix()?,
            patience: self.patience(),
        })
    }

    fn patience(&self) -> Patience {
        match (&self.progress, self.supply) {
            (Progress::Failed(_), _) | (_, Some(Supply::Refused)) => Patience::Over,
            (_, Some(Supply::Possible)) => Patience::ForNodes,
            (_, Some(Supply::Coming)) => Patience::Whole,
            (_, None) => Patience::Moment,
        }
    }

    fn fix(&self) -> Option<&'static str> {
        let trouble = pod::trouble(words(&self.progress)?)?;
        Some(match self.supply {
            Some(_) if self.fits_in_place => pod::FIX_SURGE,
            Some(Supply::Refused) => pod::FIX_REFUSED,
            _ => trouble.fix,
        })
    }
}

/// Whether the one asks for at least what the other does, of everything.
fn is_as_large(one: &Pod, other: &Pod) -> bool {
    let requests = |pod: &Pod| pod.spec.as_ref().map(requests).unwrap_or_default();
    let (one, other) = (requests(one), requests(other));
    let mut other = other.iter();
    other.all(|(name, amount)| one.get(name).copied().unwrap_or_default() >= *amount)
}

fn words(progress: &Progress) -> Option<&str> {
    match progress {
        Progress::Ready => None,
        Progress::Waiting(reason) | Progress::Failed(reason) => Some(reason),
    }
}

impl Scene {
    /// Folds the scene into a report. Old pods do not count: what they suffer is not this rollout's doing.
    pub fn report(&self) -> Report {
        let Some(deployment) = &self.deployment else {
            let deployment = Progress::Waiting("the Deployment is not visible yet".into());
            return Report {
                deployment,
                pods: Vec::new(),
                creation: None,
                paused: None,
            };
        };
        let newest = self.newest_replica_set(deployment);
        let is_new = |pod: &Pod| newest.is_some_and(|set| is_owned(pod, set));
        let old = self.pods_in_the_way(deployment, is_new);
        let new_pods = self.pods.iter().filter(|pod| is_new(pod));
        Report {
            deployment: progress(Kind::Deployment, deployment),
            pods: new_pods
                .filter(|pod| pod.metadata.deletion_timestamp.is_none())
                .map(|pod| Unready::of(pod, self, &old))
                .filter(|pod| pod.progress != Progress::Ready)
                .collect(),
            creation: newest.and_then(pod::explain_creation),
            paused: deployment::stuck_by_pause(deployment),
        }
    }

    /// The old pods that keep their room until new ones are ready; none where the strategy stops old ones first.
    fn pods_in_the_way(&self, deployment: &Value, is_new: impl Fn(&Pod) -> bool) -> Vec<&Pod> {
        let missing = &deployment["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"];
        let wanted = deployment["spec"]["replicas"].as_u64().unwrap_or(1);
        if deployment::allowed_missing(missing, wanted) > 0 {
            return Vec::new();
        }
        let has_node = |pod: &&Pod| pod.spec.as_ref().is_some_and(|it| it.node_name.is_some());
        self.pods
            .iter()
            .filter(|pod| !is_new(pod) && pod.metadata.deletion_timestamp.is_none())
            .filter(has_node)
            .collect()
    }

    /// A pod on its way out makes room, whatever the autoscaler says.
    fn supply(&self, pod: &Pod, events: &[Event]) -> Supply {
        let goes = |pod: &Pod| pod.metadata.deletion_timestamp.is_some();
        if self.pods.iter().any(goes) {
            return Supply::Coming;
        }
        let is_outdated = |event: &Event| pod::refuses_node(event) && self.is_earlier(event);
        let events: Vec<Event> = events
            .iter()
            .filter(|it| !is_outdated(it))
            .cloned()
            .collect();
        pod::supply(pod, &events, &self.events)
    }

    /// The ReplicaSet of the Deployment's present revision.
    fn newest_replica_set(&self, deployment: &Value) -> Option<&ReplicaSet> {
        let revision = deployment["metadata"]["annotations"][REVISION].as_str()?;
        self.replica_sets.iter().find(|set| {
            set.metadata
                .annotations
                .as_ref()
                .and_then(|annotations| annotations.get(REVISION))
                .map(String::as_str)
                == Some(revision)
        })
    }

    /// What went wrong on the way, whether or not it ended well: warnings about the new pods and their ReplicaSet, the
    /// most frequent first. Without those of an earlier rollout: events stay for an hour, and a release that is applied
    /// again has the same ReplicaSet.
    pub fn warnings(&self) -> Vec<String> {
        let newest = self
            .deployment
            .as_ref()
            .and_then(|live| self.newest_replica_set(live));
        let Some(newest) = newest else {
            return Vec::new();
        };
        let pods = self.pods.iter().filter(|pod| is_owned(pod, newest));
        let pods = pods.map(|pod| (&pod.metadata, pod::explain(pod, &[]) == Progress::Ready));
        let set = (&newest.metadata, pod::explain_creation(newest).is_none());
        let events = pods.chain([set]).flat_map(|(object, is_well)| {
            let mut events = self.events_of(object);
            events.retain(|event| !(is_well && self.is_earlier(event)));
            events
        });
        let mut counts: BTreeMap<String, i32> = BTreeMap::new();
        for event in events {
            if event.type_.as_deref() == Some("Warning") {
                let text = |text: &Option<String>| text.clone().unwrap_or_default();
                let words = format!("{}: {}", text(&event.reason), text(&event.message));
                *counts.entry(words).or_default() += event.count.unwrap_or(1).max(1);
            }
        }
        let mut counted: Vec<(i32, String)> = counts
            .into_iter()
            .map(|(words, count)| (count, words))
            .collect();
        counted.sort_by(|one, other| other.cmp(one));
        counted
            .into_iter()
            .take(MOST_WARNINGS)
            .map(|(count, words)| match count {
                1 => words,
                _ => format!("{words} ({count} times)"),
            })
            .collect()
    }

    /// Whether it is older than the wait.
    fn is_earlier(&self, event: &Event) -> bool {
        let uid = event.metadata.uid.as_ref();
        uid.is_some_and(|uid| self.earlier.contains(uid))
    }

    /// Its own events, not those of an earlier object of the name. One that was written without a uid counts by the name,
    /// which no two pods or ReplicaSets share.
    fn events_of(&self, object: &ObjectMeta) -> Vec<Event> {
        let is_about = |event: &&Event| match &event.involved_object {
            about if about.uid.is_some() => about.uid == object.uid,
            about => about.name.is_some() && about.name == object.name,
        };
        self.events.iter().filter(is_about).cloned().collect()
    }
}

fn is_owned(pod: &Pod, set: &ReplicaSet) -> bool {
    let owners = pod.metadata.owner_references.iter().flatten();
    owners
        .into_iter()
        .any(|owner| Some(&owner.uid) == set.metadata.uid.as_ref())
}
