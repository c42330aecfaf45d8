//! Objects of others that do with our pods what ours do: a second autoscaler, a second budget, a second controller.
//! Kubernetes takes them all, and then neither of two works.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube_core::{Selector, SelectorExt};
use serde_json::Value;

use uninlu_objects::{Desired, Kind};

/// An object in the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rival {
    /// `HorizontalPodAutoscaler`
    pub kind: String,
    /// Its name.
    pub name: String,
    /// What it does, and what to do about it.
    pub words: String,
}

type Labels = BTreeMap<String, String>;

/// The stack as rivals meet it: by the labels that its pods will have.
struct Pods<'a> {
    desired: &'a Desired,
    deployment: &'a str,
    labels: Labels,
}

/// What of `others` (live objects of the stack's namespace, with their kinds) gets in the way of what is desired.
pub fn rivals(desired: &Desired, others: &[Value]) -> Vec<Rival> {
    let Some(pods) = Pods::of(desired) else {
        return Vec::new();
    };
    let others: Vec<&Value> = others
        .iter()
        .filter(|other| !pods.is_desired(other))
        .collect();
    let budgets = others
        .iter()
        .filter(|other| pods.is_budgeted_by(other))
        .count();
    let is_contested = budgets + usize::from(pods.has(Kind::PodDisruptionBudget)) > 1;
    // Of a Job's many pods one is named.
    let mut owners = BTreeSet::new();
    let is_first = |other: &&Value| {
        let owner = controller(other).and_then(|owner| owner["uid"].as_str());
        let owner = owner.filter(|_| text(other, "/kind") == "Pod");
        owner.is_none_or(|owner| owners.insert(owner.to_owned()))
    };
    others
        .into_iter()
        .filter(is_first)
        .filter_map(|other| {
            let what = pods.rivalry(other, is_contested)?;
            Some(Rival {
                kind: text(other, "/kind").to_owned(),
                name: text(other, "/metadata/name").to_owned(),
                words: format!("{} {what}; {}", id(other), fix(other)),
            })
        })
        .collect()
}

impl<'a> Pods<'a> {
    fn of(desired: &'a Desired) -> Option<Self> {
        let (id, body) = desired.iter().find(|(id, _)| id.kind == Kind::Deployment)?;
        Some(Self {
            desired,
            deployment: &id.name,
            labels: labels(body, POD_LABELS),
        })
    }

    fn has(&self, kind: Kind) -> bool {
        self.desired.keys().any(|id| id.kind == kind)
    }

    fn is_desired(&self, other: &Value) -> bool {
        let (kind, name) = (text(other, "/kind"), text(other, "/metadata/name"));
        self.desired
            .keys()
            .any(|id| id.kind.name() == kind && id.name == name)
    }

    fn rivalry(&self, other: &Value, is_contested: bool) -> Option<String> {
        let deployment = self.deployment;
        match text(other, "/kind") {
            "HorizontalPodAutoscaler" | "ScaledObject" if self.is_scaled_by(other) => {
                Some(if self.has(Kind::HorizontalPodAutoscaler) {
                    format!(
                        "scales Deployment {deployment} too, and two autoscalers stop each other"
                    )
                } else {
                    format!("scales Deployment {deployment}, whose number of pods this stack sets")
                })
            }
            "PodDisruptionBudget" if is_contested && self.is_budgeted_by(other) => Some(
                "selects this stack's pods too, and of a pod with two budgets every eviction fails"
                    .into(),
            ),
            "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" if !is_controlled(other) => {
                self.rivalry_of_pods(other)
            }
            "ReplicationController" => self.rivalry_of_pods(other),
            "Pod"
                if runs_by_itself(other) && self.is_served(&labels(other, "/metadata/labels")) =>
            {
                Some("has labels that this stack's Service selects: it gets its requests".into())
            }
            _ => None,
        }
    }

    fn is_scaled_by(&self, other: &Value) -> bool {
        let target = &other["spec"]["scaleTargetRef"];
        let kind = target["kind"].as_str().unwrap_or("Deployment");
        let group = target["apiVersion"].as_str().unwrap_or("apps/v1");
        let group = group.split_once('/').map_or("", |(group, _)| group);
        // `extensions` is what a Deployment was in before; the autoscaler finds it by either.
        kind == "Deployment"
            && matches!(group, "apps" | "extensions")
            && target["name"] == self.deployment
    }

