//! What `init` writes for a cluster, a model and a profile: a case each, and every file is a valid stack.

use std::path::Path;

use k8s_openapi::api::core::v1::{Node, Pod};
use serde_json::{Value, json};

use super::file::{self, Model, Place};
use super::fit::{Fit, Ground, Reach, Size, fit};
use crate::cluster::Survey;
use crate::profile::Profile;
use crate::stack;

fn node(cpu: &str, memory: &str) -> Node {
    let node = json!({ "metadata": { "name": "node" }, "status": {
        "allocatable": { "cpu": cpu, "memory": memory, "pods": "110" },
        "conditions": [{ "type": "Ready", "status": "True" }] } });
    serde_json::from_value(node).expect("a node")
}

fn full(cpu: &str, memory: &str) -> Node {
    let mut node = node(cpu, memory);
    let taint = json!({ "taints": [{ "key": "full", "effect": "NoSchedule" }] });
    node.spec = serde_json::from_value(taint).expect("a spec");
    node
}

fn named(node: Node, name: &str) -> Node {
    let mut node = node;
    node.metadata.name = Some(name.to_owned());
    node
}

/// A pod of another stack.
fn pod(cpu: &str) -> Pod {
    let resources = json!({ "requests": { "cpu": cpu, "memory": "64Mi" } });
    let pod = json!({ "metadata": { "name": "other", "uid": "1" }, "spec": { "nodeName": "node",
        "containers": [{ "name": "main", "resources": resources }] } });
    serde_json::from_value(pod).expect("a pod")
}

fn profile() -> Profile {
    let text = include_str!("../../../tests/simulate/made-up.profile.json");
    Profile::parse(text).expect("a profile")
}

fn claim() -> Model {
    Model::Claim {
        claim: "models".into(),
        path: "uninlu".into(),
    }
}

fn small() -> Model {
    Model::Folder {
        directory: "/models/uninlu".into(),
        weights: 9_000_000,
    }
}

fn survey(nodes: Vec<Node>, pods: Vec<Pod>) -> Survey {
    Survey {
        namespace: Ok(false),
        claims: Ok(Vec::new()),
        classes: Ok(Vec::new()),
        nodes: Ok(nodes),
        pods: Ok(pods),
        cpu: Ok(true),
        requests_per_second: Ok(false),
    }
}

fn fitted(size: &Size, survey: Option<&Survey>, reach: Reach) -> Fit {
    let ground = survey.and_then(|survey| {
        Some(Ground {
            nodes: survey.nodes.as_ref().ok()?,
            pods: survey.pods.as_ref().ok()?,
            own: &[],
        })
    });
    fit(size, ground, reach)
}

/// The file, which is valid where the model's folder is there.
fn written(
    model: &Model,
    survey: Option<&Survey>,
    reach: Reach,
    profile: Option<&Profile>,
) -> String {
    let place = Place {
        name: "nlu".into(),
        namespace: "language".into(),
        context: "prod".into(),
        repository: "registry.example.com/nlu".into(),
        build_context: None,
    };
    let size = match (profile, model) {
        (Some(profile), _) => Size::of_profile(profile),
        (None, Model::Folder { weights, .. }) => Size::of_weights(*weights),
        (None, Model::Claim { .. }) => Size::USUAL,
    };
    let fit = fitted(&size, survey, reach);
    let text = file::text(&place, model, &fit, survey, profile);
    for each in [text.clone(), uncommented(&text)] {
        if let Err(invalid) = stack::parse(&each, Path::new("uninlu.toml"), None) {
            panic!("{:#?}\n{each}", invalid.faults);
        }
    }
    text
}

/// With the section that is only proposed; a fixed number of pods goes for it.
fn uncommented(text: &str) -> String {
    let (before, proposed) = text.split_once("\n# [autoscaling]").unwrap_or((text, ""));
    let proposed = proposed.replace("\n# ", "\n");
    let is_proposed = !proposed.is_empty();
    format!(
        "{before}\n{}{proposed}",
        if is_proposed { "[autoscaling]" } else { "" }
    )
}

