//! The command as it is called. The profile is made up for these tests, as its text says.

use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;

use super::hermetic;

const LOAD: &str = "constant:50/2m+ramp:50..120/3m+constant:120/5m";

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/simulate")
}

fn uninlu(arguments: &[&str]) -> Output {
    hermetic::uninlu(&here())
        .arg("simulate")
        .args(arguments)
        .output()
        .expect("the binary was built for this test")
}

fn told(arguments: &[&str]) -> String {
    let given = ["--profile", "made-up.profile.json", "--load", LOAD];
    let output = uninlu(&[&given[..], arguments].concat());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    String::from_utf8(output.stdout).expect("text")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn json(arguments: &[&str]) -> Value {
    serde_json::from_str(&told(&[&["--format", "json"], arguments].concat())).expect("JSON")
}

fn variant<'a>(report: &'a Value, kind: &str) -> &'a Value {
    let variants = report["variants"].as_array().expect("a list");
    variants
        .iter()
        .find(|variant| variant["kind"] == kind)
        .unwrap_or_else(|| panic!("no {kind} in {report}"))
}

#[test]
fn tables_and_an_answer_in_words() {
    insta::assert_snapshot!("cpu_only", told(&[]));
    insta::assert_snapshot!("both_metrics", told(&["--env", "both"]));
    insta::assert_snapshot!("deaf", told(&["--env", "deaf"]));
    insta::assert_snapshot!("fixed", told(&["--env", "fixed"]));
}

#[test]
fn intervals_are_as_long_as_they_are_asked_for() {
    let report = json(&["--interval", "4m"]);
    let intervals = variant(&report, "stack")["intervals"]
        .as_array()
        .expect("a list")
        .clone();
    let begins: Vec<f64> = intervals
        .iter()
        .filter_map(|one| one["at"].as_f64())
        .collect();
    assert_eq!(
        (report["interval"].as_f64(), &begins[..]),
        (Some(240.0), &[0.0, 240.0, 480.0][..]),
        "ten minutes"
    );
    let refused = uninlu(&["--load", LOAD, "--interval", "20ms"]);
    assert!(
        stderr(&refused).contains("an interval has a second at least"),
        "{}",
        stderr(&refused)
    );
}

/// The question that this command was made for.
#[test]
fn a_target_for_cpu_that_cannot_be_reached_never_scales_and_requests_do() {
    let report = json(&["--env", "deaf"]);
    let alone = variant(&report, "stack");
    assert_eq!(alone["replicas"], serde_json::json!([3, 3, 3]));
    assert!(alone["refused_percent"].as_f64() > Some(10.0));
    let added = variant(&report, "requests-added");
    assert!(added["replicas"][2].as_u64() > Some(6));
    assert!(added["refused_percent"].as_f64() < Some(1.0));
}

#[test]
fn a_seed_gives_the_same_again_and_another_does_not() {
    assert_eq!(told(&["--seed", "7"]), told(&["--seed", "7"]));
    assert_ne!(
        json(&["--seed", "7"])["variants"],
        json(&["--seed", "8"])["variants"]
    );
}

#[test]
fn the_json_agrees_with_itself() {
    let report = json(&[]);
    assert_eq!(report["format_version"], 2);
    for variant in report["variants"].as_array().expect("a list") {
        let intervals = variant["intervals"].as_array().expect("a list");
        assert_eq!(intervals.len(), 120, "ten minutes of 5 s each");
        for key in ["offered", "refused", "in_time"] {
            let sum: u64 = intervals.iter().filter_map(|one| one[key].as_u64()).sum();
            assert_eq!(Some(sum), variant["total"][key].as_u64(), "{key}");
        }
        let total = &report["variants"][0]["total"];
        assert_eq!(
            variant["total"]["offered"], total["offered"],
            "the same requests come to all"
        );
    }
    let minimum = variant(&report, "fixed-minimum");
    let hours = minimum["replica_hours"].as_f64().expect("a number");
    assert!(
        (hours - 3.0 * 10.0 / 60.0).abs() < 1e-9,
        "three pods, ten minutes: {hours}"
    );
    let enough = variant(&report, "fixed-enough");
    assert_eq!(enough["intervals_missed"], 0);
    let pod = &report["pod"];
    let (simulated, measured) = (&pod["simulated_latency"][1], &pod["measured_latency"][1]);
    let ratio = simulated.as_f64().expect("P95") / measured.as_f64().expect("P95");
    assert!((ratio - 1.0).abs() < 0.02, "{ratio}");
}

