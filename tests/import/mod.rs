//! `uninlu import` offline: a chart is a folder, its snapshot the stack file and the report.

use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;

use crate::hermetic;

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

/// Of an installed release: what the stack takes over, and what is to be deleted by name.
#[test]
fn what_stays_of_a_release_is_named() {
    let release = ["import", "helm", "../walks/release", "--release", "nlu"];
    let report = text(&uninlu(&release, &folder("")).stderr);
    let (_, effects) = report.split_once("at the first apply:\n").expect("effects");
    let stays: Vec<&str> = effects.lines().filter(|it| it.contains("stays")).collect();
    assert_eq!(
        stays,
        [
            "  - ServiceAccount nlu: stays; the stack's has the name `nlu-serving`: delete this one when it is not needed any more",
            "  - ConfigMap nlu-serving-config: stays; the stack's has the name `nlu-serving-settings`: delete this one when it is not needed any more",
        ]
    );
    assert!(report.contains("1 error, "), "{report}");
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

/// A field that no key, no rule and no default covers is reported: a reader of the report need not compare the two.
#[test]
fn no_field_is_lost_without_a_word() {
    let output = uninlu(&["import", "yaml", "rest", "--json"], &folder(""));
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON on stdout");
    let left = report["not_taken"].as_array().expect("a list");
    let lines = left.iter().map(|it| {
        let place = &it["places"][0];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        format!(
            "{}: {} ({}:{})",
            text(&it["what"]),
            text(&it["why"]),
            text(&place["file"]),
            place["line"]
        )
    });
    insta::assert_snapshot!(lines.collect::<Vec<_>>().join("\n"));
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
    let budget = found("disruption-budget").unwrap_or_else(|| panic!("{findings:#?}"));
    assert_eq!(budget["places"][0]["file"], "templates/rest.yaml");
    let single = found("single-replica").unwrap_or_else(|| panic!("{findings:#?}"));
    assert_eq!(
        (&single["places"][1]["file"], &single["places"][1]["line"]),
        (&"staging.yaml".into(), &2.into())
    );
    assert!(found("budget-may-block-drains").is_none(), "said twice");
}

/// Short values, values with spaces or of other variables, and names without a word of their own are secrets in another
/// tool's manifest; the value is not shown.
#[test]
fn variables_with_a_secret_are_found_by_their_names() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let env = [
        ("DB_PASSWORD", "admin"),
        ("MYSECRET", "never-shown-1"),
        ("SESSION_TOKEN", "never shown 2"),
        ("APP_PASSWD", "$(NEVER_SHOWN)"),
        ("VENDORAPIKEY", "{never-shown}"),
        ("NPM_TOKEN", "never-shown-3"),
        ("MAX_TOKENS", "512"),
        ("TOKEN_PATH", "tokens/one"),
        ("PASSWORD_FILE", "tokens/two"),
        ("SECRET_DIR", "/run/secrets"),
    ];
    let env = env.map(|(name, value)| format!("        - {{name: {name}, value: {value:?}}}\n"));
    let manifest = format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: nlu}}\nspec:\n  template:\n    spec:\n      containers:\n      - name: server\n        env:\n{}",
        env.concat()
    );
    std::fs::write(folder.path().join("nlu.yaml"), manifest).expect("writable");
    let arguments = ["import", "yaml", "nlu.yaml", "--context", "prod", "--json"];
    let output = uninlu(&arguments, folder.path());
    let report: Value = serde_json::from_slice(&output.stdout).expect("stdout is JSON alone");
    let findings = report["findings"].as_array().expect("a list");
    let secrets = findings
        .iter()
        .filter(|finding| finding["rule"] == "secret-exposed");
    let secrets: Vec<&Value> = secrets.collect();
    let lines = secrets.iter().map(|finding| &finding["places"][0]["line"]);
    let mut lines: Vec<u64> = lines.filter_map(Value::as_u64).collect();
    lines.sort_unstable();
    assert_eq!(lines, [10, 11, 12, 13, 14, 15], "{secrets:#?}");
    let words = format!("{secrets:?}").to_lowercase();
    assert!(
        !words.contains("never") && !words.contains("admin"),
        "{words}"
    );
}

