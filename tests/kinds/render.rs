//! `uninlu render` as it is called: without a cluster, a registry, or anything of the user's.

use std::process::{Command, Output, Stdio};

use serde_json::Value;
use uninlu::kinds::{self, Facts};
use uninlu::stack::{self, Image};

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
    Command::new(env!("CARGO_BIN_EXE_uninlu"))
        .arg("render")
        .args(arguments)
        .current_dir(folder.path())
        .env_clear()
        .env("HOME", folder.path())
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
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
            &["helm"],
            2,
            "[possible values: objects, service-monitor, adapter]",
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
