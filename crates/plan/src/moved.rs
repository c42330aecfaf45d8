//! What became of the ground that a plan stands on. A status that was written since is no ground.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Action, Change, FieldChange, Plan, Write, stamps};
use uninlu_objects::{Kind, ObjectId};

/// In what a plan made now differs from the one that was shown, each as a clause for an error; empty when carrying out
/// the later one does exactly what was shown.
///
/// Four differences are expected and are none: the digest of an image that was still to be built, the namespace that an
/// apply makes before all else, for its lock to be in, what was to be deleted and is gone already, and what admission
/// stamps anew at each request.
pub fn moved(shown: &Plan, now: &Plan) -> Vec<String> {
    let image_was_open = shown.goal.image.to_be_built.is_some();
    let (before, after) = (by_object(shown), by_object(now));
    let ids: BTreeSet<&ObjectId> = before.keys().chain(after.keys()).copied().collect();
    let mut moved: Vec<String> = ids
        .into_iter()
        .flat_map(|id| compare(id, before.get(id), after.get(id), image_was_open))
        .collect();
    if moved.is_empty() {
        moved.extend(unplanned(shown, now));
    }
    moved
}

/// Requests that the shown plan holds otherwise, but for the digest of an image that was open. The parent's name the
/// version of the tool, which may be another one than the saved plan's.
fn unplanned(shown: &Plan, now: &Plan) -> Vec<String> {
    let image = &now.goal.image.reference;
    let pinned = |write: &Write| match shown.goal.image.to_be_built {
        Some(_) => write.clone().with_image(image),
        None => write.clone(),
    };
    let shown: Vec<Write> = shown.writes.iter().map(pinned).collect();
    let is_unplanned = |write: &&Write| {
        let mut planned = shown.iter().filter(|it| it.id() == write.id()).peekable();
        planned.peek().is_some() && !planned.any(|planned| planned == *write)
    };
    let writes = now.writes.iter().filter(|it| *it.id() != now.parent.id);
    let words = |write: &Write| format!("{}: its request is not the planned one", write.id());
    writes.filter(is_unplanned).map(words).collect()
}

fn by_object(plan: &Plan) -> BTreeMap<&ObjectId, &Change> {
    plan.changes
        .iter()
        .map(|change| (&change.id, change))
        .collect()
}

fn compare(
    id: &ObjectId,
    shown: Option<&&Change>,
    now: Option<&&Change>,
    image_was_open: bool,
) -> Vec<String> {
    // A deletion that an apply which was cut off had begun, and that has ended since.
    if now.is_none() && shown.is_some_and(|shown| shown.action == Action::Delete) {
        return Vec::new();
    }
    let (Some(shown), Some(now)) = (shown, now) else {
        let word = if now.is_some() { "appeared" } else { "is gone" };
        return vec![format!("{id} {word}")];
    };
    let is_own_namespace = id.kind == Kind::Namespace && shown.action == Action::Create;
    if is_own_namespace && matches!(now.action, Action::Create | Action::Keep) {
        return Vec::new();
    }
    if let (Some(going), Some(_)) = (&now.going, &shown.uid)
        && now.action != Action::Delete
    {
        return vec![format!("{id} {}", going.words())];
    }
    match (&shown.uid, &now.uid) {
        (None, Some(_)) => return vec![format!("{id} was created by someone else")],
        (Some(_), None) => return vec![format!("{id} was deleted")],
        (Some(shown), Some(now)) if shown != now => {
            return vec![format!(
                "{id} was deleted and recreated (its uid was {shown} and is {now})"
            )];
        }
        _ => (),
    }
    let mut moves = fields(id, shown, now, image_was_open);
    if shown.transition != now.transition {
        moves.push(format!("{id}: the number of pods changed"));
    }
    let taken = now
        .conflicts
        .iter()
        .filter(|conflict| !shown.conflicts.contains(conflict));
    moves.extend(taken.map(|conflict| {
        format!(
            "{id}: {} now belongs to {}",
            conflict.field, conflict.manager
        )
    }));
    let freed = shown
        .conflicts
        .iter()
        .filter(|conflict| !now.conflicts.contains(conflict));
    moves.extend(freed.map(|conflict| {
        format!(
            "{id}: {} no longer belongs to {}",
            conflict.field, conflict.manager
        )
    }));
    if moves.is_empty() && action(shown, image_was_open) != action(now, image_was_open) {
        moves.push(format!(
            "{id} was to {} and is now to {}",
            shown.action.word(),
            now.action.word()
        ));
    }
    moves
}

/// An update of nothing but an image that was open is expected to turn into nothing, or to come out of nothing.
fn action(change: &Change, image_was_open: bool) -> Action {
    let is_only_image = image_was_open
        && change.action == Action::Update
        && !change.fields.is_empty()
        && change.fields.iter().all(is_image);
    if is_only_image {
        Action::Keep
    } else {
        change.action
    }
}

fn fields(id: &ObjectId, shown: &Change, now: &Change, image_was_open: bool) -> Vec<String> {
    let by_path = |change: &Change| -> BTreeMap<String, FieldChange> {
        let counts = |field: &&FieldChange| !(image_was_open && is_image(field));
        let fields = change.fields.iter().filter(counts);
        fields
            .map(|field| (field.path.clone(), field.clone()))
            .collect()
    };
    let stamps: Vec<&String> = shown.stamps.iter().chain(&now.stamps).collect();
    let is_stamp = |path: &str| {
        let mut stamps = stamps.iter();
        stamps.any(|stamp| stamp.starts_with(path) || path.starts_with(stamp.as_str()))
    };
    let (shown, now) = (by_path(shown), by_path(now));
    let paths: BTreeSet<&String> = shown.keys().chain(now.keys()).collect();
    paths
        .into_iter()
        .filter(|path| !is_stamp(path))
        .filter_map(|path| field(id, path, shown.get(path), now.get(path)))
        .collect()
}

fn field(
    id: &ObjectId,
    path: &str,
    shown: Option<&FieldChange>,
    now: Option<&FieldChange>,
) -> Option<String> {
    let words = |value: &Option<Value>| {
        value
            .as_ref()
            .map_or_else(|| "nothing".to_owned(), Value::to_string)
    };
    match (shown, now) {
        (Some(shown), Some(now)) if shown.from != now.from => Some(format!(
            "{id}: {path} was {} and is {}{}",
            words(&shown.from),
            words(&now.from),
            by(now)
        )),
        (Some(shown), Some(now)) if shown.to != now.to && !is_time(shown, now) => Some(format!(
            "{id}: {path} would have become {} and would now become {}",
            words(&shown.to),
            words(&now.to)
        )),
        (Some(_), None) => Some(format!("{id}: {path} changed to what was planned")),
        (None, Some(now)) => Some(format!("{id}: {path} is {}{}", words(&now.from), by(now))),
        _ => None,
    }
}

fn by(field: &FieldChange) -> String {
    field.owner.as_ref().map_or(String::new(), |owner| {
        format!(", set by {} at {}", owner.manager, owner.time)
    })
}

/// A stamp of whole minutes was the same in both dry runs of one plan.
fn is_time(shown: &FieldChange, now: &FieldChange) -> bool {
    [shown, now]
        .iter()
        .all(|field| field.to.as_ref().is_some_and(stamps::is_time))
}

fn is_image(field: &FieldChange) -> bool {
    field.path.ends_with("].image")
}
