//! What rules of import look at besides objects.

use std::collections::BTreeSet;

use serde_json::Value;
use uninlu_helm_template::Place;

use super::objects::Objects;

/// What lies beside objects in a chart or a folder of manifests.
pub struct Files<'a> {
    /// What was read of objects.
    pub objects: &'a Objects<'a>,
    /// Configurations of the Prometheus Adapter.
    pub adapters: Vec<&'a Value>,
    /// Dockerfiles: path and text.
    pub dockerfiles: &'a [(String, String)],
    /// The server's sources: path and text.
    pub code: &'a [(String, String)],
    /// YAML that reads otherwise than it looks.
    pub ambiguous: &'a BTreeSet<(Place, String)>,
    /// A `kubeVersion` that excludes the Kubernetes with which the chart is rendered.
    pub excluded: Option<&'a (Place, String)>,
    /// Values that no template reads.
    pub unused: &'a [(String, Place)],
    /// Whether only values are known, and no template.
    pub is_only_values: bool,
    /// The lines that a field of an object comes from: the template's, then those of values.
    pub lines: &'a dyn Fn(&Value, &str) -> Vec<Place>,
}
