//! The requests of an apply or a destroy, whole and in their order: what sends them decides nothing.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::replicas::{HAND_OVER_MANAGER, Transition, hand_over_body};
use super::{Action, Change, Goal};
use uninlu_objects::{self as kinds, Kind, MANAGER, ObjectId};

/// One request to the API server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Write {
    /// A server-side apply.
    Apply {
        /// The object.
        id: ObjectId,
        /// The body, as it is sent.
        body: Value,
        /// The field manager.
        manager: String,
        /// Whether it takes fields of other managers.
        force: bool,
    },
    /// Ends the ownership of `spec.replicas` of all that held it for the autoscaler ([`super::replicas::release`]). The
    /// patch names the version that the Deployment has at that moment.
    ReleaseReplicas {
        /// The Deployment.
        id: ObjectId,
    },
    /// A deletion.
    Delete {
        /// The object.
        id: ObjectId,
        /// Its uid, the precondition.
        uid: Option<String>,
        /// Whether the next request is sent only once the object is gone.
        wait: bool,
    },
}

impl Write {
    /// The object that it is about.
    pub fn id(&self) -> &ObjectId {
        match self {
            Write::Apply { id, .. } | Write::ReleaseReplicas { id } | Write::Delete { id, .. } => {
                id
            }
        }
    }

    /// The object with the uid that the request asks for; `None` where any of that name will do.
    pub fn object(&self) -> (ObjectId, Option<String>) {
        let uid = match self {
            Write::Delete { uid, .. } => uid.clone(),
            Write::Apply { .. } | Write::ReleaseReplicas { .. } => None,
        };
        (self.id().clone(), uid)
    }

    /// The same request with that image; the body of a Deployment alone names one.
    #[must_use]
    pub fn with_image(mut self, reference: &str) -> Self {
        if let Write::Apply { body, .. } = &mut self {
            kinds::set_image(body, reference);
        }
        self
    }
}

/// The bodies of the ApplySet's parent: it names the superset of kinds before the other writes and the remaining ones
/// after them, so that the next apply finds everything wherever a crash happens in between.
#[derive(Debug)]
pub(super) struct ParentBodies {
    /// `None` when the parent already says so.
    pub(super) before: Option<Value>,
    /// `None` when the parent says so by then.
    pub(super) after: Option<Value>,
}

/// What an apply of these changes sends: namespace, parent, an autoscaler that goes, objects, deletions, parent.
pub(super) fn writes(
    goal: &Goal,
    changes: &[Change],
    parent: &ObjectId,
    bodies: ParentBodies,
) -> Vec<Write> {
    let (namespaces, others): (Vec<&Change>, Vec<&Change>) = changes
        .iter()
        .partition(|change| change.id.kind == Kind::Namespace);
    // An autoscaler that goes must not scale while its number passes to us.
    let (first, rest): (Vec<&Change>, Vec<&Change>) = others.into_iter().partition(|change| {
        change.id.kind == Kind::HorizontalPodAutoscaler && change.action == Action::Delete
    });
    let of_all = |changes: Vec<&Change>| -> Vec<Write> {
        let changes = changes.into_iter();
        changes.flat_map(|change| of_change(goal, change)).collect()
    };
    let of_parent = |body: Option<Value>| body.map(|body| apply(parent, body, MANAGER, false));
    let mut writes = of_all(namespaces);
    writes.extend(of_parent(bodies.before));
    writes.extend(of_all(first));
    writes.extend(of_all(rest));
    writes.extend(of_parent(bodies.after));
    writes
}

fn of_change(goal: &Goal, change: &Change) -> Vec<Write> {
    let deletion = || Write::Delete {
        id: change.id.clone(),
        uid: change.uid.clone(),
        wait: true,
    };
    let rendered = goal.objects.get(&change.id);
    let applies = || rendered.map_or_else(Vec::new, |rendered| applies(change, rendered));
    match change.action {
        Action::Keep => Vec::new(),
        Action::Create | Action::Update => applies(),
        Action::Replace => [deletion()].into_iter().chain(applies()).collect(),
        Action::Delete => vec![deletion()],
    }
}

fn applies(change: &Change, rendered: &Value) -> Vec<Write> {
    let id = &change.id;
    let mut body = rendered.clone();
    if change.action == Action::Update {
        // Not another object of the same name, and not a new one should it be deleted meanwhile.
        body["metadata"]["uid"] = json!(change.uid);
    }
    let with_number = |pods: i64| {
        let mut body = body.clone();
        body["spec"]["replicas"] = json!(pods);
        body
    };
    let ours = |body: Value, force: bool| apply(id, body, MANAGER, force);
    let hand_over = |pods| apply(id, hand_over_body(&body, pods), HAND_OVER_MANAGER, false);
    // Force takes exactly the fields that the plan shows and the user names: another field of another manager makes the
    // plan under the lock differ from the one that was shown.
    let force = !change.conflicts.is_empty();
    match change.transition {
        Transition::None => vec![ours(body, force)],
        Transition::Begin { minimum } => vec![
            ours(with_number(minimum), false),
            hand_over(minimum),
            ours(body, force),
        ],
        Transition::HandOver { current } => vec![hand_over(current), ours(body, force)],
        Transition::TakeBack { current, wanted } => {
            let take = ours(with_number(current.max(wanted)), true);
            match change.action {
                Action::Update => vec![Write::ReleaseReplicas { id: id.clone() }, take],
                _ => vec![take],
            }
        }
    }
}

fn apply(id: &ObjectId, body: Value, manager: &str, force: bool) -> Write {
    Write::Apply {
        id: id.clone(),
        body,
        manager: manager.to_owned(),
        force,
    }
}
