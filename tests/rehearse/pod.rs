//! Pod → container.

use std::path::Path;

use uninlu::image::container::Spec;
use uninlu::rehearse::{Error, pod};
use uninlu::stack::{self, Stack};

const IMAGE: &str = "registry.test/siamese-uninlu:0123456789abcdef";

/// This repository's small model.
fn model() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/demo-model"))
}

fn stack(model: &str, more: &str) -> Stack {
    let text = format!(
        "name = \"siamese-uninlu\"\nnamespace = \"nlu\"\n[cluster]\ncontext = \"none\"\n[image]\nrepository = \"registry.test/siamese-uninlu\"\n[model]\nsource = {model}\n{more}"
    );
    stack::parse(&text, Path::new("/stack/uninlu.toml"), None).expect("a valid stack")
}

fn in_image() -> String {
    format!("{{ image = \"{}\" }}", model().display())
}

/// As text, with this repository's folder under one name.
fn told(spec: &Spec) -> String {
    format!("{spec:#?}").replace(env!("CARGO_MANIFEST_DIR"), "REPOSITORY")
}

#[test]
fn a_pod_with_its_model_in_the_image() {
    let stack = stack(&in_image(), "");
    let spec = pod::container(&stack, IMAGE, None).expect("a container");
    insta::assert_snapshot!(told(&spec));
}

#[test]
fn a_pod_with_everything_that_a_container_can_show() {
    let more = "mount = \"/models/uninlu\"\nwarmup = \"预热\"\n[server]\nmax-length = 512\n[engine]\nprecision = \"int8\"\n[resources]\ncpu = { limit = \"1500m\" }\nmemory = { limit = \"3Gi\" }\n[access]\napi-key = { secret = \"keys\", key = \"nlu\" }\n[tracing]\nendpoint = \"http://collector:4318\"\n";
    let stack = stack("{ pvc = \"models\", path = \"uninlu\" }", more);
    let spec = pod::container(&stack, IMAGE, Some(model())).expect("a container");
    insta::assert_snapshot!(told(&spec));
}

/// One port of the container is published, so everything is answered there.
#[test]
fn a_rehearsal_asks_its_probes_where_it_asks_everything() {
    let with = stack(&in_image(), "[service]\nmanagement-port = 9090\n");
    let without = stack(&in_image(), "");
    let [with, without] = [with, without]
        .map(|stack| told(&pod::container(&stack, IMAGE, None).expect("a container")));
    assert_eq!(with, without);
}

#[test]
fn what_cannot_be_run_here_is_told_with_its_mend() {
    let gpu = "[engine]\ngpus = 1\n";
    let (claim, host) = ("{ pvc = \"models\" }", "{ host-path = \"/nowhere/model\" }");
    let cases = [
        pod::container(&stack(claim, ""), IMAGE, None),
        pod::container(&stack(claim, ""), IMAGE, Some(Path::new("/nowhere"))),
        pod::container(&stack(host, ""), IMAGE, None),
        pod::container(&stack(&in_image(), ""), IMAGE, Some(model())),
        pod::container(&stack(claim, gpu), IMAGE, Some(model())),
    ];
    let told = cases.map(|case| {
        let error: Error = case.expect_err("it cannot be run");
        format!("{:?}", miette::Report::new(error))
    });
    insta::assert_snapshot!(told.join("\n"));
}
