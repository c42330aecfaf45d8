//! `uninlu import` offline: a chart is a folder, its snapshot the stack file and the report.

#[path = "../hermetic/mod.rs"]
mod hermetic;

use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/import")
        .join(name)
}

/// A run of the tool in that folder.
fn uninlu(arguments: &[&str], folder: &Path) -> Output {
    hermetic::uninlu(folder)
        .args(arguments)
        .output()
        .expect("the binary was built for this test")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Stack file and report of a run that must have gone well.
fn told(output: &Output) -> String {
    let report = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{report}");
    format!("{}\n{}\n{report}", text(&output.stdout), "-".repeat(80))
}

#[test]
fn the_usual_chart() {
    let output = uninlu(&["import", "helm", "usual-chart"], &folder(""));
    insta::assert_snapshot!(told(&output));
}

#[test]
fn a_chart_of_helm_create_with_other_faults() {
    let output = uninlu(&["import", "helm", "helm-create"], &folder(""));
    let told = told(&output);
    assert!(
        !told.contains("not-a-secret-any-more"),
        "a secret's value was told: {told}"
    );
    insta::assert_snapshot!(told);
}

#[test]
fn manifests_with_other_names_and_other_faults() {
    let output = uninlu(
        &["import", "yaml", "manifests", "--context", "prod"],
        &folder(""),
    );
    let told = told(&output);
    assert!(
        !told.contains("never-told"),
        "a secret's value was told: {told}"
    );
    insta::assert_snapshot!(told);
}

/// What the values say is told with their lines; what only templates could say is no fault.
#[test]
fn values_alone() {
    let values = folder("usual-chart/values.yaml");
    let elsewhere = tempfile::tempdir().expect("a temporary folder");
    std::fs::copy(values, elsewhere.path().join("values.yaml")).expect("writable");
    let output = uninlu(&["import", "helm", "values.yaml"], elsewhere.path());
    insta::assert_snapshot!(told(&output));
}

/// Values laid over the chart's own decide, and the places are theirs.
#[test]
fn a_budget_that_blocks_by_a_value_alone() {
    let elsewhere = tempfile::tempdir().expect("a temporary folder");
    let staging = elsewhere.path().join("staging.yaml");
    std::fs::write(&staging, "autoscaling:\n  minReplicas: 1\n").expect("writable");
    let chart = folder("usual-chart");
    let arguments = [
        "import",
        "helm",
        chart.to_str().expect("Unicode"),
        "--values",
        "staging.yaml",
        "--json",
    ];
    let output = uninlu(&arguments, elsewhere.path());
    let report: Value = serde_json::from_slice(&output.stdout).expect("stdout is JSON alone");
    let findings = report["findings"].as_array().expect("a list");
    let found = |rule: &str| findings.iter().find(|finding| finding["rule"] == rule);
    let budget = found("budget-blocks-drains").unwrap_or_else(|| panic!("{findings:#?}"));
    assert_eq!(budget["places"][0]["file"], "templates/rest.yaml");
    let single = found("single-replica").unwrap_or_else(|| panic!("{findings:#?}"));
    assert_eq!(
        (&single["places"][1]["file"], &single["places"][1]["line"]),
        (&"staging.yaml".into(), &2.into())
    );
    assert!(found("budget-may-block-drains").is_none(), "said twice");
}

/// The eight faults of the usual chart, by the rules that name them and by where they are.
#[test]
fn each_of_the_eight_faults_has_its_place() {
    let output = uninlu(&["import", "helm", "usual-chart", "--json"], &folder(""));
    let report: Value = serde_json::from_slice(&output.stdout).expect("stdout is JSON alone");
    let findings = report["findings"].as_array().expect("a list");
    for (rule, file, line) in [
        ("model-in-config-map", "templates/deployment.yaml", 35),
        ("sub-path-config-map", "templates/deployment.yaml", 32),
        ("checksum-annotation", "templates/deployment.yaml", 14),
        ("metric-not-exported", "values.yaml", 21),
        ("replicas-beside-autoscaler", "templates/deployment.yaml", 7),
        ("root-file-system-writable", "templates/deployment.yaml", 22),
        ("security-context-split", "templates/deployment.yaml", 17),
        ("initial-delay-for-startup", "values.yaml", 25),
        ("dockerfile-stage-order", "Dockerfile.prod", 9),
        ("dockerfile-tool-missing", "Dockerfile.prod", 14),
        ("dockerfile-outside-context", "Dockerfile.prod", 12),
        ("budget-may-block-drains", "templates/rest.yaml", 17),
    ] {
        let place = serde_json::json!({ "file": file, "line": line });
        let is_told = findings.iter().any(|finding| {
            let places = finding["places"].as_array().expect("a list");
            finding["rule"] == rule && places.contains(&place)
        });
        assert!(is_told, "{rule} at {file}:{line} is not in {findings:#?}");
    }
}

/// Whatever is imported, the result is a valid stack file.
#[test]
fn what_is_written_validates() {
    let cases = [
        ("helm", "usual-chart"),
        ("helm", "helm-create"),
        ("yaml", "manifests"),
    ];
    for (from, name) in cases {
        let elsewhere = tempfile::tempdir().expect("a temporary folder");
        let source = folder(name);
        let arguments = [
            "import",
            from,
            source.to_str().expect("Unicode"),
            "--out",
            "uninlu.toml",
        ];
        let written = uninlu(&arguments, elsewhere.path());
        assert_eq!(written.status.code(), Some(0), "{}", text(&written.stderr));
        assert_eq!(text(&written.stdout), "", "the file is all there is");
        let validated = uninlu(&["validate"], elsewhere.path());
        assert_eq!(
            validated.status.code(),
            Some(0),
            "{}",
            text(&validated.stderr)
        );
        let again = uninlu(&arguments, elsewhere.path());
        assert_eq!(again.status.code(), Some(1), "it was overwritten");
    }
}

/// A stack as others would say it, with everything that objects can show.
const STACK: &str = r#"name = "nlu"
namespace = "language"
[labels]
team = "language"
[cluster]
context = "prod"
create-namespace = true
[image]
reference = "registry.test/siamese-uninlu@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
pull-secrets = ["registry"]
[model]
source = { pvc = "models", path = "uninlu/v2" }
mount = "/models/uninlu"
warmup = "{{ 测试 }}"
[server]
max-length = 512
max-wait = "3s"
[engine]
precision = "int8"
[resources]
cpu = { request = "1500m", limit = "3" }
memory = { request = "2Gi", limit = "4Gi" }
[service]
port = 80
type = "LoadBalancer"
annotations = { "example.com/internal" = "true" }
[probes]
startup = { period = "2s", budget = "91s", timeout = "1s" }
liveness = { period = "20s", timeout = "4s", failures = 5 }
[autoscaling]
replicas = { min = 3, max = 9 }
cpu = 60
requests-per-second = 20
behavior = { scale-down = { stabilization = "10m", policies = [{ pods = 1, period = "2m" }], select = "min" } }
[disruption]
min-available = "50%"
[rollout]
max-surge = "25%"
max-unavailable = 1
drain = "45s"
[network]
from-namespaces = ["web", "batch"]
[access]
api-key = { secret = "keys", key = "nlu" }
origins = ["https://demo.example.com"]
[tracing]
endpoint = "http://collector.observability:4318"
"#;

/// Who left for Helm comes back: the same objects, and nothing to complain of.
#[test]
fn our_own_chart_comes_back_as_the_same_stack() {
    let fixed = STACK.replace("[labels]", "replicas = 4\n[labels]");
    let fixed: String = fixed
        .split("[autoscaling]")
        .next()
        .expect("a beginning")
        .to_owned();
    let plain = "name = \"nlu\"\nnamespace = \"language\"\n[cluster]\ncontext = \"prod\"\n[image]\nreference = \"registry.test/siamese-uninlu@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"\n[model]\nsource = { host-path = \"/srv/model\" }\n[network]\npolicy = false\n";
    for stack in [STACK, &fixed, plain] {
        let home = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(home.path().join("uninlu.toml"), stack).expect("writable");
        let render = |arguments: &[&str]| {
            let output = uninlu(arguments, home.path());
            assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
            text(&output.stdout)
        };
        let before = render(&["render"]);
        render(&["render", "--format", "helm", "--out", "chart"]);
        let arguments = [
            "import",
            "helm",
            "chart",
            "--release",
            "nlu",
            "--namespace",
            "language",
            "--context",
            "prod",
            "--json",
        ];
        let report: Value = serde_json::from_str(&render(&arguments)).expect("JSON");
        assert_eq!(report["findings"], serde_json::json!([]), "for {stack}");
        assert_eq!(report["not_taken"], serde_json::json!([]), "for {stack}");
        assert_eq!(report["to_set"], serde_json::json!([]), "for {stack}");
        assert_eq!(
            report["first_apply"][0]["action"], "keep",
            "{:#}",
            report["first_apply"]
        );
        let imported = report["stack"].as_str().expect("text");
        std::fs::write(home.path().join("uninlu.toml"), imported).expect("writable");
        assert_eq!(render(&["render"]), before, "from {imported}");
    }
}

/// The files of a chart by their path in it.
fn files_of(chart: &Path) -> std::collections::BTreeMap<String, String> {
    let entries = walkdir::WalkDir::new(chart).into_iter().flatten();
    let files = entries.filter(|entry| entry.file_type().is_file());
    files
        .map(|entry| {
            let inside = entry.path().strip_prefix(chart).expect("below it");
            let text = std::fs::read_to_string(entry.path()).expect("text");
            (inside.display().to_string(), text)
        })
        .collect()
}

/// Helm's own output is the measure; `tests/import/helm/main.go` wrote it.
#[test]
fn templates_render_as_helm_renders_them() {
    for name in ["usual-chart", "helm-create", "constructs"] {
        let chart = uninlu::import::Chart {
            files: files_of(&folder(name)),
            namespace: "default".to_owned(),
            ..Default::default()
        };
        let ours = chart.read().expect("its values are valid").objects;
        let golden = std::fs::read_to_string(folder("helm").join(format!("{name}.yaml")))
            .expect("Helm's output");
        let helms: Vec<Value> = serde_saphyr::from_multiple(&golden).expect("YAML");
        let mut compared = 0;
        for helm in helms.iter().filter(|helm| helm["kind"] != "Ingress") {
            let is_it = |object: &&uninlu::import::Object| {
                object.body["kind"] == helm["kind"]
                    && object.body["metadata"]["name"] == helm["metadata"]["name"]
            };
            let ours = ours.iter().find(is_it);
            let ours = ours.unwrap_or_else(|| panic!("{name}: there is no {helm:#}"));
            for (key, value) in helm.as_object().expect("an object") {
                assert_eq!(&ours.body[key], value, "{name}: {} {key}", helm["kind"]);
            }
            compared += 1;
        }
        assert!(compared > 4, "{name}: {compared}");
    }
}

/// Half a template, or one with a line less, is told as not understood, and never a panic.
#[test]
fn whatever_is_missing_of_a_template_nothing_breaks() {
    let mut files = files_of(&folder("constructs"));
    let whole = files["templates/all.yaml"].clone();
    let lines: Vec<&str> = whole.lines().collect();
    let halves = whole
        .char_indices()
        .step_by(41)
        .map(|(end, _)| whole[..end].to_owned());
    let without_a_line =
        (0..lines.len()).map(|index| [&lines[..index], &lines[index + 1..]].concat().join("\n"));
    for text in halves.chain(without_a_line) {
        files.insert("templates/all.yaml".to_owned(), text);
        let chart = uninlu::import::Chart {
            files: files.clone(),
            ..Default::default()
        };
        drop(chart.read().expect("its values are valid"));
    }
}
