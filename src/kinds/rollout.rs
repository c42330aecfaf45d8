//! A rollout's state as one value: the pure step inside [`crate::cluster::watch_rollout`].

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
            creation: newest.and_then(|set| {
                pod::explain_creation(&self.events_of(set.metadata.uid.as_deref()))
            }),
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
