//! What admission writes anew at every request: a mutating webhook that stamps the time, or a random name. Two dry runs
//! of one apply differ in it. It is no change of ours: left in a plan, no plan would ever be empty, and no apply would
//! find the cluster as its plan showed it.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Map, Value};

use super::approximate::is_same_quantity;
use super::chosen::{CHOSEN, hide_guesses};
use super::diff::{diff, is_keyed, item_key, segment};
use uninlu_objects::Kind;

/// Whether the prediction differs from the live object in what the body does not say: only then is a second dry run
/// worth its request.
pub fn needs_second_look(kind: Kind, body: &Value, current: &Value, predicted: &Value) -> bool {
    let mut predicted = predicted.clone();
    hide_guesses(kind, body, current, &mut predicted);
    let changes = diff(current, &predicted);
    let mut written = changes
        .iter()
        .filter_map(|change| Some((&change.path, change.to.as_ref()?)));
    written.any(|(path, to)| !says(at(body, path).as_ref(), to))
}

/// Whether two looks were too close: the prediction differs from the live object in what may be a time of whole seconds.
pub fn may_be_a_time(current: &Value, predicted: &Value) -> bool {
    let mut written = diff(current, predicted)
        .into_iter()
        .filter_map(|change| change.to);
    written.any(|to| is_time(&to))
}

/// `12:34:56`, or seconds since 1970.
pub(super) fn is_time(value: &Value) -> bool {
    static TIME: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"\d{2}:\d{2}:\d{2}|\b1\d{9}").expect("it is a constant"));
    TIME.is_match(&value.to_string())
}

/// Whether the body says all of the value: nothing in it was written by somebody else, nor by default.
fn says(body: Option<&Value>, value: &Value) -> bool {
    match (body, value) {
        (_, Value::String(chosen)) if chosen == CHOSEN => true,
        (Some(Value::Object(body)), Value::Object(value)) => {
            value.iter().all(|(key, value)| says(body.get(key), value))
        }
        (Some(Value::Array(body)), Value::Array(value)) => {
            let mut pairs = body.iter().zip(value);
            body.len() == value.len() && pairs.all(|(body, value)| says(Some(body), value))
        }
        (Some(body), value) => body == value || is_same_quantity(body, value),
        (None, _) => false,
    }
}

/// The value at a path as [`diff`] writes it.
fn at(value: &Value, path: &str) -> Option<Value> {
    let mut found = None;
    walk("", value, &mut |here, value| {
        if here == path {
            found = Some(value.clone());
        }
        path.starts_with(here)
    });
    found
}

/// Visits a value and what is in it, as far as `visit` wants to go on.
fn walk(path: &str, value: &Value, visit: &mut impl FnMut(&str, &Value) -> bool) {
    if !visit(path, value) {
        return;
    }
    match value {
        Value::Object(fields) => fields
            .iter()
            .for_each(|(key, value)| walk(&format!("{path}{}", segment(key)), value, visit)),
        Value::Array(items) if is_keyed(items) => items.iter().for_each(|item| {
            walk(&item_path(path, item), item, visit);
        }),
        _ => (),
    }
}

fn item_path(path: &str, item: &Value) -> String {
    format!("{path}[{}]", item_key(item).unwrap_or_default())
}

/// A prediction without its stamps, and their paths. What two looks disagree about is as it is now; only where our own
/// body wrote something else there than the live object was made from does the first look's value stay.
pub(super) fn without_stamps(
    body: &Value,
    current: &Value,
    looks: (&Value, &Value),
) -> (Value, Vec<String>) {
    let mut paths = Vec::new();
    let settled = settle("", Some(body), Some(current), looks, &mut paths);
    (settled.unwrap_or(Value::Null), paths)
}

