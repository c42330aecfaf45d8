//! `uninlu render` as it is called: without a cluster, a registry, or anything of the user's.

use std::path::Path;
use std::process::Output;

use serde_json::Value;
use uninlu::kinds::{self, Facts};
use uninlu::stack::{self, Image};

use super::hermetic;
use super::stacks::repository;

/// The text of a stack that builds nothing, so that its image is known without a build context.
const STACK: &str = r#"name = "nlu"
namespace = "nlu"
[cluster]
context = "nowhere"
[image]
reference = "registry.test/siamese-uninlu@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
[model]
source = { pvc = "models" }
[autoscaling]
requests-per-second = 20
[env.fixed]
replicas = 3
"#;

/// Runs it in a folder of its own that holds `text` as its stack file.
fn render(text: &str, arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join("uninlu.toml"), text).expect("writable");
    hermetic::uninlu(folder.path())
        .arg("render")
        .args(arguments)
        .output()
        .expect("the binary was built for this test")
}

/// stdout of a run that must have gone well, and must have had nothing to say.
fn data(output: Output) -> String {
    let talk = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), talk.as_ref()), (Some(0), ""));
    String::from_utf8(output.stdout).expect("the tool writes UTF-8")
}

fn documents(yaml: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(yaml).expect("valid YAML, one document an object")
}

#[test]
fn the_documents_are_the_objects_in_the_order_of_apply() {
    for environment in [None, Some("fixed")] {
        let stack = stack::parse(STACK, "uninlu.toml".as_ref(), environment).expect("valid");
        let Image::Reference { reference, .. } = &stack.image else {
            panic!("the stack names its image");
        };
        let facts = Facts {
            image: reference.clone(),
        };
        let objects: Vec<Value> = kinds::desired(&stack, &facts).into_values().collect();
        let chosen: Vec<&str> = environment
            .into_iter()
            .flat_map(|name| ["--env", name])
            .collect();
        assert_eq!(documents(&data(render(STACK, &chosen))), objects);
    }
}

/// The tag stands for the build's inputs, so an image that was never built has a name already.
#[test]
fn an_image_that_is_still_to_be_built_has_its_tag() {
    let stack = repository("stacks/local");
    let yaml = data(render(STACK, &["objects", &stack.display().to_string()]));
    let deployment = documents(&yaml)
        .into_iter()
        .find(|object| object["kind"] == "Deployment")
        .expect("a Deployment");
    let image = deployment["spec"]["template"]["spec"]["containers"][0]["image"].to_string();
    assert!(
        image.starts_with("\"localhost:5000/siamese-uninlu:"),
        "{image}"
    );
}

#[test]
fn what_prometheus_and_its_adapter_need() {
    insta::assert_snapshot!("service-monitor", data(render(STACK, &["service-monitor"])));
    insta::assert_snapshot!("adapter", data(render(STACK, &["adapter"])));
}

/// A selector that misses the Service, or a name that the autoscaler does not ask for, would only show in a cluster
/// with Prometheus.
#[test]
fn they_name_what_the_objects_name() {
    let objects = documents(&data(render(STACK, &[])));
    let object = |kind: &str| {
        let found = objects.iter().find(|object| object["kind"] == kind);
        found.unwrap_or_else(|| panic!("no {kind}")).clone()
    };
    let monitor = &documents(&data(render(STACK, &["service-monitor"])))[0];
    let adapter = &documents(&data(render(STACK, &["adapter"])))[0];
    assert_eq!(
        monitor["spec"]["selector"]["matchLabels"],
        object("Service")["metadata"]["labels"]
    );
    assert_eq!(
        monitor["spec"]["endpoints"][0]["port"],
        object("Service")["spec"]["ports"][0]["name"]
    );
    assert_eq!(
        adapter["rules"][0]["name"]["as"],
        object("HorizontalPodAutoscaler")["spec"]["metrics"][0]["pods"]["metric"]["name"]
    );
}

/// With a port of its own, what is scraped is a port of the container, whatever the Service shows.
#[test]
fn a_management_port_is_what_is_scraped_and_probed() {
    for (kind, shown) in [("ClusterIP", 2), ("NodePort", 1), ("LoadBalancer", 1)] {
        let service = format!("[service]\ntype = \"{kind}\"\nmanagement-port = 9090\n[env.fixed]");
        let text = STACK.replace("[env.fixed]", &service);
        let objects = documents(&data(render(&text, &[])));
        let object = |kind: &str| objects.iter().find(|object| object["kind"] == kind);
        let pod = &object("Deployment").expect("a Deployment")["spec"]["template"];
        let container = &pod["spec"]["containers"][0];
        assert_eq!(container["ports"][1]["containerPort"], 9090);
        let name = &container["ports"][1]["name"];
        let monitor = &documents(&data(render(&text, &["service-monitor"])))[0];
        assert_eq!(&monitor["spec"]["endpoints"][0]["targetPort"], name);
        for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
            assert_eq!(&container[probe]["httpGet"]["port"], name, "{probe}");
        }
        assert_eq!(pod["metadata"]["annotations"]["prometheus.io/port"], "9090");
        let ports = &object("Service").expect("a Service")["spec"]["ports"];
        assert_eq!(ports.as_array().map(Vec::len), Some(shown), "{kind}");
    }
}

