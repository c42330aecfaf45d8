//! What was read: objects whose fields know where they are written.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Place;
use crate::rules::Fields;

/// What runs pods besides a Deployment: beginning of the group, and kind. Without a group the kind says enough.
const WORKLOADS: [(&str, &str); 17] = [
    ("", "StatefulSet"),
    ("", "DaemonSet"),
    ("", "ReplicaSet"),
    ("", "ReplicationController"),
    ("", "Pod"),
    ("", "Job"),
    ("", "CronJob"),
    ("argoproj.io", "Rollout"),
    ("serving.kserve.io", "InferenceService"),
    ("serving.kserve.io", "LLMInferenceService"),
    ("serving.knative.dev", "Service"),
    ("serving.knative.dev", "Configuration"),
    ("machinelearning.seldon.io", "SeldonDeployment"),
    ("leaderworkerset.x-k8s.io", "LeaderWorkerSet"),
    ("ray.io", "RayService"),
    ("apps.kruise.io", "CloneSet"),
    ("apps.openshift.io", "DeploymentConfig"),
];

/// One document.
#[derive(Debug, Clone, Default)]
pub struct Object {
    /// The object; a value that is no object of Kubernetes (the adapter's configuration) has no kind.
    pub body: Value,
    /// Places of each field, by JSON pointer: the template's line, then the values' lines. Empty for live objects.
    pub(super) places: BTreeMap<String, Vec<Place>>,
}

impl Object {
    /// A live object, which is written nowhere.
    pub fn live(body: Value) -> Self {
        Self {
            body,
            places: BTreeMap::new(),
        }
    }

    /// Group of its API, empty for the core's.
    pub(super) fn group(&self) -> &str {
        let version = self.text("/apiVersion");
        version.split_once('/').map_or("", |(group, _)| group)
    }

    /// Whether it is of this kind of Kubernetes' own; Knative has a `Service` too.
    pub(super) fn is(&self, kind: &str) -> bool {
        self.kind() == kind && !self.is_other_workload()
    }

    /// Whether it runs pods and is no Deployment.
    pub(super) fn is_other_workload(&self) -> bool {
        let is_it = |(group, kind): &(&str, &str)| {
            *kind == self.kind() && (group.is_empty() || self.group().starts_with(group))
        };
        WORKLOADS.iter().any(is_it)
    }

    /// Where the field is written; where it is not, the place of the nearest field around it.
    pub(super) fn places(&self, pointer: &str) -> Vec<Place> {
        if let Some(places) = self.places.get(pointer) {
            return places.clone();
        }
        let around = pointer.rmatch_indices('/').map(|(at, _)| &pointer[..at]);
        // Nothing of it is written: the object begins with its kind.
        let mut candidates = around.chain(["/kind"]);
        let nearest = candidates.find_map(|pointer| self.places.get(pointer));
        // The values of a line around it have nothing to do with it.
        let nearest = nearest.or_else(|| self.places.values().next());
        nearest
            .and_then(|places| places.first())
            .cloned()
            .into_iter()
            .collect()
    }
}

impl std::ops::Deref for Object {
    type Target = Value;

    fn deref(&self) -> &Value {
        &self.body
    }
}

/// What was read, and what could not be.
#[derive(Debug, Clone, Default)]
pub struct Source {
    /// The objects, in the order of the files.
    pub objects: Vec<Object>,
    /// Configurations of the Prometheus Adapter.
    pub(super) adapters: Vec<Object>,
    /// Dockerfiles: path and text.
    pub(super) dockerfiles: Vec<(String, String)>,
    /// The server's sources: path and text.
    pub(super) code: Vec<(String, String)>,
    /// What was not understood, and where.
    pub(super) gaps: BTreeSet<(Place, String)>,
    /// YAML that reads otherwise than it looks: keys that stand twice, documents of a values file.
    pub(super) ambiguous: BTreeSet<(Place, String)>,
    /// A `kubeVersion` of the chart that excludes the Kubernetes with which it is rendered.
    pub(super) excluded: Option<(Place, String)>,
    /// Values that no template reads.
    pub(super) unused: Vec<(String, Place)>,
    /// The chart's name.
    pub(super) chart: Option<String>,
    /// Whether the objects' names are those of an installation: of live objects, of manifests, or of a named release.
    pub(super) is_installed: bool,
    /// Whether only values are known: what no value says is then the template's matter, and not an error.
    pub(super) is_only_values: bool,
    /// Whether it is what a cluster holds.
    pub(super) is_live: bool,
}

impl Source {
    /// Where a field of an object's body is written.
    pub(super) fn lines(&self, body: &Value, pointer: &str) -> Vec<Place> {
        let mut all = self.objects.iter().chain(&self.adapters);
        let object = all.find(|object| std::ptr::eq(&object.body, body));
        object.map_or_else(Vec::new, |object| object.places(pointer))
    }
}