fn settle(
    path: &str,
    body: Option<&Value>,
    current: Option<&Value>,
    looks: (&Value, &Value),
    paths: &mut Vec<String>,
) -> Option<Value> {
    match looks {
        (one, other) if one == other || is_bookkeeping(path) => Some(one.clone()),
        (Value::Object(one), Value::Object(other)) => {
            let fields = settle_fields(path, (body, current), (one, other), paths);
            let is_left = !fields.is_empty() || current.is_some();
            is_left.then_some(Value::Object(fields))
        }
        (Value::Array(one), Value::Array(other)) if is_keyed(one) && is_keyed(other) => {
            let items = settle_items(path, (body, current), (one, other), paths);
            Some(Value::Array(items))
        }
        (one, _) => {
            paths.push(path.to_owned());
            match is_ours(body, current, one) {
                true => Some(one.clone()),
                false => current.cloned(),
            }
        }
    }
}

/// A dry run invents a time and a uid; neither is compared in any plan.
fn is_bookkeeping(path: &str) -> bool {
    const INVENTED: [&str; 4] = [
        ".metadata.uid",
        ".metadata.managedFields",
        ".metadata.resourceVersion",
        ".metadata.creationTimestamp",
    ];
    INVENTED.contains(&path)
}

fn settle_fields(
    path: &str,
    (body, current): (Option<&Value>, Option<&Value>),
    (one, other): (&Map<String, Value>, &Map<String, Value>),
    paths: &mut Vec<String>,
) -> Map<String, Value> {
    let mut settled = Map::new();
    for key in one
        .keys()
        .chain(other.keys().filter(|key| !one.contains_key(*key)))
    {
        let path = format!("{path}{}", segment(key));
        let inner = |value: Option<&Value>| value.and_then(|value| value.get(key)).cloned();
        let (body, current) = (inner(body), inner(current));
        let field = match (one.get(key), other.get(key)) {
            (Some(one), Some(other)) => {
                settle(&path, body.as_ref(), current.as_ref(), (one, other), paths)
            }
            _ => {
                paths.push(path);
                current
            }
        };
        settled.extend(field.map(|field| (key.clone(), field)));
    }
    settled
}

fn settle_items(
    path: &str,
    (body, current): (Option<&Value>, Option<&Value>),
    (one, other): (&[Value], &[Value]),
    paths: &mut Vec<String>,
) -> Vec<Value> {
    let find = |items: &[Value], item: &Value| {
        items
            .iter()
            .find(|known| item_key(known) == item_key(item))
            .cloned()
    };
    let within = |value: Option<&Value>, item: &Value| find(value?.as_array()?, item);
    let added = other.iter().filter(|item| find(one, item).is_none());
    let settle_item = |item: &Value| {
        let path = item_path(path, item);
        let (body, current) = (within(body, item), within(current, item));
        match (find(one, item), find(other, item)) {
            (Some(one), Some(other)) => settle(
                &path,
                body.as_ref(),
                current.as_ref(),
                (&one, &other),
                paths,
            ),
            _ => {
                paths.push(path);
                current
            }
        }
    };
    one.iter().chain(added).filter_map(settle_item).collect()
}

