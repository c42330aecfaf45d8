//! A rollout's state as one value: the pure step inside [`crate::cluster::watch_rollout`].

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::{Event, Pod};
use serde_json::Value;

use super::{Kind, Progress, pod, progress};

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
}

/// How the rollout goes.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The Deployment's own word.
    pub deployment: Progress,
    /// The new pods that are not ready, each with its reason.
    pub pods: Vec<(String, Progress)>,
    /// Why the new ReplicaSet cannot create its pods, if it says so.
    pub creation: Option<String>,
}

/// What keeps the rollout from its end, and hardly goes away by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obstacle {
    /// Whose and of which kind: stays the same while only the words change.
    pub key: (String, &'static str),
    /// In words.
    pub reason: String,
    /// What to do.
    pub mend: &'static str,
    /// Whether waiting on is of no use already; otherwise it is once the obstacle has stood for a while.
    pub is_final: bool,
}

/// Kinds of warnings that a summary tells.
const MOST_WARNINGS: usize = 5;

/// What to do when nothing better is known.
const MEND_UNKNOWN: &str = "`uninlu status` shows the pods and how far they are";

impl Report {
    /// All of it in one line.
    pub fn summary(&self) -> String {
        let whole = words(&self.deployment).unwrap_or("ready");
        let pods = self
            .pods
            .iter()
            .filter_map(|(name, progress)| Some(format!("{name}: {}", words(progress)?)));
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
            key: (String::new(), pod::MEND_CREATION),
            reason: format!("pods cannot be created: {message}"),
            mend: pod::MEND_CREATION,
            is_final: false,
        });
        let pods = self.pods.iter().filter_map(|(name, progress)| {
            let reason = words(progress)?;
            let trouble = pod::trouble(reason).filter(|trouble| !trouble.passes)?;
            Some(Obstacle {
                key: (name.clone(), trouble.mend),
                reason: format!("pod {name}: {reason}"),
                mend: trouble.mend,
                is_final: matches!(progress, Progress::Failed(_)),
            })
        });
        creation.chain(pods).collect()
    }

    /// What to do about a rollout that took too long.
    pub fn mend(&self) -> &'static str {
        let creation = self.creation.iter().map(|_| pod::MEND_CREATION);
        let pods = self.pods.iter().filter_map(|(_, progress)| {
            let trouble = pod::trouble(words(progress)?)?;
            Some(trouble.mend)
        });
        creation.chain(pods).next().unwrap_or(MEND_UNKNOWN)
    }
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
            };
        };
        let newest = self.newest_replica_set(deployment);
        let new_pods = self
            .pods
            .iter()
            .filter(|pod| newest.is_some_and(|set| is_owned(pod, set)));
        Report {
            deployment: progress(Kind::Deployment, deployment),
            pods: new_pods
                .map(|pod| {
                    (
                        pod.metadata.name.clone().unwrap_or_default(),
                        pod::explain(pod, &self.events_of(pod.metadata.uid.as_deref())),
                    )
                })
                .filter(|(_, progress)| *progress != Progress::Ready)
                .collect(),
            creation: newest.and_then(pod::explain_creation),
        }
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
    /// most frequent first.
    pub fn warnings(&self) -> Vec<String> {
        let newest = self
            .deployment
            .as_ref()
            .and_then(|live| self.newest_replica_set(live));
        let Some(newest) = newest else {
            return Vec::new();
        };
        let pods = self.pods.iter().filter(|pod| is_owned(pod, newest));
        let uids = pods
            .map(|pod| pod.metadata.uid.as_deref())
            .chain([newest.metadata.uid.as_deref()]);
        let mut counts: BTreeMap<String, i32> = BTreeMap::new();
        for event in uids.flat_map(|uid| self.events_of(uid)) {
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

    fn events_of(&self, uid: Option<&str>) -> Vec<Event> {
        let is_about =
            |event: &&Event| uid.is_some() && event.involved_object.uid.as_deref() == uid;
        self.events.iter().filter(is_about).cloned().collect()
    }
}

fn is_owned(pod: &Pod, set: &ReplicaSet) -> bool {
    let owners = pod.metadata.owner_references.iter().flatten();
    owners
        .into_iter()
        .any(|owner| Some(&owner.uid) == set.metadata.uid.as_ref())
}
