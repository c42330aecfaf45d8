//! What a rollout's state is told as. A scene in `scenes/` was recorded from the embedded node (`scenes/trim.jq` says
//! how); adding one adds no Rust.

use std::fs;

use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::{Event, Pod};
use serde::Deserialize;
use serde_json::Value;
use uninlu::kinds::Progress;
use uninlu::kinds::rollout::{Obstacle, Patience, Report, Scene};

#[derive(Debug, Deserialize)]
struct Recorded {
    deployment: Value,
    replica_sets: Vec<ReplicaSet>,
    pods: Vec<Pod>,
    events: Vec<Event>,
}

#[test]
fn recorded_scenes() {
    insta::glob!("scenes/*.json", |file| {
        let text = fs::read_to_string(file).expect("readable");
        let recorded: Recorded = serde_json::from_str(&text).expect("a recorded scene");
        let scene = Scene {
            deployment: Some(recorded.deployment),
            replica_sets: recorded.replica_sets,
            pods: recorded.pods,
            events: recorded.events,
            ..Scene::default()
        };
        insta::assert_snapshot!(told(&scene.report()));
    });
}

/// What a user reads while waiting, and at the end of it.
fn told(report: &Report) -> String {
    let obstacles = report.obstacles();
    let mut told = format!("{}\n", report.summary());
    for Obstacle {
        reason,
        fix,
        patience,
        ..
    } in &obstacles
    {
        let when = match patience {
            Patience::Over => "at once",
            Patience::Moment => "if it stands",
            Patience::ForNodes => "when no node came for a while",
            Patience::Whole => "with the rollout's time",
        };
        told += &format!("\nends the wait {when}:\n  {reason}\n  fix: {fix}\n");
    }
    if report.paused.is_some() {
        told += "\nends the wait at once: it is paused\n";
    } else if obstacles.is_empty() && report.deployment != Progress::Ready {
        told += &format!("\nwaits for the deadline:\n  fix: {}\n", report.fix());
    }
    told
}
