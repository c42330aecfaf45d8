//! What an apply does to one object.

use serde::{Deserialize, Serialize};

use super::replicas::Transition;
use super::{Conflict, FieldChange};
use uninlu_objects::{Going, Kind, ObjectId};

/// What happens to one object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// The object.
    pub id: ObjectId,
    /// What happens to it.
    pub action: Action,
    /// The fields that change.
    pub fields: Vec<FieldChange>,
    /// Fields that other managers own and that we would take.
    pub conflicts: Vec<Conflict>,
    /// What a reader should know besides the fields.
    pub notes: Vec<String>,
    /// What happens to `spec.replicas` besides.
    pub transition: Transition,
    /// The live object's uid: the precondition of a deletion.
    pub uid: Option<String>,
    /// Why the API server's own prediction is missing; `None` when it is not.
    pub approximate: Option<Approximate>,
    /// The object of this name is being deleted: an apply waits until it is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub going: Option<Going>,
    /// Fields that admission writes anew at each request, and that are no change for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stamps: Vec<String>,
    /// That the live Deployment is paused, and by whom; `None` when it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<String>,
}

/// Why what is planned for an object is only near to what an apply would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Approximate {
    /// Nothing can be tried in a namespace that does not exist yet.
    NamespaceMissing,
    /// This user may not write, not even to try: the API server's words.
    Forbidden(String),
}

impl Approximate {
    /// As a note for people.
    pub fn words(&self) -> String {
        match self {
            Approximate::NamespaceMissing => {
                "approximate: nothing can be predicted in a namespace that does not exist yet"
                    .into()
            }
            Approximate::Forbidden(message) => format!(
                "approximate, since this user may not try it: what would be removed, and what admission says, is not seen ({message})"
            ),
        }
    }
}

/// What happens to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It does not exist yet.
    Create,
    /// Some fields change.
    Update,
    /// It is deleted and created again, since a field cannot be changed.
    Replace,
    /// It left the stack.
    Delete,
    /// Nothing.
    Keep,
}

impl Change {
    /// Whether running pods are replaced; by a replaced Deployment all at once.
    pub fn restarts_pods(&self) -> bool {
        self.id.kind == Kind::Deployment
            && (self.action == Action::Replace
                || self
                    .fields
                    .iter()
                    .any(|field| field.path.starts_with(".spec.template")))
    }
}