/// The eight faults of the usual chart, by the rules that name them and by where they are.
#[test]
fn each_of_the_eight_faults_has_its_place() {
    let output = uninlu(&["import", "helm", "usual-chart", "--json"], &folder(""));
    let report: Value = serde_json::from_slice(&output.stdout).expect("stdout is JSON alone");
    let findings = report["findings"].as_array().expect("a list");
    for (rule, file, line) in [
        ("model-in-config-map", "templates/deployment.yaml", 35),
        ("settings-sub-path", "templates/deployment.yaml", 32),
        ("checksum-annotation", "templates/deployment.yaml", 14),
        ("metric-not-exported", "values.yaml", 21),
        ("replicas-contended", "templates/deployment.yaml", 7),
        ("writable-root", "templates/deployment.yaml", 22),
        ("security-context-split", "templates/deployment.yaml", 17),
        ("startup-probe", "values.yaml", 25),
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

/// The rules that find something in the stack of the folder.
fn gate_rules(folder: &Path) -> Vec<Value> {
    let output = uninlu(&["gate", "--offline", "--format", "json"], folder);
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let findings = report["findings"].as_array().expect("a list").iter();
    findings.map(|finding| finding["rule"].clone()).collect()
}

/// A stack that was rendered as a chart comes back: the same objects, and import finds nothing that the gate does not.
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
        let of_gate = gate_rules(home.path());
        let findings = report["findings"].as_array().expect("a list").iter();
        let only_import = findings.filter(|finding| !of_gate.contains(&finding["rule"]));
        assert_eq!(
            only_import.count(),
            0,
            "{:#} for {stack}",
            report["findings"]
        );
        assert_eq!(report["not_taken"], serde_json::json!([]), "for {stack}");
        assert_eq!(report["to_set"], serde_json::json!([]), "for {stack}");
        assert_eq!(
            report["first_apply"][0]["action"], "keep",
            "{:#}",
            report["first_apply"]
        );
        let imported = report["stack_file"].as_str().expect("text");
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
    for name in ["usual-chart", "helm-create", "constructs", "formats"] {
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

/// JSON of an import of files with these texts, or the error.
fn imported(from: &str, files: &[(&str, &str)], more: &[&str]) -> Result<Value, String> {
    let home = tempfile::tempdir().expect("a temporary folder");
    for (name, text) in files {
        let path = home.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("writable");
        std::fs::write(path, text).expect("writable");
    }
    let named: Vec<&str> = match from {
        "helm" => vec!["."],
        _ => files.iter().map(|(name, _)| *name).collect(),
    };
    let arguments = [&["import", from][..], &named, &["--json"], more].concat();
    let output = uninlu(&arguments, home.path());
    match output.status.code() {
        Some(0) => Ok(serde_json::from_slice(&output.stdout).expect("JSON")),
        Some(1) => {
            let failure: Value = serde_json::from_slice(&output.stdout).expect("JSON");
            let words = failure["error"].to_string();
            Err(words.split_whitespace().collect::<Vec<_>>().join(" "))
        }
        other => panic!("{other:?}: {}", text(&output.stderr)),
    }
}

fn case(name: &str) -> String {
    std::fs::read_to_string(folder("cases").join(name)).expect("a case")
}

/// What the rule found, each with its lines.
fn found(report: &Value, rule: &str) -> Vec<String> {
    let findings = report["findings"].as_array().expect("a list").iter();
    findings
        .filter(|finding| finding["rule"] == rule)
        .map(|finding| {
            let places = finding["places"].as_array().expect("a list").iter();
            let lines: Vec<String> = places.map(|place| place["line"].to_string()).collect();
            format!(
                "{}: {}",
                lines.join(","),
                finding["message"].as_str().expect("text")
            )
        })
        .collect()
}

const DEPLOYMENT: &str = "apiVersion: apps/v1
kind: Deployment
metadata: {name: nlu, namespace: nlu}
spec:
  selector: {matchLabels: {app: nlu}}
  template:
    metadata: {labels: {app: nlu}}
    spec:
      containers:
        - name: server
          image: r.example.com/nlu@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
          resources: {requests: {cpu: 1, memory: 1Gi}, limits: {cpu: 2, memory: 2Gi}}
";

/// kubectl and Helm end with an error; here it has its place.
#[test]
fn what_is_no_object_and_what_is_no_map_of_values_is_named() {
    let kindless = "Kind: Deployment\napiVersion: apps/v1\nmetadata: {name: q}\n";
    for (file, body, words) in [
        (
            "a.yaml",
            "- 1\n- 2\n",
            "a.yaml:1: this is a list, and an object is a map",
        ),
        (
            "a.json",
            "[{\"kind\": \"Deployment\"}]",
            "a.json:1: this is a list, and an object is a map",
        ),
        (
            "a.yaml",
            "# from a proxy\n<html>404 Not Found</html>\n",
            "a.yaml:1: this is a text, and an object is a map",
        ),
        ("a.yaml", kindless, "a.yaml:1: an object without `kind`"),
    ] {
        let refused = imported("yaml", &[(file, body)], &[]).expect_err(body);
        assert!(refused.contains(words), "{refused}");
    }
    let report = imported("yaml", &[("a.yaml", "[]"), ("d.yaml", DEPLOYMENT)], &[]).expect("read");
    assert_eq!(report["not_understood"][0]["place"]["file"], "a.yaml");

    let chart = ("Chart.yaml", "apiVersion: v2\nname: x\nversion: 0.1.0\n");
    for (values, words) in [
        (
            "- a\n",
            "values.yaml:1 cannot be read: it is a list, and values are a map",
        ),
        (
            "# c\n---\ntext\n",
            "values.yaml:3 cannot be read: it is a text, and values are a map",
        ),
    ] {
        let files = [
            chart,
            ("values.yaml", values),
            ("templates/d.yaml", DEPLOYMENT),
        ];
        let refused = imported("helm", &files, &[]).expect_err(values);
        assert!(refused.contains(words), "{refused}");
    }
    for values in ["", "# c\n", "null\n", "---\n", "{}\n"] {
        let files = [
            chart,
            ("values.yaml", values),
            ("templates/d.yaml", DEPLOYMENT),
        ];
        imported("helm", &files, &[]).expect(values);
    }
}

/// A comment of TOML holds no control character, and a text of TOML no DEL.
#[test]
fn what_others_wrote_breaks_no_line_of_the_file() {
    let evil = r"\e[31m\n[gate]\nx = 1\r\x7f\x9b\u202e\0";
    let deployment = DEPLOYMENT
        .replace("labels: {app: nlu}}\n    spec:", &format!("labels: {{app: nlu, q: \"{evil}\", \"{evil}\": q}}}}\n    spec:"))
        .replace("- name: server", &format!("- name: server\n          env: [{{name: \"{evil}\", value: \"{evil}\"}}]\n          args: [\"{evil}\"]"))
        .replace("cpu: 1, memory: 1Gi", &format!("cpu: \"1{evil}\", memory: 1Gi"))
        .replace("name: nlu, namespace", &format!("name: nlu, annotations: {{a: \"{evil}\"}}, labels: {{l: \"{evil}\"}}, namespace"));
    let report = imported("yaml", &[("d.yaml", &deployment)], &[]).expect("a valid file");
    let stack = report["stack_file"].as_str().or(report["stack"].as_str());
    let stack = stack.unwrap_or_else(|| panic!("{report:#}"));
    let is_hidden = |c: char| c.is_control() || c == '\u{202e}';
    assert!(
        !stack.lines().any(|line| line.contains(is_hidden)),
        "{stack}"
    );
    assert!(!stack.lines().any(|line| line == "[gate]"), "{stack}");
}

/// The draft of a chart whose Deployment is a dependency's was made from nothing but its values.
#[test]
fn a_chart_that_only_depends_on_others_is_named() {
    let listed =
        "apiVersion: v2\nname: x\nversion: 0.1.0\ndependencies:\n  - {name: sub, version: 1.0.0}\n";
    let plain = "apiVersion: v2\nname: x\nversion: 0.1.0\n";
    for (chart, more) in [
        (listed, &[][..]),
        (
            listed,
            &[("templates/_helpers.tpl", "{{ define \"a\" }}{{ end }}")],
        ),
        (
            plain,
            &[
                ("charts/sub/Chart.yaml", plain),
                ("charts/sub/templates/d.yaml", DEPLOYMENT),
            ],
        ),
    ] {
        let files = [
            &[
                ("Chart.yaml", chart),
                ("values.yaml", "sub: {replicaCount: 3}\n"),
            ],
            more,
        ]
        .concat();
        let refused = imported("helm", &files, &[]).expect_err(chart);
        assert!(
            refused.contains("(sub) are not rendered") && refused.contains("helm template DIR"),
            "{refused}"
        );
    }
    let files = [("Chart.yaml", listed), ("templates/d.yaml", DEPLOYMENT)];
    let report = imported("helm", &files, &[]).expect("its own Deployment");
    assert_eq!(report["not_understood"], serde_json::json!([]));
}

/// As kubectl does: links in a folder are read, and what cannot be read is no silence.
#[test]
fn what_of_a_folder_cannot_be_read_is_named() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let root = folder.path();
    std::fs::create_dir_all(root.join("all/real")).expect("writable");
    std::fs::write(root.join("all/real/d.txt"), DEPLOYMENT).expect("writable");
    std::os::unix::fs::symlink("real/d.txt", root.join("all/d.yaml")).expect("writable");
    let import = || {
        let output = uninlu(&["import", "yaml", "all", "--json"], root);
        serde_json::from_slice::<Value>(&output.stdout).expect("JSON")
    };
    assert_eq!(import()["not_understood"], serde_json::json!([]));
    std::fs::write(root.join("outside.yaml"), DEPLOYMENT).expect("writable");
    std::fs::write(root.join("all/latin.yaml"), b"a: \xe9\n").expect("writable");
    std::fs::write(root.join("all/picture.png"), b"\x89PNG\xff").expect("writable");
    for (to, link) in [
        ("nowhere", "gone.yaml"),
        ("../outside.yaml", "out.yaml"),
        (".", "loop"),
    ] {
        std::os::unix::fs::symlink(to, root.join("all").join(link)).expect("writable");
    }
    let report = import();
    let gaps = report["not_understood"].as_array().expect("a list").iter();
    let gaps: Vec<String> = gaps
        .map(|gap| {
            format!(
                "{}: {}",
                gap["place"]["file"].as_str().unwrap_or_default(),
                gap["why"].as_str().unwrap_or_default()
            )
        })
        .collect();
    let [gone, latin, out] = &gaps[..] else {
        panic!("{gaps:?}")
    };
    assert!(
        gone.starts_with("gone.yaml: it cannot be read: No such file"),
        "{gone}"
    );
    assert!(
        latin.starts_with("latin.yaml: it cannot be read"),
        "{latin}"
    );
    assert_eq!(out, "out.yaml: it is a link out of the folder");
}

/// Every version that ever held an autoscaler; one that no cluster serves is named.
#[test]
fn an_autoscaler_of_any_version() {
    let report = imported("yaml", &[("v1.yaml", &case("hpa-v1/v1.yaml"))], &[]).expect("read");
    let stack = report["stack_file"].as_str().expect("text");
    assert!(stack.contains("\ncpu = 50\n"), "{stack}");
    let gone = "19: `policy/v1beta1` is not served since Kubernetes 1.25: policy/v1 is";
    assert_eq!(found(&report, "removed-api"), [gone]);
    let cpu = "type: Resource, resource: {name: cpu, ";
    for (version, spec, keys, is_gone) in [
        ("autoscaling/v1", "maxReplicas: 9".to_owned(), "cpu = 80", false),
        ("autoscaling/v2", format!("maxReplicas: 9, metrics: [{{{cpu}target: {{type: Utilization, averageUtilization: 55}}}}}}]"), "cpu = 55", false),
        ("autoscaling/v2", "maxReplicas: 9, metrics: [{type: ContainerResource, containerResource: {container: server, name: cpu, target: {type: Utilization, averageUtilization: 45}}}]".to_owned(), "cpu = 45", false),
        ("autoscaling/v2beta2", format!("maxReplicas: 9, metrics: [{{{cpu}target: {{type: Utilization, averageUtilization: 56}}}}}}]"), "cpu = 56", true),
        ("autoscaling/v2beta1", format!("maxReplicas: 9, metrics: [{{{cpu}targetAverageUtilization: 57}}}}]"), "cpu = 57", true),
        ("autoscaling/v2beta1", "maxReplicas: 9, metrics: [{type: Pods, pods: {metricName: http_requests_per_second, targetAverageValue: 20}}]".to_owned(), "requests-per-second = 20", true),
        ("extensions/v1beta1", "maxReplicas: 9, cpuUtilization: {targetPercentage: 58}".to_owned(), "cpu = 58", true),
    ] {
        let hpa = format!("---\napiVersion: {version}\nkind: HorizontalPodAutoscaler\nmetadata: {{name: nlu}}\nspec: {{scaleTargetRef: {{kind: Deployment, name: nlu}}, {spec}}}\n");
        let report = imported("yaml", &[("all.yaml", &format!("{DEPLOYMENT}{hpa}"))], &[]).expect("read");
        let stack = report["stack_file"].as_str().expect("text");
        assert!(stack.contains(&format!("\n{keys}\n")), "{version}: {stack}");
        assert_eq!(found(&report, "removed-api").len(), usize::from(is_gone), "{version}");
    }
}

#[test]
fn what_cannot_be_read_is_named_with_its_line() {
    let twice = case("error-swallowed/dup.yaml");
    let report =
        imported("yaml", &[("dup.yaml", &twice)], &[]).expect("the last of equal keys holds");
    let said = ["19: `resources` is set twice: this one holds, line 16 is dropped"];
    assert_eq!(found(&report, "yaml-ambiguous"), said);
    let json = imported("yaml", &[("q.json", &case("error-swallowed/q.json"))], &[]).expect("JSON");
    assert!(
        json["stack_file"]
            .as_str()
            .expect("text")
            .contains("name = \"nlu\""),
        "{json:#}"
    );
    for (file, text, words) in [
        ("sts.yaml", case("error-swallowed/sts.yaml"), "`nlu` (sts.yaml:2) is a StatefulSet, and a stack is a Deployment"),
        ("tab.yaml", format!("{DEPLOYMENT}\ta: 1\n"), "tab.yaml:13:"),
        ("half.yaml", DEPLOYMENT.replace("{app: nlu}}\n  template", "{app: nlu\n  template"), "half.yaml:"),
        ("rollout.yaml", DEPLOYMENT.replace("apps/v1", "argoproj.io/v1alpha1").replace("kind: Deployment", "kind: Rollout"), "is a Rollout"),
        ("kserve.yaml", "apiVersion: serving.kserve.io/v1beta1\nkind: InferenceService\nmetadata: {name: nlu}\n".to_owned(), "is a InferenceService"),
        ("knative.yaml", "apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: nlu}\n".to_owned(), "is a Knative Service"),
        ("map.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n".to_owned(), "it holds ConfigMap"),
    ] {
        let refused = imported("yaml", &[(file, &text)], &[]).expect_err(file);
        assert!(refused.contains(words), "{file}: {refused}");
    }
}

/// As `kubectl get -o json` and `-o yaml` print several, and files that other systems wrote.
#[test]
fn the_forms_that_kubectl_reads() {
    let one: Value = serde_saphyr::from_str(DEPLOYMENT).expect("YAML");
    let bare = serde_json::json!({ "metadata": one["metadata"], "spec": one["spec"] });
    let list = |kind: &str, version: &str, item: &Value| {
        serde_json::json!({ "apiVersion": version, "kind": kind, "items": [item] }).to_string()
    };
    for (name, text) in [
        ("list.json", list("List", "v1", &one)),
        ("typed.json", list("DeploymentList", "apps/v1", &bare)),
        (
            "escaped.json",
            one.to_string()
                .replace("r.example.com/", "r.example.com\\/"),
        ),
        (
            "two.json",
            format!("{{\"kind\": \"ConfigMap\", \"a\": \"x\\/y\"}}\n{one}\n"),
        ),
        (
            "tabs.json",
            serde_json::to_string_pretty(&one)
                .expect("JSON")
                .replace("  ", "\t"),
        ),
        (
            "windows.yaml",
            format!("\u{feff}---\r\n{}", DEPLOYMENT.replace('\n', "\r\n")),
        ),
        (
            "ends.yaml",
            format!("# first\n---\n---\n{DEPLOYMENT}...\n---\n# last\n"),
        ),
        ("stdin", DEPLOYMENT.to_owned()),
    ] {
        let report =
            imported("yaml", &[(name, &text)], &[]).unwrap_or_else(|why| panic!("{name}: {why}"));
        assert!(
            report["stack_file"]
                .as_str()
                .expect("text")
                .contains("limit = \"2Gi\""),
            "{name}: {report:#}"
        );
    }
}

#[test]
fn any_number_of_comments() {
    let chart = folder("cases/values-comments/chart");
    let output = uninlu(
        &["import", "helm", chart.to_str().expect("Unicode"), "--json"],
        &folder(""),
    );
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
}

#[test]
fn ranges_of_versions_in_a_chart() {
    let chart = folder("cases/semver-compare/chart");
    let output = uninlu(
        &["import", "helm", chart.to_str().expect("Unicode"), "--json"],
        &folder(""),
    );
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let stack = report["stack_file"].as_str().expect("text");
    assert!(stack.contains("v = \"false\""), "{stack}");
    assert_eq!(found(&report, "kube-version"), [""; 0]);
    let old = [
        (
            "Chart.yaml",
            "apiVersion: v2\nname: x\nversion: 0.1.0\nkubeVersion: '>=1.20 <1.30'\n",
        ),
        ("values.yaml", "a: 1\n---\nb: 2\n"),
        ("templates/d.yaml", DEPLOYMENT),
    ];
    let report = imported("helm", &old, &[]).expect("read");
    assert_eq!(found(&report, "kube-version").len(), 1, "{report:#}");
    assert!(
        found(&report, "yaml-ambiguous")[0].starts_with("3: another document"),
        "{report:#}"
    );
}

/// Work that grows with the square of what is read would pass every bound of bytes.
#[test]
fn what_a_chart_reads_twice_takes_no_more_than_twice_as_long() {
    let began = std::time::Instant::now();
    for template in [
        "{{ $l := splitList \" \" (seq 10000) }}{{ $l = concat $l $l $l $l $l }}{{ len (uniq $l) }}",
        "{{ $b := repeat 9000 (repeat 200 \"b\") }}{{ trimAll (print $b \"a\") (repeat 9000 (repeat 200 \"a\")) }}",
    ] {
        let files = [
            ("Chart.yaml", "apiVersion: v2\nname: x\nversion: 0.1.0\n"),
            ("templates/a.yaml", &format!("a: \"{template}\"\n")),
            ("templates/d.yaml", DEPLOYMENT),
        ];
        let report = imported("helm", &files, &[]).expect(template);
        assert_eq!(
            report["not_understood"],
            serde_json::json!([]),
            "{template}"
        );
    }
    let took = began.elapsed();
    assert!(took < std::time::Duration::from_secs(30), "{took:?}");
}

/// A chart that never ends, or makes more than a machine has, is refused with its line.
#[test]
fn charts_are_bounded() {
    let doubled =
        "{{ $x := \"ab\" }}\n{{ range until 40 }}{{ $x = print $x $x }}{{ end }}\n{{ $x }}";
    let nested = "{{ range until 1000 }}{{ range until 1000 }}{{ range until 1000 }}x{{ end }}{{ end }}{{ end }}";
    for (name, template) in [
        ("width", "{{ printf \"%70000d\" 1 }}"),
        ("precision", "{{ printf \"%.70000f\" 1.5 }}"),
        ("star", "{{ printf \"%*d\" 70000 1 }}"),
        ("repeat", "{{ repeat 1000000 \"x\" }}"),
        ("repeats", "{{ repeat 9000 (repeat 9000 \"x\") }}"),
        ("indent", "{{ indent 70000 \"x\" }}"),
        ("nindent", "{{ repeat 9000 \"x\\n\" | nindent 9000 }}"),
        ("until", "{{ range until 1000000000 }}x{{ end }}"),
        ("step", "{{ range untilStep 0 1000000000 1 }}x{{ end }}"),
        ("seq", "{{ seq 1000000000 }}"),
        ("count", "{{ range 1000000000 }}x{{ end }}"),
        ("doubled", doubled),
        ("nested", nested),
        (
            "recursion",
            "{{ define \"a\" }}{{ include \"a\" . }}{{ end }}{{ include \"a\" . }}",
        ),
        (
            "tree",
            "{{ define \"a\" }}{{ include \"b\" . }}{{ end }}{{ define \"b\" }}{{ template \"a\" . }}{{ end }}{{ template \"a\" . }}",
        ),
        ("tpl", "{{ tpl .Values.t . }}"),
        (
            "lists",
            "{{ $x := list 1 }}{{ range until 60 }}{{ $x = list $x $x }}{{ end }}{{ $x }}",
        ),
        (
            "deep",
            "{{ $x := list 1 }}{{ range until 9000 }}{{ $x = list $x }}{{ end }}{{ toYaml $x }}",
        ),
        (
            "dicts",
            "{{ $x := dict \"a\" 1 }}{{ range until 60 }}{{ $x = dict \"a\" $x \"b\" $x }}{{ end }}{{ toJson $x }}",
        ),
        (
            "replace",
            "{{ $x := repeat 9000 \"aa\" }}{{ replace \"a\" $x $x }}",
        ),
        (
            "regex",
            "{{ $x := repeat 9000 \"a\" }}{{ regexReplaceAll \"a\" $x $x }}",
        ),
        (
            "patterns",
            "{{ range until 9000 }}{{ regexMatch \"(a{100}){100}\" \"a\" }}{{ end }}",
        ),
        ("join", "{{ join (repeat 9000 \"a\") (until 9000) }}"),
        (
            "aliases",
            "{{ $y := \"a: &a [1,1,1,1,1,1,1,1,1,1]\\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\\nd: [*c,*c,*c]\" }}{{ range until 9000 }}{{ $z := fromYaml $y }}{{ end }}",
        ),
        (
            "nothing",
            "{{ regexReplaceAll \"a\" (repeat 9000 \"a\") (repeat 9000 \"${x}\") }}",
        ),
        (
            "programs",
            "{{ $x := repeat 9000 \"0123456789abcdef\" }}{{ range until 100 }}{{ regexMatch \"[0-7][0-9a-f]{900}[g-z0]$\" $x }}{{ end }}",
        ),
        (
            "turns",
            "{{ $l := until 9000 }}{{ range $l }}{{ range $l }}{{ end }}{{ end }}",
        ),
    ] {
        let files = [
            ("Chart.yaml", "apiVersion: v2\nname: x\nversion: 0.1.0\n"),
            ("values.yaml", "t: '{{ tpl .Values.t . }}'\n"),
            (
                "templates/a.yaml",
                &format!("# {name}\na: >-\n  {template}\n"),
            ),
            ("templates/d.yaml", DEPLOYMENT),
        ];
        let refused = imported("helm", &files, &[]).expect_err(name);
        let line = if name == "doubled" { 4 } else { 3 };
        assert!(
            refused.contains(&format!("templates/a.yaml:{line}")),
            "{name}: {refused}"
        );
    }
    for (name, template) in [("brackets", "("), ("blocks", "{{ if true }}")] {
        let action = if name == "blocks" {
            template.repeat(10_000)
        } else {
            format!("{{{{ {} }}}}", template.repeat(10_000))
        };
        let files = [
            ("Chart.yaml", "apiVersion: v2\nname: x\nversion: 0.1.0\n"),
            ("templates/a.yaml", &format!("a: {action}\n")),
            ("templates/d.yaml", DEPLOYMENT),
        ];
        let report = imported("helm", &files, &[]).expect(name);
        assert!(
            report["not_understood"][0]["why"]
                .as_str()
                .expect("text")
                .contains("in each other"),
            "{report:#}"
        );
    }
    let bomb = "a: &a [x, x, x, x, x, x, x, x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a]\n"
        .to_owned()
        + &(b'c'..=b'j')
            .map(|at| {
                let (at, before) = (char::from(at), char::from(at - 1));
                format!(
                    "{at}: &{at} [{}]\n",
                    vec![format!("*{before}"); 9].join(", ")
                )
            })
            .collect::<String>();
    let refused = imported("yaml", &[("bomb.yaml", &bomb)], &[]).expect_err("a bomb");
    assert!(refused.contains("aliases"), "{refused}");
}

/// A namespace has other Deployments too: the one with the model is proposed, and the others are named.
#[test]
fn of_several_deployments_the_one_with_the_model() {
    let other = |name: &str, pod: &str| {
        format!(
            "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}}}\nspec: {{template: {{spec: {{{pod}}}}}}}\n"
        )
    };
    let web = other(
        "web",
        "containers: [{name: web, image: web, env: [{name: MODEL_URL, value: 'http://nlu'}], resources: {limits: {memory: 64Mi}}}]",
    );
    let redis = other(
        "redis",
        "volumes: [{name: data, persistentVolumeClaim: {claimName: redis}}], containers: [{name: r, image: redis}]",
    );
    for (name, pod) in [
        (
            "gpu",
            "containers: [{name: s, image: s, resources: {limits: {nvidia.com/gpu: 1, memory: 1Gi}}}]",
        ),
        (
            "claim",
            "volumes: [{name: model, persistentVolumeClaim: {claimName: m}}], containers: [{name: s, image: s, volumeMounts: [{name: model, mountPath: /m}]}]",
        ),
        (
            "path",
            "containers: [{name: s, image: s, env: [{name: MODEL_PATH, value: /opt/m}], resources: {limits: {memory: 2Gi}}}]",
        ),
    ] {
        let all = format!("{web}{redis}{}", other(name, pod));
        let report = imported("yaml", &[("all.yaml", &all)], &[]).expect("read");
        let stack = report["stack_file"].as_str().expect("text");
        assert!(stack.contains(&format!("name = \"{name}\"")), "{stack}");
        assert_eq!(
            report["other_deployments"],
            serde_json::json!(["web", "redis"])
        );
    }
    let large = other(
        "large",
        "containers: [{name: s, image: s, resources: {limits: {memory: 4Gi}}}]",
    );
    let report = imported("yaml", &[("all.yaml", &format!("{web}{large}"))], &[]).expect("read");
    assert!(
        report["stack_file"]
            .as_str()
            .expect("text")
            .contains("name = \"large\""),
        "{report:#}"
    );
    let report = imported(
        "yaml",
        &[("all.yaml", &format!("{web}{large}"))],
        &["--name", "web"],
    )
    .expect("read");
    assert!(
        report["stack_file"]
            .as_str()
            .expect("text")
            .contains("name = \"web\""),
        "{report:#}"
    );
}

/// They have no place in a stack, and are named as what stays; their versions are judged too.
#[test]
fn other_workloads_beside_the_deployment_are_named() {
    let beside = "---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: cache}
---
apiVersion: batch/v1beta1
kind: CronJob
metadata: {name: nightly}
---
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: nlu}
";
    let all = format!("{DEPLOYMENT}{beside}");
    let report = imported("yaml", &[("all.yaml", &all)], &[]).expect("read");
    let left = report["not_taken"].to_string();
    for object in ["StatefulSet cache", "CronJob nightly", "Service nlu"] {
        assert!(left.contains(object), "no {object} in {left}");
    }
    let gone = found(&report, "removed-api").join("\n");
    assert!(gone.contains("batch/v1beta1"), "{gone}");
}

/// What an intruder finds in a sidecar or an init container is as bad.
#[test]
fn a_security_finding_is_about_every_container() {
    let pod = "      securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
      initContainers:
        - {name: pull, image: 'curl:latest', securityContext: {runAsUser: 0, privileged: true}, env: [{name: HF_TOKEN, value: never-told-1}]}
      containers:
        - {name: proxy, image: 'proxy:1', securityContext: {runAsNonRoot: false, capabilities: {add: [NET_ADMIN]}}, env: [{name: ADMIN_PASSWORD, value: never-told-2}]}
        - name: server";
    let text = DEPLOYMENT.replace("      containers:\n        - name: server", pod);
    let report = imported("yaml", &[("all.yaml", &text)], &[]).expect("read");
    assert!(!report.to_string().contains("never-told"), "{report:#}");
    for (rule, count) in [
        ("writable-root", 3),
        ("runs-as-root", 2),
        ("capabilities", 3),
        ("secret-exposed", 2),
        ("image-digest", 2),
        ("resources-missing", 2),
    ] {
        assert_eq!(
            found(&report, rule).len(),
            count,
            "{rule}: {:#}",
            report["findings"]
        );
    }
}
