//! What is calculated instead of measured comes out again.

use std::process::Command;

use serde_json::Value;

use super::record::Records;
use crate::project::root;

fn simulated(command: &str) -> Value {
    let arguments = command
        .strip_prefix("uninlu ")
        .expect("a command of the tool");
    let output = Command::new(env!("CARGO_BIN_EXE_uninlu"))
        .args(arguments.split(' '))
        .current_dir(root())
        .output();
    let output = output.expect("the binary was built for this test");
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// Minute by minute: pods at its end, and its P95 in milliseconds.
fn minutes(report: &Value, kind: &str) -> Vec<String> {
    let variants = report["variants"].as_array().expect("a list");
    let variant = variants.iter().find(|it| it["kind"] == kind);
    let intervals = variant.expect("the variant")["intervals"].as_array();
    let row = |interval: &Value| {
        let p95 = 1e3 * interval["latency"][1].as_f64().expect("seconds");
        format!("{} {p95:.1}", interval["replicas"])
    };
    intervals.expect("a list").iter().map(row).collect()
}

fn written(name: &str) -> Vec<String> {
    let file = root().join("docs/autoscaling/claim").join(name);
    let text = std::fs::read_to_string(file).expect("readable");
    let row = |line: &str| {
        let cells: Vec<&str> = line.split(',').collect();
        format!("{} {}", cells[2], cells[3])
    };
    text.lines().skip(1).map(row).collect()
}

#[test]
fn the_usual_tutorials_claim_is_simulated_as_it_is_written() {
    let report = simulated(&Records::read().of("tutorial-claim").command);
    for (kind, file) in [("cpu-alone", "cpu.csv"), ("stack", "requests.csv")] {
        assert_eq!(
            minutes(&report, kind),
            written(file),
            "{kind}; fix: tests/autoscaling/claim.py"
        );
    }
}