/// The tool names a counter that another crate exports: nothing else would notice that one of them was renamed.
#[test]
fn the_adapter_reads_what_the_server_exports() {
    let adapter = &documents(&data(render(STACK, &["adapter"])))[0];
    let query = adapter["rules"][0]["seriesQuery"].as_str().expect("text");
    let (counter, labels) = query.split_once('{').expect("labels");
    let family = counter.strip_suffix("_total").expect("a counter");
    let server = include_str!("../../server/src/metrics.rs");
    assert!(
        server.contains(&format!("registry.register(\n            \"{family}\",")),
        "the server registers no `{family}`"
    );
    let route = labels.split_once("route=").expect("a route").1;
    let route = route.trim_end_matches('}');
    assert!(
        server.contains(&format!("\"POST\", {route}")),
        "the server counts no {route} from the start"
    );
}

#[test]
fn an_error_leaves_stdout_empty_and_tells_the_mend() {
    let cases: [(&str, &[&str], i32, &str); 4] = [
        (
            STACK,
            &["objects", "elsewhere"],
            1,
            "`uninlu init` writes one",
        ),
        (STACK, &["--env", "fxied"], 1, "did you mean `fixed`?"),
        (
            "name = \"nlu\"\nreplicsa = 2",
            &[],
            1,
            "did you mean `replicas`?",
        ),
        (
            STACK,
            &["uninlu.toml", "helm"],
            1,
            "write objects, service-monitor or adapter after STACK",
        ),
    ];
    for (text, arguments, code, told) in cases {
        let output = render(text, arguments);
        let talk = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {talk}");
        assert!(
            output.stdout.is_empty(),
            "{arguments:?}: an error is no data"
        );
        assert!(
            talk.contains(told),
            "{arguments:?} must tell {told:?}: {talk}"
        );
    }
}

/// Into a folder of its own below `folder`.
fn leave(folder: &Path, format: &str, warmup: &str) -> Output {
    let stack = folder.join("uninlu.toml");
    let text = STACK.replace(
        "[autoscaling]",
        &format!("warmup = {warmup:?}\n[autoscaling]"),
    );
    std::fs::write(&stack, text).expect("writable");
    let out = folder.join(format);
    render(
        STACK,
        &[
            "objects",
            stack.to_str().expect("UTF-8"),
            "--format",
            format,
            "--out",
            out.to_str().expect("UTF-8"),
        ],
    )
}

fn yaml_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let mut texts: Vec<String> = entries
        .map(|entry| entry.expect("an entry").path())
        .map(|file| std::fs::read_to_string(file).expect("a text"))
        .collect();
    texts.sort();
    texts
}

#[test]
fn a_kustomization_holds_the_documents_as_they_are() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let output = leave(folder.path(), "kustomize", "测试");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let stack = folder.path().join("uninlu.toml");
    let documents = documents(&data(render(
        STACK,
        &["objects", stack.to_str().expect("UTF-8")],
    )));
    let out = folder.path().join("kustomize");
    let list = std::fs::read_to_string(out.join("kustomization.yaml")).expect("a kustomization");
    let list: Value = serde_saphyr::from_str(&list).expect("YAML");
    let resources: Vec<Value> = list["resources"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|name| {
            std::fs::read_to_string(out.join(name.as_str().expect("a name"))).expect("a file")
        })
        .map(|text| serde_saphyr::from_str(&text).expect("YAML"))
        .collect();
    assert_eq!(resources, documents);
}

/// A template must not run what only is text. `tests/bench/deploy` lets the real Helm render such a chart.
#[test]
fn a_chart_keeps_braces_as_text() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let output = leave(folder.path(), "helm", "{{ .Values.secret }} 测试");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let chart = std::fs::read_to_string(folder.path().join("helm/Chart.yaml")).expect("a chart");
    assert!(chart.contains("apiVersion: v2"), "{chart}");
    let templates = yaml_in(&folder.path().join("helm/templates")).concat();
    assert!(
        templates.contains(r#"{{ "{{" }} .Values.secret }}"#),
        "{templates}"
    );
}

#[test]
fn files_are_never_written_among_others() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::create_dir(folder.path().join("helm")).expect("writable");
    std::fs::write(folder.path().join("helm/mine"), "mine").expect("writable");
    let output = leave(folder.path(), "helm", "测试");
    let talk = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(talk.contains("is not empty"), "{talk}");
    assert_eq!(yaml_in(&folder.path().join("helm")), ["mine"]);
    let output = render(STACK, &["--format", "helm"]);
    let talk = String::from_utf8_lossy(&output.stderr);
    assert!(talk.contains("--out DIR"), "{talk}");
}

/// With half of three pods at most missing, Kubernetes takes one at a time: three steps, and not two.
#[test]
fn the_waits_budget_counts_the_steps_that_kubernetes_takes() {
    let budget = |missing: &str| {
        let rollout = format!("rollout = {{ max-surge = 0, max-unavailable = {missing} }}\n");
        let stack = stack::parse(
            &(STACK.to_owned() + &rollout),
            Path::new("uninlu.toml"),
            Some("fixed"),
        );
        kinds::wait_budget(&stack.expect("a valid stack"))
    };
    assert_eq!(budget("\"50%\""), budget("1"));
}
