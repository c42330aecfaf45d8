//! Stack files and the objects that they become: a file in `tests/kinds/cases` is a case, and adding one adds no Rust.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use uninlu::kinds::{self, Desired, Facts, Kind, prometheus};
use uninlu::stack::{self, Stack};

const IMAGE: &str = "registry.test/siamese-uninlu@sha256:0123";

fn parsed(file: &Path, environment: Option<&str>) -> Stack {
    let text = std::fs::read_to_string(file).expect("a stack file");
    stack::parse(&text, file, environment).expect("a valid stack")
}

fn desired(stack: &Stack) -> Desired {
    let image = IMAGE.into();
    kinds::desired(stack, &Facts { image })
}

fn yaml<'a>(objects: impl IntoIterator<Item = &'a Value>) -> String {
    let documents: Vec<String> = objects
        .into_iter()
        .map(|object| serde_saphyr::to_string(object).expect("an object is YAML"))
        .collect();
    documents.join("---\n")
}

fn stack_file(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    root.join("stacks").join(name).join("uninlu.toml")
}

#[test]
fn objects_of_the_cases() {
    insta::glob!("cases/*.toml", |file| {
        insta::assert_snapshot!(yaml(desired(&parsed(file, None)).values()));
    });
}

#[test]
fn objects_of_the_stacks() {
    insta::glob!("../../stacks", "*/uninlu.toml", |file| {
        insta::assert_snapshot!(yaml(desired(&parsed(file, None)).values()));
    });
}

/// Six objects, which is what the demo shows and counts requests for.
#[test]
fn the_demo_is_six_objects() {
    let objects = desired(&parsed(&stack_file("local"), None));
    let kinds: Vec<&str> = objects.keys().map(|id| id.kind.name()).collect();
    assert_eq!(
        kinds,
        [
            "Namespace",
            "ServiceAccount",
            "ConfigMap",
            "Service",
            "Deployment",
            "PodDisruptionBudget"
        ]
    );
}

#[test]
fn an_environment_may_turn_the_autoscaler_off() {
    let file = stack_file("tutorial");
    let has_autoscaler = |environment| {
        let objects = desired(&parsed(&file, environment));
        objects
            .keys()
            .any(|id| id.kind == Kind::HorizontalPodAutoscaler)
    };
    assert!(has_autoscaler(None));
    assert!(!has_autoscaler(Some("staging")));
}

#[test]
fn what_prometheus_needs() {
    let stack = parsed(&stack_file("tutorial"), None);
    let objects = [
        prometheus::service_monitor(&stack),
        prometheus::adapter(&stack),
    ];
    insta::assert_snapshot!(yaml(&objects));
}

fn render(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_uninlu"))
        .arg("render")
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env_clear()
        .env("NO_COLOR", "1")
        .output()
        .expect("the binary was built for this test")
}

/// What is printed is what is applied, in the order of apply, and nothing else goes to stdout.
#[test]
fn render_prints_documents_that_another_program_reads() {
    let output = render(&["objects", "tests/kinds/cases/scaling-behavior.toml"]);
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).expect("YAML is text");
    let printed: Vec<Value> =
        serde_saphyr::from_multiple(&text).expect("a stream of YAML documents");
    let file =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kinds/cases/scaling-behavior.toml");
    let stack = parsed(&file, None);
    let stack::Image::Reference { reference, .. } = &stack.image else {
        panic!("the case names its image");
    };
    let image = reference.clone();
    let wanted: Vec<Value> = kinds::desired(&stack, &Facts { image })
        .into_values()
        .collect();
    assert_eq!(printed, wanted);
}

#[test]
fn render_refuses_what_is_no_stack() {
    let output = render(&["objects", "tests/stack/cases/many-faults.toml"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty(), "nothing is printed by halves");
    let output = render(&["everything"]);
    assert_eq!(
        output.status.code(),
        Some(2),
        "clap's code for a wrong word"
    );
}