#[test]
fn the_file_fits_the_cluster() {
    let roomy = survey(vec![node("16", "64Gi")], Vec::new());
    let three = survey(
        vec![
            named(node("2", "8Gi"), "one"),
            named(node("3", "8Gi"), "two"),
        ],
        Vec::new(),
    );
    let pair = survey(vec![node("2", "8Gi")], Vec::new());
    let busy = survey(vec![node("2", "8Gi")], vec![pod("650m")]);
    let tiny = survey(vec![node("1", "1300Mi")], vec![pod("850m")]);
    let none = survey(vec![full("16", "64Gi")], Vec::new());
    let spread = survey(
        vec![
            named(node("2", "8Gi"), "one"),
            named(node("2", "8Gi"), "two"),
        ],
        Vec::new(),
    );
    let unseen = Survey {
        namespace: Ok(true),
        nodes: Err("not allowed to look".into()),
        ..roomy.clone()
    };
    let measured = profile();
    let many = Reach::Anywhere;
    let cases = [
        ("the cluster is not known", claim(), None, many, None),
        (
            "the nodes may not be read",
            claim(),
            Some(&unseen),
            many,
            None,
        ),
        ("room for many", small(), Some(&roomy), many, None),
        ("room for five", claim(), Some(&three), many, None),
        ("room for two", claim(), Some(&pair), many, None),
        (
            "room for two smaller ones",
            claim(),
            Some(&busy),
            many,
            None,
        ),
        ("room for one", claim(), Some(&tiny), many, None),
        ("room for none", claim(), Some(&none), many, None),
        (
            "a claim of one node",
            claim(),
            Some(&spread),
            Reach::OneNode,
            None,
        ),
        (
            "a claim of one pod",
            claim(),
            Some(&roomy),
            Reach::OnePod,
            None,
        ),
        ("measured", claim(), Some(&roomy), many, Some(&measured)),
    ];
    let mut all = String::new();
    for (name, model, survey, reach, profile) in cases {
        let text = written(&model, survey, reach, profile);
        all += &format!("──── {name}\n{text}\n");
    }
    insta::assert_snapshot!(all);
}

#[test]
fn nodes_that_take_no_pod_are_named() {
    let none = survey(vec![full("16", "64Gi")], Vec::new());
    let fit = fitted(&Size::USUAL, Some(&none), Reach::Anywhere);
    assert_eq!(
        fit.lack.as_deref(),
        Some("no room on node (taint full:NoSchedule)")
    );
}

#[test]
fn a_server_that_knows_no_object_is_not_a_cluster() {
    let known = survey(Vec::new(), Vec::new());
    assert_eq!(known.silence(), None);
    let refused = "HTTP 404".to_owned();
    let unknown = Survey {
        namespace: Err(refused.clone()),
        claims: Err(refused.clone()),
        classes: Err(refused.clone()),
        nodes: Err(refused.clone()),
        pods: Err(refused),
        ..known
    };
    assert_eq!(unknown.silence(), Some("HTTP 404"));
}

/// Pods of the stack itself make room for the new ones.
#[test]
fn own_pods_do_not_count() {
    let survey = survey(vec![node("3500m", "8Gi")], vec![pod("2")]);
    let pods = survey.pods.clone().expect("pods");
    let own: Vec<&Pod> = pods.iter().collect();
    let fit_with = |own: &[&Pod]| {
        let ground = Ground {
            nodes: survey.nodes.as_deref().expect("nodes"),
            pods: &pods,
            own,
        };
        fit(&Size::USUAL, Some(ground), Reach::Anywhere).size.cpu[0]
    };
    assert_eq!([fit_with(&own), fit_with(&[])], [1_000, 500]);
}

#[test]
fn access_modes_say_where_pods_can_be() {
    let reach = |modes: Value| {
        let claim = json!({ "metadata": { "name": "models" }, "spec": { "accessModes": modes } });
        Reach::of(Some(&serde_json::from_value(claim).expect("a claim")))
    };
    for (modes, expected) in [
        (json!([]), Reach::Anywhere),
        (json!(["ReadOnlyMany"]), Reach::Anywhere),
        (json!(["ReadWriteOnce", "ReadOnlyMany"]), Reach::Anywhere),
        (json!(["ReadWriteOnce"]), Reach::OneNode),
        (json!(["ReadWriteOncePod"]), Reach::OnePod),
    ] {
        assert_eq!(reach(modes.clone()), expected, "{modes}");
    }
    assert_eq!(Reach::of(None), Reach::Anywhere);
}
