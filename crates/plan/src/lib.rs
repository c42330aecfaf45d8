//! Desired + Live → [`Plan`]: pure. What apply sends stands in the plan, and apply reads nothing else.

pub mod adoption;
pub mod apply_set;
mod approximate;
mod change;
mod chosen;
pub mod destruction;
pub mod diff;
pub mod file;
mod goal;
pub mod inhabitants;
mod limits;
mod live;
mod moved;
pub mod outlook;
pub mod owner;
pub mod provenance;
mod quota;
pub mod release;
pub mod render;
pub mod replicas;
pub mod rivals;
mod room;
mod stamps;
mod writes;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use uninlu_objects::{Desired, Going, Kind, ObjectId, causes, pause};

pub use change::{Action, Approximate, Change};
pub use diff::FieldChange;
pub use goal::{Goal, PlannedImage, Wait};
pub use live::{Cause, Conflict, Live, Nearby, Prediction};
pub use moved::moved;
use replicas::Transition;
pub use room::{Room, room};
pub use stamps::{may_be_a_time, needs_second_look};
use writes::ParentBodies;
pub use writes::Write;

/// Everything that an apply would do, in order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// What it leads to.
    pub goal: Goal,
    /// One change per object, in the order of apply; deletions come last, in reverse order.
    pub changes: Vec<Change>,
    /// What an apply sends, in this order; empty when there is nothing to do.
    pub writes: Vec<Write>,
    /// The ApplySet's parent.
    pub parent: Parent,
}

/// The ApplySet's parent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parent {
    /// Which ConfigMap.
    pub id: ObjectId,
    /// It is being deleted: an apply waits until it is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub going: Option<Going>,
}

/// Why no plan can be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
pub enum Refusal {
    /// Objects of the same names belong to somebody else.
    #[error("not ours: {}", list(.0))]
    #[diagnostic(help(
        "nothing was changed. They were created by someone else: rename this stack, take them over (`uninlu adopt`), or delete them yourself if they are not needed"
    ))]
    Foreign(Vec<ObjectId>),
    /// The namespace does not exist and the stack does not make it.
    #[error("the namespace `{0}` does not exist")]
    #[diagnostic(help(
        "create it (`kubectl create namespace {0}`), or let the stack do so: `[cluster] create-namespace = true`"
    ))]
    NamespaceMissing(String),
    /// The namespace is being deleted: nothing can be made in it, and what is in it goes.
    #[error("the namespace `{namespace}` {}", words(.going.as_ref()))]
    #[diagnostic(help(
        "nothing was changed. Wait until it is gone (`kubectl get namespace {namespace} -o yaml` shows what holds it), then make it again and apply"
    ))]
    NamespaceGoing {
        /// The namespace.
        namespace: String,
        /// What is known of it; `None` where only the API server's refusal to make anything in it is.
        going: Option<Going>,
    },
}

fn words(going: Option<&Going>) -> String {
    going.map_or_else(|| "is being deleted".to_owned(), Going::words)
}