    fn is_budgeted_by(&self, other: &Value) -> bool {
        text(other, "/kind") == "PodDisruptionBudget"
            && selects(&other["spec"]["selector"], &self.labels)
    }

    fn rivalry_of_pods(&self, other: &Value) -> Option<String> {
        let selector = &other["spec"]["selector"];
        let is_met = match text(other, "/kind") {
            // A plain map of labels.
            "ReplicationController" => {
                let wanted = labels(other, "/spec/selector");
                !wanted.is_empty() && holds(&self.labels, &wanted)
            }
            _ => selects(selector, &self.labels),
        };
        if is_met {
            return Some("has a selector that this stack's pods meet too".into());
        }
        let theirs = labels(other, POD_LABELS);
        if self.is_served(&theirs) {
            Some("has pods that this stack's Service selects too: they get its requests".into())
        } else if self.takes(&theirs, Kind::Deployment, "/spec/selector/matchLabels") {
            Some("has pods that this stack's Deployment selects too".into())
        } else {
            None
        }
    }

    /// Whether this stack's Service would send requests to pods with these labels.
    fn is_served(&self, theirs: &Labels) -> bool {
        self.takes(theirs, Kind::Service, "/spec/selector")
    }

    fn takes(&self, theirs: &Labels, kind: Kind, pointer: &str) -> bool {
        let mut ours = self.desired.iter().filter(|(id, _)| id.kind == kind);
        ours.any(|(_, body)| {
            let ours = labels(body, pointer);
            !ours.is_empty() && holds(theirs, &ours)
        })
    }
}

const POD_LABELS: &str = "/spec/template/metadata/labels";

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn labels(object: &Value, pointer: &str) -> Labels {
    let labels = object.pointer(pointer).cloned().unwrap_or_default();
    serde_json::from_value(labels).unwrap_or_default()
}

fn holds(labels: &Labels, wanted: &Labels) -> bool {
    let mut wanted = wanted.iter();
    wanted.all(|(key, value)| labels.get(key) == Some(value))
}

/// As the API server selects: no selector selects nothing, an empty one everything.
fn selects(selector: &Value, labels: &Labels) -> bool {
    if selector.is_null() {
        return false;
    }
    let selector = serde_json::from_value::<LabelSelector>(selector.clone()).ok();
    let selector = selector.and_then(|selector| Selector::try_from(selector).ok());
    selector.is_some_and(|selector| selector.matches(labels))
}

fn controller(object: &Value) -> Option<&Value> {
    let owners = object["metadata"]["ownerReferences"].as_array();
    owners?.iter().find(|owner| owner["controller"] == true)
}

/// A ReplicaSet of a Deployment is told as the Deployment; one of a kind that is not asked for is told itself.
fn is_controlled(object: &Value) -> bool {
    let owner = controller(object);
    text(object, "/kind") == "ReplicaSet" && owner.is_some_and(|it| it["kind"] == "Deployment")
}

/// A pod that runs, and whose controller is told of no other way: one of a Job, or of nothing.
fn runs_by_itself(pod: &Value) -> bool {
    const TOLD: [&str; 4] = [
        "ReplicaSet",
        "StatefulSet",
        "DaemonSet",
        "ReplicationController",
    ];
    let owner = controller(pod).and_then(|owner| owner["kind"].as_str());
    let is_over = matches!(text(pod, "/status/phase"), "Succeeded" | "Failed")
        || pod["metadata"]["deletionTimestamp"].is_string();
    !is_over && owner.is_none_or(|owner| !TOLD.contains(&owner))
}

/// `HorizontalPodAutoscaler nlu/old-hpa`
fn id(object: &Value) -> String {
    let (kind, name) = (text(object, "/kind"), text(object, "/metadata/name"));
    match text(object, "/metadata/namespace") {
        "" => format!("{kind} {name}"),
        namespace => format!("{kind} {namespace}/{name}"),
    }
}