#[test]
fn the_page_needs_nothing_else() {
    let page = told(&["--format", "html"]);
    for needle in [
        "http:", "https:", "src=", "<link", "url(", "@import", "import(", "fetch(",
    ] {
        assert!(!page.contains(needle), "{needle}");
    }
    for needle in [
        "<svg",
        "prefers-color-scheme: dark",
        "<th scope=\"row\">",
        "From 50 to 120",
        "The stack does not hold",
        "<code>autoscaling.requests-per-second = 12</code>",
    ] {
        assert!(page.contains(needle), "{needle}");
    }
}

/// The drawing order is the order in the page: what comes last lies on top.
#[test]
fn the_line_of_the_stack_is_drawn_last() {
    let page = told(&["--env", "both", "--format", "html"]);
    let figures: Vec<&str> = page.split("<figure").skip(2).collect();
    assert_eq!(figures.len(), 3, "pods, latency, refusals");
    for figure in figures {
        let (drawing, _) = figure.split_once("</figure>").expect("its end");
        let lines: Vec<&str> = drawing
            .split("<path class=\"line ")
            .skip(1)
            .filter_map(|line| line.split_once('"').map(|(class, _)| class))
            .collect();
        assert!(lines.len() > 4, "{lines:?}");
        assert_eq!(lines.last(), Some(&"stack"), "{lines:?}");
    }
}

/// What the script shows is what the tables say.
#[test]
fn the_values_that_the_script_shows_are_those_of_the_report() {
    let page = told(&["--env", "both", "--format", "html"]);
    let data = page
        .split_once("id=\"data\">")
        .and_then(|(_, rest)| rest.split_once("</script>"));
    let data: Value = serde_json::from_str(data.expect("data").0).expect("JSON");
    let report = json(&["--env", "both"]);
    let intervals = variant(&report, "stack")["intervals"]
        .as_array()
        .expect("a list");
    let pods = &data["charts"][1][0];
    assert_eq!(
        (&pods["line"], &pods["swatch"]),
        (&0.into(), &"stack".into())
    );
    let serving: Vec<String> = intervals
        .iter()
        .map(|one| one["serving"].to_string())
        .collect();
    assert_eq!(pods["values"], serde_json::json!(serving));
    assert_eq!(
        data["intervals"].as_array().map(Vec::len),
        Some(intervals.len())
    );
}

#[test]
fn a_price_gives_costs() {
    let report = json(&["--price", "0.12"]);
    for played in report["variants"].as_array().expect("a list") {
        let (cost, hours) = (&played["cost"], &played["replica_hours"]);
        let (cost, hours) = (
            cost.as_f64().expect("a cost"),
            hours.as_f64().expect("hours"),
        );
        assert!((cost - 0.12 * hours).abs() < 1e-9, "{played}");
    }
    let without = json(&[]);
    assert!(variant(&without, "stack")["cost"].is_null());
    for wrong in ["cheap", "0", "-1", "0.12 USD", "inf", "NaN"] {
        let refused = uninlu(&["--load", LOAD, &format!("--price={wrong}")]);
        assert!(
            stderr(&refused).contains("a number above 0 without a currency, such as 0.12"),
            "{wrong}: {}",
            stderr(&refused)
        );
    }
}

