//! Who owns `spec.replicas` when autoscaling is turned on or off, so that the switch itself never drops a pod.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::owner;
use uninlu_objects::MANAGER;

/// The field.
pub const FIELD: &str = ".spec.replicas";

/// Field manager that holds `spec.replicas` between our letting go and the autoscaler's first write.
pub const HAND_OVER_MANAGER: &str = "uninlu-replicas";

/// What happens to `spec.replicas` besides an ordinary apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transition {
    /// Nothing.
    None,
    /// A Deployment with an autoscaler is made: it begins with the autoscaler's minimum, since one without a number would
    /// have one pod until the autoscaler's first look. Then the field passes as in [`Transition::HandOver`].
    Begin {
        /// The autoscaler's minimum; the present number, if it is larger, where the Deployment is replaced.
        minimum: i64,
    },
    /// Autoscaling is turned on: simply leaving the field out would make server-side apply remove it, and the
    /// Deployment fall to one pod. Another manager takes the present value first.
    HandOver {
        /// Pods now.
        current: i64,
    },
    /// Autoscaling is turned off: the field becomes ours at the larger of both numbers.
    TakeBack {
        /// Pods now.
        current: i64,
        /// Pods that the stack asks for.
        wanted: i64,
    },
}

/// Of a Deployment that does not exist when its body is sent.
pub fn beginning(body: &Value, minimum: i64) -> Transition {
    match number(body) {
        None => Transition::Begin { minimum },
        Some(_) => Transition::None,
    }
}

/// The number of pods that a Deployment asks for.
pub fn number(deployment: &Value) -> Option<i64> {
    deployment["spec"]["replicas"].as_i64()
}

/// `autoscaler_goes`: a HorizontalPodAutoscaler was ours and is not desired any more.
pub fn transition(body: &Value, current: &Value, autoscaler_goes: bool) -> Transition {
    let Some(pods) = number(current) else {
        return Transition::None;
    };
    match number(body) {
        None if owner::is_applied_by(current, MANAGER, FIELD) => {
            Transition::HandOver { current: pods }
        }
        Some(wanted) if autoscaler_goes => Transition::TakeBack {
            current: pods,
            wanted,
        },
        _ => Transition::None,
    }
}

impl Transition {
    /// The number that the object has after the apply; `None` leaves the prediction as it is.
    pub fn replicas(self) -> Option<i64> {
        match self {
            Transition::None => None,
            Transition::Begin { minimum } => Some(minimum),
            Transition::HandOver { current } => Some(current),
            Transition::TakeBack { current, wanted } => Some(current.max(wanted)),
        }
    }

    /// What the plan says about it.
    pub fn note(self) -> Option<String> {
        match self {
            Transition::None => None,
            Transition::Begin { minimum } => Some(format!(
                "{FIELD} begins at {minimum} and passes to the autoscaler"
            )),
            Transition::HandOver { current } => Some(format!(
                "{FIELD} stays {current} and passes to the autoscaler"
            )),
            Transition::TakeBack { current, wanted } if current > wanted => Some(format!(
                "{FIELD} passes from the autoscaler to this stack at {current}, so that no pod goes; the stack's {wanted} come with the next apply"
            )),
            Transition::TakeBack { wanted, .. } => Some(format!(
                "{FIELD} passes from the autoscaler to this stack at {wanted}"
            )),
        }
    }
}

/// JSON patch (RFC 6902) that ends the ownership of whoever held the number for the autoscaler: the autoscaler's own
/// writes, and [`HAND_OVER_MANAGER`]. To take a field at the value that it has shares it with its owners, force or not,
/// and the next change of it would be a conflict with an autoscaler that is long gone. `None` when there is nobody.
pub fn release(live: &Value) -> Option<Value> {
    let entries = live["metadata"]["managedFields"].as_array()?;
    let held = |entry: &&Value| {
        entry["manager"] == HAND_OVER_MANAGER || entry["subresource"].as_str() == Some("scale")
    };
    entries.iter().any(|entry| held(&entry)).then(|| {
        let others: Vec<&Value> = entries.iter().filter(|entry| !held(entry)).collect();
        json!([
            { "op": "replace", "path": "/metadata/resourceVersion", "value": live["metadata"]["resourceVersion"] },
            { "op": "replace", "path": "/metadata/managedFields", "value": others },
        ])
    })
}

/// The part of a Deployment by which [`HAND_OVER_MANAGER`] takes the field.
pub fn hand_over_body(body: &Value, current: i64) -> Value {
    json!({
        "apiVersion": body["apiVersion"],
        "kind": body["kind"],
        "metadata": { "name": body["metadata"]["name"], "namespace": body["metadata"]["namespace"] },
        "spec": { "replicas": current },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live(replicas: i64, manager: &str) -> Value {
        json!({
            "metadata": { "managedFields": [{
                "manager": manager, "operation": "Apply", "fieldsV1": { "f:spec": { "f:replicas": {} } },
            }] },
            "spec": { "replicas": replicas },
        })
    }

    #[test]
    fn whoever_held_the_number_for_the_autoscaler_lets_go() {
        let mut live = live(3, HAND_OVER_MANAGER);
        live["metadata"]["resourceVersion"] = json!("7");
        let entries = live["metadata"]["managedFields"]
            .as_array_mut()
            .expect("a list");
        entries.push(json!({ "manager": "kube-controller-manager", "operation": "Update", "subresource": "scale" }));
        entries.push(json!({ "manager": MANAGER, "operation": "Apply" }));
        let patch = release(&live).expect("two let go");
        assert_eq!(patch[0]["value"], "7");
        assert_eq!(
            patch[1]["value"],
            json!([{ "manager": MANAGER, "operation": "Apply" }])
        );
        assert_eq!(
            release(&json!({ "metadata": { "managedFields": [{ "manager": MANAGER }] } })),
            None
        );
    }

    #[test]
    fn turning_on_hands_the_present_number_over() {
        let transition = transition(&json!({ "spec": {} }), &live(3, MANAGER), false);
        assert_eq!(transition, Transition::HandOver { current: 3 });
        assert_eq!(transition.replicas(), Some(3));
    }

    #[test]
    fn a_number_that_is_already_the_autoscalers_needs_nothing() {
        assert_eq!(
            transition(
                &json!({ "spec": {} }),
                &live(3, "kube-controller-manager"),
                false
            ),
            Transition::None
        );
    }

    #[test]
    fn turning_off_never_drops_a_pod() {
        let body = json!({ "spec": { "replicas": 2 } });
        let down = transition(&body, &live(5, HAND_OVER_MANAGER), true);
        assert_eq!(down.replicas(), Some(5));
        let up = transition(&body, &live(1, HAND_OVER_MANAGER), true);
        assert_eq!(up.replicas(), Some(2));
    }
}
