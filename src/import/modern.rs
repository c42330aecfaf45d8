//! Older forms of an autoscaler → the form of `autoscaling/v2`, which rules and draft read; its places go along.
//!
//! Kubernetes' own conversions are `pkg/apis/autoscaling/v1` and `v2beta1`.

use serde_json::{Value, json};

use super::Object;
use super::yaml::step;
use crate::rules::Fields;

/// Where `autoscaling/v1` keeps what it has no fields for.
const ANNOTATIONS: [(&str, &str); 2] = [
    ("autoscaling.alpha.kubernetes.io/metrics", "metrics"),
    ("autoscaling.alpha.kubernetes.io/behavior", "behavior"),
];

/// Fields of a metric's source as `v2beta1` names them, and as `v2` does.
const RENAMED: [(&str, &str, &str); 13] = [
    (
        "resource",
        "targetAverageUtilization",
        "target/averageUtilization",
    ),
    ("resource", "targetAverageValue", "target/averageValue"),
    (
        "containerResource",
        "targetAverageUtilization",
        "target/averageUtilization",
    ),
    (
        "containerResource",
        "targetAverageValue",
        "target/averageValue",
    ),
    ("pods", "metricName", "metric/name"),
    ("pods", "targetAverageValue", "target/averageValue"),
    ("object", "metricName", "metric/name"),
    ("object", "targetValue", "target/value"),
    ("object", "averageValue", "target/averageValue"),
    ("external", "metricName", "metric/name"),
    ("external", "metricSelector", "metric/selector"),
    ("external", "targetValue", "target/value"),
    ("external", "targetAverageValue", "target/averageValue"),
];

/// Gives an autoscaler the form of `autoscaling/v2`; other objects stay.
pub(super) fn modern(object: &mut Object) {
    if object.kind() != "HorizontalPodAutoscaler" {
        return;
    }
    for (annotation, field) in ANNOTATIONS {
        read_annotation(object, annotation, field);
    }
    // `extensions/v1beta1`
    rename(object, "/spec/scaleRef", "/spec/scaleTargetRef");
    rename(
        object,
        "/spec/cpuUtilization/targetPercentage",
        "/spec/targetCPUUtilizationPercentage",
    );
    let count = object.items("/spec/metrics").len();
    for index in 0..count {
        let metric = format!("/spec/metrics/{index}");
        if object.at(&format!("{metric}/object/target/kind")).is_some() {
            let [from, to] =
                ["target", "describedObject"].map(|it| format!("{metric}/object/{it}"));
            rename(object, &from, &to);
        }
        for (source, old, new) in RENAMED {
            let [from, to] = [old, new].map(|field| format!("{metric}/{source}/{field}"));
            rename(object, &from, &to);
        }
    }
    let target = "/spec/targetCPUUtilizationPercentage";
    if object.at(target).is_some() {
        let metric = format!("/spec/metrics/{count}");
        let cpu = json!({ "type": "Resource", "resource": { "name": "cpu", "target": { "type": "Utilization" } } });
        match &mut object.body["spec"]["metrics"] {
            Value::Array(metrics) => metrics.push(cpu),
            metrics => *metrics = json!([cpu]),
        }
        let to = format!("{metric}/resource/target/averageUtilization");
        rename(object, target, &to);
    }
}

fn read_annotation(object: &mut Object, annotation: &str, field: &str) {
    let pointer = step("/metadata/annotations", annotation);
    let to = format!("/spec/{field}");
    let read: Option<Value> = serde_json::from_str(object.text(&pointer)).ok();
    let (Some(read), None) = (read, object.at(&to)) else {
        return;
    };
    rename(object, &pointer, &to);
    put(&mut object.body, &to, read);
}

/// Moves a field, if there is one, with its places and those below it.
fn rename(object: &mut Object, from: &str, to: &str) {
    let Some(value) = take(&mut object.body, from) else {
        return;
    };
    put(&mut object.body, to, value);
    let below = |pointer: &str| {
        let rest = pointer.strip_prefix(from)?;
        (rest.is_empty() || rest.starts_with('/')).then(|| format!("{to}{rest}"))
    };
    let moved: Vec<(String, String)> = object
        .places
        .keys()
        .filter_map(|pointer| Some((pointer.clone(), below(pointer)?)))
        .collect();
    for (old, new) in moved {
        if let Some(places) = object.places.remove(&old) {
            object.places.insert(new, places);
        }
    }
}

fn plain(key: &str) -> String {
    key.replace("~1", "/").replace("~0", "~")
}

fn take(body: &mut Value, pointer: &str) -> Option<Value> {
    let (parent, key) = pointer.rsplit_once('/')?;
    let parent = body.pointer_mut(parent)?.as_object_mut()?;
    parent.remove(&plain(key)).filter(|value| !value.is_null())
}

/// Maps that are missing on the way are made.
fn put(body: &mut Value, pointer: &str, value: Value) {
    let mut at = body;
    for key in pointer.split('/').skip(1) {
        let is_item = at.is_array();
        at = match key.parse::<usize>() {
            Ok(index) if is_item => match at.get_mut(index) {
                Some(item) => item,
                None => return,
            },
            _ => {
                if !at.is_object() {
                    *at = json!({});
                }
                &mut at[plain(key)]
            }
        };
    }
    *at = value;
}