fn list(ids: &[ObjectId]) -> String {
    ids.iter()
        .map(ObjectId::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

impl Plan {
    /// Whether an apply would write anything.
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    /// The request that creates the namespace, where the plan does so: an apply sends it before it takes its lock, which
    /// has to be somewhere.
    pub fn namespace_creation(&self) -> Option<&Write> {
        let of_namespace = |write: &&Write| write.id().kind == Kind::Namespace;
        let is_created =
            |change: &Change| change.id.kind == Kind::Namespace && change.action == Action::Create;
        let is_created = self.changes.iter().any(is_created);
        self.writes.iter().find(of_namespace).filter(|_| is_created)
    }

    /// The first object that this user may not write.
    pub fn forbidden(&self) -> Option<(&ObjectId, &str)> {
        self.changes
            .iter()
            .find_map(|change| match &change.approximate {
                Some(Approximate::Forbidden(message)) => Some((&change.id, message.as_str())),
                _ => None,
            })
    }

    /// The objects that are being deleted, which an apply waits for.
    pub fn going(&self) -> impl Iterator<Item = (&ObjectId, &Going)> {
        let changes = self
            .changes
            .iter()
            .map(|change| (&change.id, &change.going));
        let parent = std::iter::once((&self.parent.id, &self.parent.going));
        changes
            .chain(parent)
            .filter_map(|(id, going)| Some((id, going.as_ref()?)))
    }

    /// That the Deployment is paused, and by whom; `None` when it is not.
    pub fn paused(&self) -> Option<&str> {
        let mut changes = self.changes.iter();
        changes.find_map(|change| change.paused.as_deref())
    }

    /// Fields that other managers own, in the notation of `--take`.
    pub fn conflicts(&self) -> impl Iterator<Item = (&ObjectId, &Conflict)> {
        self.changes.iter().flat_map(|change| {
            change
                .conflicts
                .iter()
                .map(|conflict| (&change.id, conflict))
        })
    }
}

/// Derives the plan from the goal and what the cluster said about its objects.
///
/// # Errors
/// [`Refusal`] when going on would touch what is not ours.
pub fn plan(goal: Goal, live: &Live) -> Result<Plan, Refusal> {
    let desired = &goal.objects;
    let parent_id = apply_set::parent_id(&goal.target);
    refuse_going_namespace(&goal, live)?;
    refuse_foreign(desired, live, &parent_id)?;
    refuse_missing_namespace(&goal, live)?;
    let leaving = leaving(desired, live, &parent_id);
    let autoscaler_goes = autoscaler_goes(desired, live, &parent_id);
    let minimum = goal.minimum_of_autoscaler();
    let mut changes: Vec<Change> = desired
        .iter()
        .map(|(id, body)| derive(id, body, live, autoscaler_goes, minimum))
        .collect();
    changes.extend(
        leaving
            .iter()
            .rev()
            .map(|(id, current)| deletion(id, current)),
    );
    for change in &mut changes {
        justify(change, &goal.places);
    }
    let bodies = parent_bodies(&goal, &parent_id, &leaving, live);
    let going = live.ours.get(&parent_id).and_then(Going::of);
    Ok(Plan {
        writes: writes::writes(&goal, &changes, &parent_id, bodies),
        parent: Parent {
            id: parent_id,
            going,
        },
        changes,
        goal,
    })
}

/// Nothing can be made in a namespace that is going, and when it will be gone nothing says.
fn refuse_going_namespace(goal: &Goal, live: &Live) -> Result<(), Refusal> {
    let mut ours = live.ours.iter();
    let ours = ours.find(|(id, _)| id.kind == Kind::Namespace);
    let namespace = ours.map(|(_, value)| value).or(live.namespace.as_ref());
    let going = namespace.and_then(Going::of);
    let is_refused = live
        .predictions
        .values()
        .any(|prediction| *prediction == Prediction::NamespaceGoing);
    if going.is_none() && !is_refused {
        return Ok(());
    }
    Err(Refusal::NamespaceGoing {
        namespace: goal.target.namespace.clone(),
        going,
    })
}

/// An object of ours exists in both the list by our labels and the prediction; one that only the prediction knows
/// (a dry-run create has no resourceVersion) belongs to somebody else.
fn refuse_foreign(desired: &Desired, live: &Live, parent: &ObjectId) -> Result<(), Refusal> {
    let exists = |value: &Value| value["metadata"]["resourceVersion"].is_string();
    let set = apply_set::id(parent);
    let mut foreign: Vec<ObjectId> = desired
        .keys()
        .filter(|id| match (live.ours.get(*id), live.predictions.get(*id)) {
            (Some(current), _) => {
                current["metadata"]["labels"][apply_set::PART_OF] != set
                    || has_foreign_owner_reference(current)
            }
            (
                None,
                Some(Prediction::Applied(value) | Prediction::Conflicting { forced: value, .. }),
            ) => exists(value),
            (None, Some(Prediction::Immutable { .. })) => true,
            (None, _) => false,
        })
        .cloned()
        .collect();
    if live
        .ours
        .get(parent)
        .is_some_and(|current| apply_set::is_foreign(current, parent))
    {
        foreign.push(parent.clone());
    }
    if foreign.is_empty() {
        Ok(())
    } else {
        Err(Refusal::Foreign(foreign))
    }
}

fn has_foreign_owner_reference(current: &Value) -> bool {
    current["metadata"]["ownerReferences"]
        .as_array()
        .is_some_and(|owners| !owners.is_empty())
}

fn refuse_missing_namespace(goal: &Goal, live: &Live) -> Result<(), Refusal> {
    let is_missing = live
        .predictions
        .values()
        .any(|prediction| *prediction == Prediction::NamespaceMissing);
    let is_made_by_us = goal.objects.keys().any(|id| id.kind == Kind::Namespace);
    if is_missing && !is_made_by_us {
        return Err(Refusal::NamespaceMissing(goal.target.namespace.clone()));
    }
    Ok(())
}

/// What carries our labels, was applied by us, and is not desired any more.
fn leaving<'a>(
    desired: &Desired,
    live: &'a Live,
    parent: &ObjectId,
) -> BTreeMap<&'a ObjectId, &'a Value> {
    let set = apply_set::id(parent);
    live.ours
        .iter()
        .filter(|(id, current)| {
            !desired.contains_key(*id)
                && *id != parent
                && id.kind != Kind::Namespace
                && current["metadata"]["labels"][apply_set::PART_OF] == set
                && owner::is_managed_by_us(current)
                && !has_foreign_owner_reference(current)
        })
        .collect()
}

/// Whether this apply turns autoscaling off. The parent tells, not the autoscaler: it names the kind until the apply is
/// through, so that one which was cut off after the autoscaler's deletion is still completed without dropping a pod.
fn autoscaler_goes(desired: &Desired, live: &Live, parent: &ObjectId) -> bool {
    let kind = Kind::HorizontalPodAutoscaler;
    let is_recorded = live
        .ours
        .get(parent)
        .is_some_and(|current| apply_set::kinds_of(current).contains(&kind));
    is_recorded && !desired.keys().any(|id| id.kind == kind)
}

fn derive(id: &ObjectId, body: &Value, live: &Live, autoscaler_goes: bool, minimum: i64) -> Change {
    let mut change = Change {
        id: id.clone(),
        action: Action::Keep,
        fields: Vec::new(),
        conflicts: Vec::new(),
        notes: Vec::new(),
        transition: Transition::None,
        uid: None,
        approximate: approximate(live.predictions.get(id)),
        going: live.ours.get(id).and_then(Going::of),
        stamps: Vec::new(),
        paused: None,
    };
    // One that is being deleted is as good as gone: what comes after it is another object.
    let current = live.ours.get(id).filter(|_| change.going.is_none());
    let Some(current) = current else {
        change
            .notes
            .extend(change.going.as_ref().map(note_of_going));
        change.action = Action::Create;
        if id.kind == Kind::Deployment {
            set_transition(&mut change, replicas::beginning(body, minimum));
        }
        return change;
    };
    change.uid = current["metadata"]["uid"].as_str().map(str::to_owned);
    if id.kind == Kind::Deployment {
        let mut transition = replicas::transition(body, current, autoscaler_goes);
        let is_replaced = matches!(live.predictions.get(id), Some(Prediction::Immutable { .. }));
        // Of one that is deleted and created again no number can pass beforehand.
        if is_replaced && replicas::number(body).is_none() {
            let pods = replicas::number(current).unwrap_or(0);
            transition = replicas::beginning(body, minimum.max(pods));
        }
        set_transition(&mut change, transition);
    }
    compare_with_prediction(&mut change, body, current, live);
    if id.kind == Kind::Deployment && change.action != Action::Replace {
        change.paused = pause(current);
    }
    change
}

fn note_of_going(going: &Going) -> String {
    format!(
        "the live one {}; apply waits until it is gone and creates it again",
        going.words()
    )
}

fn approximate(prediction: Option<&Prediction>) -> Option<Approximate> {
    match prediction? {
        Prediction::NamespaceMissing => Some(Approximate::NamespaceMissing),
        Prediction::Forbidden(message) => Some(Approximate::Forbidden(message.clone())),
        _ => None,
    }
}

fn set_transition(change: &mut Change, transition: Transition) {
    change.transition = transition;
    change.notes.extend(transition.note());
}

fn compare_with_prediction(change: &mut Change, body: &Value, current: &Value, live: &Live) {
    let mut predicted = match live.predictions.get(&change.id) {
        Some(Prediction::Applied(predicted)) => predicted.clone(),
        Some(Prediction::Forbidden(_)) => approximate::lay_over(current, body),
        Some(Prediction::Conflicting { forced, conflicts }) => {
            let is_ours = |conflict: &&Conflict| {
                !(change.transition != Transition::None && conflict.field == replicas::FIELD)
            };
            change.conflicts = conflicts.iter().filter(is_ours).cloned().collect();
            forced.clone()
        }
        Some(Prediction::Immutable { causes, conflicts }) => {
            change.action = Action::Replace;
            change.conflicts = conflicts.clone();
            change.notes.extend(
                causes
                    .iter()
                    .map(|cause| format!(".{} cannot be changed: {}", cause.field, cause.message)),
            );
            return;
        }
        Some(Prediction::NamespaceMissing | Prediction::NamespaceGoing) | None => return,
    };
    if let Some(again) = live.again.get(&change.id) {
        (predicted, change.stamps) = stamps::without_stamps(body, current, (&predicted, again));
    }
    chosen::hide_guesses(change.id.kind, body, current, &mut predicted);
    if let Some(replicas) = change.transition.replicas() {
        predicted["spec"]["replicas"] = json!(replicas);
    }
    change.fields = diff::diff(current, &predicted);
    for field in &mut change.fields {
        field.owner = owner::foreign_owner(current, &field.path);
    }
    if !change.fields.is_empty() || change.transition != Transition::None {
        change.action = Action::Update;
    }
}

fn deletion(id: &ObjectId, current: &Value) -> Change {
    let going = Going::of(current);
    Change {
        id: id.clone(),
        action: Action::Delete,
        fields: Vec::new(),
        conflicts: Vec::new(),
        notes: vec![LEFT.into()]
            .into_iter()
            .chain(
                going
                    .as_ref()
                    .map(|going| format!("it {} already", going.words())),
            )
            .collect(),
        transition: Transition::None,
        uid: current["metadata"]["uid"].as_str().map(str::to_owned),
        approximate: None,
        going,
        stamps: Vec::new(),
        paused: None,
    }
}

const LEFT: &str = "it is no longer in the stack";

/// Says of everything that changes which key of the stack file it comes from; without a file there is nothing to say.
fn justify(change: &mut Change, places: &BTreeMap<String, String>) {
    if places.is_empty() {
        return;
    }
    for field in &mut change.fields {
        field.because = because(&causes(change.id.kind, &field.path), places);
    }
    if change.action == Action::Delete
        && let Some(because) = because(&causes(change.id.kind, ""), places)
    {
        for note in change.notes.iter_mut().filter(|note| *note == LEFT) {
            *note = format!("{LEFT}: {because}");
        }
    }
}

/// The key that is written, or the one that is not and has its default.
fn because(keys: &[&str], places: &BTreeMap<String, String>) -> Option<String> {
    let written = keys
        .iter()
        .find_map(|key| Some(format!("{key}, {}", places.get(*key)?)));
    written.or_else(|| Some(format!("{}, by default", keys.first()?)))
}

fn parent_bodies(
    goal: &Goal,
    id: &ObjectId,
    leaving: &BTreeMap<&ObjectId, &Value>,
    live: &Live,
) -> ParentBodies {
    let after: BTreeSet<Kind> = goal.objects.keys().map(|id| id.kind).collect();
    let current = live.ours.get(id);
    let mut before: BTreeSet<Kind> = leaving
        .keys()
        .map(|id| id.kind)
        .chain(after.iter().copied())
        .collect();
    before.extend(current.map(apply_set::kinds_of).unwrap_or_default());
    let body = |kinds: &BTreeSet<Kind>| apply_set::parent_body(&goal.target.stack, id, kinds);
    let (before_body, after_body) = (body(&before), body(&after));
    let stays = current.filter(|current| Going::of(current).is_none());
    let is_said = stays.is_some_and(|current| apply_set::says_the_same(current, &before_body));
    ParentBodies {
        before: (!is_said).then_some(before_body),
        after: (before != after).then_some(after_body),
    }
}
