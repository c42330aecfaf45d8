//! A release in words and as data, for `history` and `status`.

use std::collections::BTreeSet;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::kinds::{Desired, Kind, ObjectId, causes};
use crate::plan::FieldChange;
use crate::plan::diff::diff;
use crate::plan::release::{Outcome, Record, Release};
use crate::ui::human_elapsed;

/// A release as data.
#[derive(Debug, PartialEq, Serialize, JsonSchema)]
pub(super) struct Summary {
    number: i64,
    /// When it began, RFC 3339.
    at: String,
    /// `user@host`.
    by: String,
    /// The user's name as the API server knows it; null where it did not say.
    user: Option<String>,
    /// The commit; null outside of git.
    git: Option<String>,
    environment: Option<String>,
    image: String,
    /// Digest of the plan.
    plan: String,
    summary: String,
    /// What changed since the release before: keys of the stack file, and objects that came or went.
    changed: Vec<String>,
    /// The release that this one went back to.
    back_to: Option<i64>,
    outcome: Outcome,
}

impl Summary {
    /// `earlier` is the release before, if its record is there.
    pub(super) fn of(release: &Release, earlier: Option<&Release>) -> Self {
        let record = &release.record;
        Self {
            number: release.number,
            at: record.at.strftime("%FT%TZ").to_string(),
            by: record.by.clone(),
            user: record.user.clone(),
            git: record.goal.git.clone(),
            environment: record.goal.target.environment.clone(),
            image: record.goal.image.reference.clone(),
            plan: record.plan.clone(),
            summary: record.summary.clone(),
            changed: changes(release, earlier),
            back_to: record.back_to,
            outcome: release.outcome.clone(),
        }
    }
}

/// The release before the one with that number, if its record is there.
pub(super) fn before(releases: &[Release], number: i64) -> Option<&Release> {
    let earlier = releases.iter().filter(|release| release.number < number);
    earlier.max_by_key(|release| release.number)
}

/// The API server's name for the user, or what the user's machine says; of a service account `namespace:name`.
pub(super) fn who(record: &Record) -> &str {
    let name = record.user.as_deref().unwrap_or(&record.by);
    name.strip_prefix("system:serviceaccount:").unwrap_or(name)
}

/// `2026-11-24 05:00`, in UTC.
pub(super) fn when(record: &Record) -> String {
    record.at.strftime("%F %H:%M").to_string()
}

/// Changes that a line names.
const NAMED: usize = 3;

/// What changed, in a line.
pub(super) fn changed(release: &Release, earlier: Option<&Release>) -> String {
    let changes = changes(release, earlier);
    let named = changes.iter().take(NAMED).cloned();
    let more = match changes.len().saturating_sub(NAMED) {
        0 => None,
        more => Some(format!("{more} more")),
    };
    let words: Vec<String> = named.chain(more).collect();
    let words = match words.as_slice() {
        [] => counts(&release.record.summary),
        words => words.join(", "),
    };
    match release.record.back_to {
        Some(number) => format!("back to release {number}: {words}"),
        None => words,
    }
}

/// `1 updated` of `0 to create, 1 to update, 0 to replace, 0 to delete, 5 to keep`.
fn counts(summary: &str) -> String {
    let done = [
        ("to create", "created"),
        ("to update", "updated"),
        ("to replace", "replaced"),
        ("to delete", "deleted"),
    ];
    let parts = summary.split(", ").filter(|part| !part.starts_with("0 "));
    let words = parts.filter_map(|part| {
        let (count, what) = part.split_once(' ')?;
        let (_, past) = done.into_iter().find(|(planned, _)| *planned == what)?;
        Some(format!("{count} {past}"))
    });
    match words.collect::<Vec<_>>().as_slice() {
        [] => "no field".to_owned(),
        words => words.join(", "),
    }
}