/// What is made by another object is made again until that one is gone.
fn fix(object: &Value) -> String {
    let pods = match text(object, "/kind") {
        "HorizontalPodAutoscaler" | "ScaledObject" => "give it another target",
        "PodDisruptionBudget" => "give it another selector",
        "Pod" => "give it other labels",
        _ => "give it and its pods other labels",
    };
    match controller(object) {
        Some(owner) => format!(
            "delete its owner, {} {}, before the apply, or {pods}",
            owner["kind"].as_str().unwrap_or_default(),
            owner["name"].as_str().unwrap_or_default()
        ),
        None => format!("delete it before the apply, or {pods}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use uninlu_objects as kinds;

    fn desired() -> Desired {
        let labels = json!({ "app.kubernetes.io/name": "siamese-uninlu", "app.kubernetes.io/instance": "nlu" });
        let mut pod_labels = labels.clone();
        pod_labels["team"] = json!("language");
        let bodies = [
            json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "nlu" }, "spec": {
                "selector": { "matchLabels": labels }, "template": { "metadata": { "labels": pod_labels } } } }),
            json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "nlu" }, "spec": { "selector": labels } }),
            json!({ "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": { "name": "nlu" },
                "spec": { "selector": { "matchLabels": labels } } }),
            json!({ "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": { "name": "nlu" } }),
        ];
        let identified = bodies
            .into_iter()
            .filter_map(|body| Some((kinds::identify(&body)?, body)));
        identified.collect()
    }

    fn other(kind: &str, spec: Value) -> Value {
        json!({ "kind": kind, "metadata": { "name": "other", "namespace": "ns" }, "spec": spec })
    }

    fn is_rival(kind: &str, spec: Value) -> bool {
        !rivals(&desired(), &[other(kind, spec)]).is_empty()
    }

    #[test]
    fn a_second_autoscaler_of_the_deployment() {
        let target = |kind: &str, version: &str, name: &str| json!({ "scaleTargetRef": { "kind": kind, "apiVersion": version, "name": name } });
        let hpa = "HorizontalPodAutoscaler";
        assert!(is_rival(hpa, target("Deployment", "apps/v1", "nlu")));
        assert!(is_rival(
            hpa,
            target("Deployment", "extensions/v1beta1", "nlu")
        ));
        assert!(!is_rival(hpa, target("Deployment", "apps/v1", "web")));
        assert!(!is_rival(hpa, target("StatefulSet", "apps/v1", "nlu")));
        assert!(!is_rival(
            hpa,
            target("Deployment", "example.com/v1", "nlu")
        ));
        // KEDA's defaults.
        assert!(is_rival(
            "ScaledObject",
            json!({ "scaleTargetRef": { "name": "nlu" } })
        ));
        assert!(!is_rival(
            "ScaledObject",
            json!({ "scaleTargetRef": { "name": "web" } })
        ));
    }

    #[test]
    fn a_second_budget_by_labels_by_expressions_and_by_nothing_at_all() {
        let budget =
            |selector: Value| is_rival("PodDisruptionBudget", json!({ "selector": selector }));
        let expression = |key: &str, operator: &str, values: Value| json!({ "matchExpressions": [{ "key": key, "operator": operator, "values": values }] });
        assert!(budget(json!({ "matchLabels": { "team": "language" } })));
        assert!(!budget(json!({ "matchLabels": { "team": "vision" } })));
        assert!(budget(json!({})));
        assert!(!budget(Value::Null));
        assert!(budget(expression(
            "team",
            "In",
            json!(["language", "vision"])
        )));
        assert!(budget(expression("tier", "NotIn", json!(["web"]))));
        assert!(!budget(expression("team", "NotIn", json!(["language"]))));
        assert!(budget(expression("team", "Exists", Value::Null)));
        assert!(!budget(expression("team", "DoesNotExist", Value::Null)));
    }

    #[test]
    fn where_the_stack_has_no_budget_one_of_others_is_none_too_many() {
        let mut desired = desired();
        desired.retain(|id, _| id.kind != Kind::PodDisruptionBudget);
        let everything = json!({ "selector": {} });
        let mut others = vec![other("PodDisruptionBudget", everything.clone())];
        assert!(rivals(&desired, &others).is_empty());
        others.push(other("PodDisruptionBudget", everything));
        assert_eq!(rivals(&desired, &others).len(), 2);
    }

    #[test]
    fn a_second_controller_of_the_pods() {
        let workload = |selector: Value, labels: Value| json!({ "selector": selector, "template": { "metadata": { "labels": labels } } });
        let by_team = workload(
            json!({ "matchLabels": { "team": "language" } }),
            json!({ "team": "language" }),
        );
        let apart = workload(
            json!({ "matchLabels": { "app": "web" } }),
            json!({ "app": "web", "team": "language" }),
        );
        let like_ours = workload(
            json!({ "matchLabels": { "app": "web" } }),
            json!({ "app": "web", "app.kubernetes.io/name": "siamese-uninlu", "app.kubernetes.io/instance": "nlu" }),
        );
        for kind in ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"] {
            assert!(is_rival(kind, by_team.clone()), "{kind}");
            assert!(
                is_rival(kind, like_ours.clone()),
                "{kind}: our Service selects its pods"
            );
            assert!(!is_rival(kind, apart.clone()), "{kind}");
        }
        let mut owned = other("ReplicaSet", by_team);
        owned["metadata"]["ownerReferences"] =
            json!([{ "kind": "Deployment", "name": "web", "controller": true }]);
        assert!(rivals(&desired(), std::slice::from_ref(&owned)).is_empty());
        // Nobody asks for a Rollout.
        owned["metadata"]["ownerReferences"][0]["kind"] = json!("Rollout");
        let found = rivals(&desired(), &[owned]);
        assert!(
            found[0].words.contains("delete its owner, Rollout web"),
            "{found:?}"
        );
    }

    #[test]
    fn a_controller_with_a_plain_selector() {
        let controller = |selector: Value, labels: Value| {
            let spec =
                json!({ "selector": selector, "template": { "metadata": { "labels": labels } } });
            is_rival("ReplicationController", spec)
        };
        let ours = json!({ "app.kubernetes.io/name": "siamese-uninlu", "app.kubernetes.io/instance": "nlu" });
        assert!(controller(
            json!({ "team": "language" }),
            json!({ "team": "language" })
        ));
        assert!(controller(json!({ "app": "web" }), ours));
        assert!(!controller(
            json!({ "app": "web" }),
            json!({ "app": "web" })
        ));
        assert!(!controller(Value::Null, Value::Null));
    }

    #[test]
    fn pods_that_the_service_would_ask() {
        let pod = |name: &str, owner: Value, phase: &str| {
            let labels = json!({ "app.kubernetes.io/name": "siamese-uninlu", "app.kubernetes.io/instance": "nlu" });
            json!({ "kind": "Pod", "metadata": { "name": name, "labels": labels, "ownerReferences": owner },
                "status": { "phase": phase } })
        };
        let of =
            |kind: &str| json!([{ "kind": kind, "name": "it", "uid": "1", "controller": true }]);
        let words = |pods: &[Value]| {
            let rivals = rivals(&desired(), pods).into_iter();
            rivals.map(|rival| rival.words).collect::<Vec<_>>()
        };
        let bare = words(&[pod("bare", Value::Null, "Running")]);
        assert_eq!(
            bare,
            [
                "Pod bare has labels that this stack's Service selects: it gets its requests; delete it before the apply, or give it other labels"
            ]
        );
        let of_job = words(&[
            pod("job-a", of("Job"), "Pending"),
            pod("job-b", of("Job"), "Running"),
        ]);
        assert_eq!(of_job.len(), 1, "{of_job:?}");
        assert!(of_job[0].contains("delete its owner, Job it"), "{of_job:?}");
        for quiet in [
            pod("ours", of("ReplicaSet"), "Running"),
            pod("over", Value::Null, "Succeeded"),
            other("Pod", json!({})),
        ] {
            assert!(words(&[quiet]).is_empty());
        }
    }

    #[test]
    fn what_to_do_is_said() {
        let target = json!({ "scaleTargetRef": { "kind": "Deployment", "name": "nlu" } });
        let mut made = other("HorizontalPodAutoscaler", target);
        let words = |other: &Value| {
            rivals(&desired(), std::slice::from_ref(other))[0]
                .words
                .clone()
        };
        assert_eq!(
            words(&made),
            "HorizontalPodAutoscaler ns/other scales Deployment nlu too, and two autoscalers stop each other; \
             delete it before the apply, or give it another target"
        );
        made["metadata"]["ownerReferences"] =
            json!([{ "kind": "ScaledObject", "name": "so", "controller": true }]);
        assert!(
            words(&made).contains("delete its owner, ScaledObject so"),
            "{}",
            words(&made)
        );
    }
}