/// Whether the field's new value still holds what the body says, and the live one does not: then the body changed too.
fn is_ours(body: Option<&Value>, current: Option<&Value>, predicted: &Value) -> bool {
    match (body, current, predicted) {
        (None, ..) => false,
        (Some(_), None, _) => true,
        (Some(Value::String(body)), Some(Value::String(current)), Value::String(predicted)) => {
            predicted.contains(body) && !current.contains(body)
        }
        (Some(Value::Array(body)), Some(Value::Array(current)), Value::Array(predicted)) => body
            .iter()
            .any(|item| predicted.contains(item) && !current.contains(item)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What a plan would show, and the stamps.
    fn shown(body: Value, current: Value, one: Value, other: Value) -> (Vec<String>, Vec<String>) {
        assert!(needs_second_look(Kind::Deployment, &body, &current, &one));
        let (settled, stamps) = without_stamps(&body, &current, (&one, &other));
        let changes = diff(&current, &settled)
            .into_iter()
            .map(|change| change.path);
        (changes.collect(), stamps)
    }

    fn none() -> Vec<String> {
        Vec::new()
    }

    #[test]
    fn a_time_in_an_annotation_is_no_change() {
        let pod = |time: &str| json!({ "spec": { "template": { "metadata": { "annotations": { "stamped-at": time } } } } });
        let path = vec![".spec.template.metadata.annotations.stamped-at".to_owned()];
        let body = json!({ "spec": { "template": { "metadata": {} } } });
        assert_eq!(
            shown(body.clone(), pod("1"), pod("2"), pod("3")),
            (none(), path.clone())
        );
        // The webhook is new: the live object has no annotations at all.
        let first = shown(body.clone(), body, pod("2"), pod("3"));
        assert_eq!(first, (none(), path));
    }

    #[test]
    fn our_change_beside_a_stamp_is_shown() {
        let object = |replicas: u8, time: &str| json!({ "metadata": { "labels": { "t": time } }, "spec": { "replicas": replicas } });
        let body = json!({ "spec": { "replicas": 3 } });
        let (changes, stamps) = shown(body, object(2, "a"), object(3, "b"), object(3, "c"));
        assert_eq!(changes, [".spec.replicas"]);
        assert_eq!(stamps, [".metadata.labels.t"]);
    }

    #[test]
    fn a_random_name_is_no_change() {
        let with = |name: &str| json!({ "env": [{ "name": "A", "value": "1" }, { "name": name, "value": "x" }] });
        let body = json!({ "env": [{ "name": "A", "value": "1" }] });
        let (changes, stamps) = shown(body.clone(), body, with("R-1"), with("R-2"));
        assert_eq!(changes, none());
        assert_eq!(stamps, [".env[R-1]", ".env[R-2]"]);
    }

    #[test]
    fn a_suffix_behind_our_value_hides_no_change_of_it() {
        let env = |value: &str| json!({ "env": [{ "name": "A", "value": value }] });
        let stamp = vec![".env[A].value".to_owned()];
        assert_eq!(
            shown(env("a"), env("a-1"), env("a-2"), env("a-3")),
            (none(), stamp.clone())
        );
        assert_eq!(
            shown(env("b"), env("a-1"), env("b-2"), env("b-3")),
            (stamp.clone(), stamp)
        );
        let args = |list: &[&str]| json!({ "args": list });
        let stamp = vec![".args".to_owned()];
        let now = args(&["--a", "--run=1"]);
        assert_eq!(
            shown(
                args(&["--a"]),
                now.clone(),
                args(&["--a", "--run=2"]),
                args(&["--a", "--run=3"])
            ),
            (none(), stamp.clone())
        );
        assert_eq!(
            shown(
                args(&["--b"]),
                now,
                args(&["--b", "--run=2"]),
                args(&["--b", "--run=3"])
            ),
            (stamp.clone(), stamp)
        );
    }

    #[test]
    fn what_the_body_says_needs_no_second_look() {
        let current =
            json!({ "spec": { "memory": "1Gi", "env": [{ "name": "A", "value": "1" }] } });
        let wanted = json!({ "spec": { "memory": "2Gi", "env": [{ "name": "A", "value": "2" }, { "name": "B", "value": "3" }] } });
        assert!(!needs_second_look(
            Kind::Deployment,
            &wanted,
            &current,
            &wanted
        ));
        assert!(!needs_second_look(
            Kind::Deployment,
            &wanted,
            &wanted,
            &wanted
        ));
        let canonical = json!({ "spec": { "memory": "2048Mi" } });
        let (body, live) = (
            json!({ "spec": { "memory": "2Gi" } }),
            json!({ "spec": { "memory": "1Gi" } }),
        );
        assert!(!needs_second_look(
            Kind::Deployment,
            &body,
            &live,
            &canonical
        ));
        // What goes was ours.
        assert!(!needs_second_look(
            Kind::Deployment,
            &json!({}),
            &current,
            &json!({})
        ));
    }

    #[test]
    fn times_are_known_by_their_form() {
        for time in [
            "2026-11-28T18:37:20Z",
            "1764355000",
            "at 1764355000.25",
            "18:37:20",
        ] {
            assert!(is_time(&json!({ "a": time })), "{time}");
        }
        for other in ["v1", "sha256:aaaa", "8000", "0123"] {
            assert!(!is_time(&json!(other)), "{other}");
        }
    }
}
