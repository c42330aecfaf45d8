//! What the cluster said: the input of [`super::plan`] besides the desired objects.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use uninlu_objects::ObjectId;

/// The cluster's state and its own predictions, as `cluster::observe` gathered them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Live {
    /// Objects that carry our labels, desired or not.
    pub ours: BTreeMap<ObjectId, Value>,
    /// The API server's answer to our apply with `dryRun=All`, for every desired object.
    pub predictions: BTreeMap<ObjectId, Prediction>,
    /// The namespace, where the stack does not make it; `None` also where this user may not see it.
    pub namespace: Option<Value>,
    /// What else is in the namespace.
    pub nearby: Nearby,
    /// Its answer to the same apply once more, where the first one has what none of our fields explains.
    pub again: BTreeMap<ObjectId, Value>,
}

/// Objects of the namespace that are not the stack's, of kinds that can be in its way.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Nearby {
    /// The objects, with their apiVersion and kind.
    pub others: Vec<Value>,
    /// What could not be looked at, and why.
    pub unknown: Vec<String>,
}

/// The API server's answer to a dry-run apply.
#[derive(Debug, Clone, PartialEq)]
pub enum Prediction {
    /// What the object would be.
    Applied(Value),
    /// Other managers own fields that we would set.
    Conflicting {
        /// What the object would be if we took the fields.
        forced: Value,
        /// The fields and who owns them.
        conflicts: Vec<Conflict>,
    },
    /// Only a new object can have this value.
    Immutable {
        /// Why.
        causes: Vec<Cause>,
        /// What other managers own of it.
        conflicts: Vec<Conflict>,
    },
    /// The namespace does not exist yet, so nothing in it can be predicted.
    NamespaceMissing,
    /// The namespace is being deleted, so nothing can be made in it.
    NamespaceGoing,
    /// We may look but not write, not even to try: the API server's words.
    Forbidden(String),
}

/// A field that another manager owns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conflict {
    /// The field as the API server names it, `.spec.replicas`.
    pub field: String,
    /// Who owns it, in the API server's words.
    pub manager: String,
}

/// Why the API server refuses a change to an existing object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// The field, `spec.selector`.
    pub field: String,
    /// What the API server says about it.
    pub message: String,
}
