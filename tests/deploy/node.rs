//! Rollouts that fail on a real node: the wait ends with the reason and its mend, and not with the deadline.

use std::process::Command;

use oci_client::Reference;
use oci_client::client::{Client, ClientConfig, ClientProtocol, Config, ImageLayer};
use oci_client::secrets::RegistryAuth;
use serde_json::json;
use tempfile::TempDir;
use tokio::sync::Mutex;

use crate::sandbox::{CONTEXT, NAME, Sandbox, assert_error};

const SMALL: &str =
    "[resources]\ncpu = { request = \"10m\" }\nmemory = { request = \"32Mi\", limit = \"64Mi\" }";

#[tokio::test]
#[ignore = "needs the embedded node: make test-node"]
async fn a_server_that_crashes_is_told_with_its_last_words() {
    let sandbox = Sandbox::new("crash").await;
    sandbox.write_stack(&misbehaving("crash").await, "/tmp", SMALL);
    assert_error!(sandbox.run(&["apply", "--yes"]).await, sandbox);
}

#[tokio::test]
#[ignore = "needs the embedded node: make test-node"]
async fn a_server_that_needs_more_memory_than_its_limit() {
    let sandbox = Sandbox::new("out-of-memory").await;
    sandbox.write_stack(&misbehaving("eat").await, "/tmp", SMALL);
    assert_error!(sandbox.run(&["apply", "--yes"]).await, sandbox);
}

#[tokio::test]
#[ignore = "needs the embedded node: make test-node"]
async fn a_server_that_does_not_get_ready_within_its_startup_budget() {
    let sandbox = Sandbox::new("unready").await;
    let probes = "[probes]\nstartup = { period = \"1s\", budget = \"3s\" }";
    let sections = format!("{SMALL}\n{probes}");
    sandbox.write_stack(&misbehaving("stay-unready").await, "/tmp", &sections);
    assert_error!(sandbox.run(&["apply", "--yes"]).await, sandbox);
}

#[tokio::test]
#[ignore = "needs the embedded node: make test-node"]
async fn an_image_that_the_registry_does_not_have() {
    let sandbox = Sandbox::new("no-image").await;
    let digest = "0".repeat(64);
    sandbox.write_stack(
        &format!("{}/none@sha256:{digest}", registry()),
        "/tmp",
        SMALL,
    );
    assert_error!(sandbox.run(&["apply", "--yes"]).await, sandbox);
}

#[tokio::test]
#[ignore = "needs the embedded node: make test-node"]
async fn a_pod_that_is_too_large_for_the_node() {
    let sandbox = Sandbox::new("too-large").await;
    let sections = "[rollout]\nwait-for-nodes = \"0s\"\n[resources]\ncpu = { request = \"4000\" }";
    sandbox.write_stack(&misbehaving("crash").await, "/tmp", sections);
    let run = sandbox.run(&["apply", "--yes", "--even-if-stuck"]).await;
    assert_error!(run, sandbox);
}

#[tokio::test]
#[ignore = "needs the embedded node: make test-node"]
async fn a_model_folder_that_the_node_does_not_have() {
    let sandbox = Sandbox::new("no-model").await;
    sandbox.write_stack(&misbehaving("crash").await, "/srv/no-such-model", SMALL);
    assert_error!(sandbox.run(&["apply", "--yes"]).await, sandbox);
}

impl Sandbox {
    fn write_stack(&self, image: &str, model: &str, sections: &str) {
        let namespace = &self.namespace;
        self.write_verbatim(&format!(
            r#"name = "{NAME}"
namespace = "{namespace}"
replicas = 1
[cluster]
context = "{CONTEXT}"
create-namespace = true
[image]
reference = "{image}"
[model]
source = {{ host-path = "{model}" }}
{sections}
"#
        ));
    }
}

fn registry() -> String {
    std::env::var("UNINLU_TEST_REGISTRY")
        .expect("UNINLU_TEST_REGISTRY is not set: these tests need a node, run `make test-node`")
}

/// One push at a time: the registry rewrites a blob's link in place, and a second push of the same layer could read it
/// half-written.
static PUSHING: Mutex<()> = Mutex::const_new(());

/// Pushes an image whose server fails in that way; its reference by digest.
async fn misbehaving(way: &str) -> String {
    let _alone = PUSHING.lock().await;
    let repository = format!("{}/misbehave", registry());
    let image: Reference = format!("{repository}:{way}").parse().expect("a reference");
    let client = Client::new(ClientConfig {
        protocol: ClientProtocol::Http,
        ..Default::default()
    });
    let layer = ImageLayer::oci_v1(layer(), None);
    let diff = layer.sha256_digest();
    let config = json!({ "architecture": "amd64", "os": "linux",
        "config": { "Entrypoint": ["/misbehave", way] }, "rootfs": { "type": "layers", "diff_ids": [diff] } });
    let config = Config::oci_v1(config.to_string().into_bytes(), None);
    let auth = RegistryAuth::Anonymous;
    client
        .push(&image, &[layer], config, &auth, None)
        .await
        .expect("the embedded registry takes every image");
    let digest = client.fetch_manifest_digest(&image, &auth).await;
    format!("{repository}@{}", digest.expect("it was just pushed"))
}

/// One static program, and nothing else.
fn layer() -> Vec<u8> {
    let folder = TempDir::new().expect("a temporary folder");
    let program = folder.path().join("misbehave");
    let source = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/deploy/misbehave/main.go"
    );
    let built = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cluster/go"))
        .args(["build", "-trimpath", "-o"])
        .arg(&program)
        .arg(source)
        .env("CGO_ENABLED", "0")
        .status()
        .expect("the script that built the embedded cluster");
    assert!(built.success(), "{source} cannot be built");
    let mut layer = tar::Builder::new(Vec::new());
    layer
        .append_path_with_name(&program, "misbehave")
        .and_then(|()| layer.into_inner())
        .expect("a file that was just built is readable")
}