/// In what a release differs from the one before: keys of the stack file where fields have one. None where the release
/// before is not known.
pub(super) fn changes(release: &Release, earlier: Option<&Release>) -> Vec<String> {
    let Some(earlier) = earlier else {
        return Vec::new();
    };
    let (from, to) = (&earlier.record.goal.objects, &release.record.goal.objects);
    let mut found = Vec::new();
    for id in ids(from, to) {
        match (from.get(id), to.get(id)) {
            (None, _) => found.push(format!("{} added", id.kind.name())),
            (_, None) => found.push(format!("{} removed", id.kind.name())),
            (Some(from), Some(to)) => found.extend(of_object(id, from, to)),
        }
    }
    let mut seen = BTreeSet::new();
    found.retain(|change| seen.insert(change.clone()));
    // What runs is what a reader looks for first.
    found.sort_by_key(|change| !change.starts_with("image"));
    found
}

/// The objects that either of two sets has.
pub(super) fn ids<'a>(from: &'a Desired, to: &'a Desired) -> BTreeSet<&'a ObjectId> {
    from.keys().chain(to.keys()).collect()
}

fn of_object(id: &ObjectId, from: &Value, to: &Value) -> Vec<String> {
    let fields = diff(from, to);
    let settings = fields.iter().filter(|_| id.kind == Kind::ConfigMap);
    let settings: Vec<String> = settings.flat_map(settings_of).collect();
    if !settings.is_empty() {
        return settings;
    }
    let key_of = |field: &FieldChange| causes(id.kind, &field.path).first().copied();
    let words = |field: &FieldChange| match key_of(field) {
        // A digest says nothing to a reader.
        Some(key) if key.starts_with("image") => "image".to_owned(),
        Some(key) if fields.iter().filter(|it| key_of(it) == Some(key)).count() == 1 => {
            format!("{key}{}", values(field.from.as_ref(), field.to.as_ref()))
        }
        Some(key) => key.to_owned(),
        None => format!("{} {}", id.kind.name(), field.path),
    };
    fields.iter().map(words).collect()
}

/// Hot settings, each by its key.
fn settings_of(field: &FieldChange) -> Vec<String> {
    let table = |side: &Option<Value>| -> Option<toml::Table> {
        side.as_ref()?.as_str()?.parse::<toml::Table>().ok()
    };
    let (Some(from), Some(to)) = (table(&field.from), table(&field.to)) else {
        return Vec::new();
    };
    let keys: BTreeSet<&String> = from.keys().chain(to.keys()).collect();
    let json = |value: Option<&toml::Value>| value.and_then(|it| serde_json::to_value(it).ok());
    let changed = keys
        .into_iter()
        .filter(|key| from.get(*key) != to.get(*key));
    changed
        .map(|key| {
            let (from, to) = (json(from.get(key)), json(to.get(key)));
            format!("server.{key}{}", values(from.as_ref(), to.as_ref()))
        })
        .collect()
}

/// A value that a line has room for.
const SHORT: usize = 16;

/// ` 1Gi → 2Gi`, where both are short; ` = 2Gi` and ` unset` where one side has none.
fn values(from: Option<&Value>, to: Option<&Value>) -> String {
    let short = |value: &Value| {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(_) | Value::Bool(_) => value.to_string(),
            _ => return None,
        };
        (text.chars().count() <= SHORT).then_some(text)
    };
    match (from, to) {
        (Some(from), Some(to)) => match (short(from), short(to)) {
            (Some(from), Some(to)) => format!(" {from} → {to}"),
            _ => String::new(),
        },
        (None, Some(to)) => short(to).map_or(String::new(), |to| format!(" = {to}")),
        (Some(_), None) => " unset".to_owned(),
        (None, None) => String::new(),
    }
}

/// How it ended, without the reason.
pub(super) fn ended(outcome: &Outcome) -> String {
    let time = |seconds: &u64| match seconds {
        0..60 => format!("{seconds} s"),
        _ => human_elapsed(Duration::from_secs(*seconds)),
    };
    match outcome {
        Outcome::Open => "open: running, or cut off".to_owned(),
        Outcome::Written { seconds } => format!("written in {}, no wait", time(seconds)),
        Outcome::Ready { seconds } => format!("ready in {}", time(seconds)),
        Outcome::Failed { seconds, .. } => format!("failed after {}", time(seconds)),
    }
}

/// Why it failed.
pub(super) fn reason(outcome: &Outcome) -> Option<&str> {
    match outcome {
        Outcome::Failed { reason, .. } => Some(reason),
        _ => None,
    }
}