#[test]
fn a_cost_stands_in_the_table_the_verdict_and_the_page() {
    let price = ["--env", "both", "--price", "0.5"];
    let report = json(&price);
    let of_stack = variant(&report, "stack")["cost"].as_f64().expect("a cost");
    let cost = format!("{of_stack:.2}");
    let table = told(&price);
    assert!(
        table
            .lines()
            .any(|line| line.starts_with("variant") && line.ends_with("cost")),
        "{table}"
    );
    assert!(table.contains(&format!(", and costs {cost}.")), "{table}");
    let page = told(&[&price[..], &["--format", "html"]].concat());
    assert!(
        page.contains(&format!("<b>{cost}</b><span>cost, at 0.5 for a pod-hour; ")),
        "{cost}"
    );
}

#[test]
fn what_is_suggested_is_better_than_the_stack() {
    for env in ["both", "deaf", "fixed"] {
        let report = json(&["--env", env]);
        let better = &report["better"];
        let suggested = variant(&report, better["kind"].as_str().expect("a kind"));
        let missed = |variant: &Value| variant["intervals_missed"].as_u64().expect("a count");
        let stack = variant(&report, "stack");
        assert!(missed(suggested) < missed(stack), "{better:#}");
        assert_eq!(report["verdict"]["holds"], false, "{env}");
    }
    // A load that two pods carry, under a target with which the suggestion has nothing to gain.
    let calm = [
        "--profile",
        "made-up.profile.json",
        "--load",
        "constant:20/5m",
        "--env",
        "both",
        "--json",
    ];
    let output = uninlu(&calm);
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(report["verdict"]["holds"], true, "{:#}", report["verdict"]);
    assert!(report["better"].is_null(), "{:#}", report["better"]);
}

/// The mean and the maximum of the stack, all the time.
#[test]
fn fixed_fleets_stand_beside_the_stack() {
    let report = json(&["--env", "both"]);
    let most = variant(&report, "fixed-maximum");
    assert_eq!(most["replicas"], serde_json::json!([12, 12, 12]));
    let mean = &variant(&report, "fixed-mean")["replicas"][0];
    let hours = variant(&report, "stack")["replica_hours"]
        .as_f64()
        .expect("hours");
    let expected = (hours * 6.0).round();
    assert_eq!(
        mean.as_f64(),
        Some(expected),
        "ten minutes are a sixth of an hour"
    );
}

#[test]
fn a_file_is_written() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("load.html");
    let path = file.to_str().expect("Unicode");
    assert_eq!(told(&["--format", "html", "--out", path]), "");
    let page = std::fs::read_to_string(&file).expect("written");
    assert_eq!(page, told(&["--format", "html"]));
}

#[test]
fn points_of_a_file_are_played() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("load.csv");
    std::fs::write(&file, "0,50\n120,50\n300,120\n600,120\n").expect("writable");
    let path = file.to_str().expect("Unicode");
    let given = [
        "--profile",
        "made-up.profile.json",
        "--format",
        "json",
        "--load",
    ];
    let output = uninlu(&[&given[..], &[path]].concat());
    let points: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(
        points["variants"],
        json(&[])["variants"],
        "the same load as its shapes"
    );
}

#[test]
fn what_is_missing_is_told_with_its_mend() {
    let load = ["--load", "constant:50/1m"];
    let hollow = tempfile::NamedTempFile::new().expect("a temporary file");
    let made_up = std::fs::read_to_string(here().join("made-up.profile.json")).expect("readable");
    std::fs::write(hollow.path(), made_up.replace("18.0", "0.0")).expect("writable");
    let path = hollow.path().to_str().expect("Unicode");
    let with = |more: &[&str]| stderr(&uninlu(&[&load[..], more].concat()));
    let told = [
        with(&[]),
        with(&["--profile", "made-up.profile.json", "--env", "limit"]),
        with(&["--profile", path]).replace(path, "PROFILE"),
        stderr(&uninlu(&[
            "--profile",
            "made-up.profile.json",
            "--load",
            "ramp:50-120/10m",
        ])),
        stderr(&uninlu(&[
            "--profile",
            "made-up.profile.json",
            "--load",
            "none.csv",
        ])),
    ];
    let folder = here().display().to_string();
    insta::assert_snapshot!(told.join("\n").replace(&folder, "FOLDER"));
}
