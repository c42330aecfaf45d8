//! What a real registry has under the tag of a build's inputs: ours, somebody else's, or nothing. No engine is needed;
//! images are pushed by the registry's client.

use oci_client::Reference;
use oci_client::client::{Client, ClientConfig, ClientProtocol, Config, ImageLayer};
use oci_client::manifest::{ImageIndexEntry, OciImageIndex, OciManifest, Platform};
use oci_client::secrets::RegistryAuth;
use serde_json::{Value, json};
use uninlu::image::{self, Error, Inputs, Resolved};

use super::support::{Project, Registry};

/// Docker builds write it.
const LABEL: &str = "dev.uninlu.inputs";

fn client() -> Client {
    image::install_crypto_provider();
    Client::new(ClientConfig {
        protocol: ClientProtocol::Http,
        ..ClientConfig::default()
    })
}

/// Pushes an image with these labels under that reference; gives its manifest's digest and size.
async fn push(reference: &str, labels: Value) -> (String, i64) {
    let reference: Reference = reference.parse().expect("a reference");
    let config = json!({ "architecture": "amd64", "os": "linux", "config": { "Labels": labels },
        "rootfs": { "type": "layers", "diff_ids": [] } });
    let config = Config::oci_v1(config.to_string().into_bytes(), None);
    let layer = ImageLayer::oci_v1(b"layer".to_vec(), None);
    let client = client();
    let auth = RegistryAuth::Anonymous;
    let pushed = client.push(&reference, &[layer], config, &auth, None).await;
    pushed.expect("the registry takes it");
    let (manifest, digest) = client
        .pull_manifest_raw(
            &reference,
            &auth,
            &["application/vnd.oci.image.manifest.v1+json"],
        )
        .await
        .expect("it has it now");
    (digest, i64::try_from(manifest.len()).expect("small"))
}

/// Pushes an index of that one manifest, as engines that attest their builds do.
async fn push_index(reference: &str, (digest, size): (String, i64), architecture: &str) {
    let platform = json!({ "architecture": architecture, "os": "linux" });
    let platform: Platform = serde_json::from_value(platform).expect("a platform");
    let entry = ImageIndexEntry {
        media_type: "application/vnd.oci.image.manifest.v1+json".into(),
        digest,
        size,
        platform: Some(platform),
        annotations: None,
        artifact_type: None,
    };
    let index = OciImageIndex {
        schema_version: 2,
        media_type: Some("application/vnd.oci.image.index.v1+json".into()),
        manifests: vec![entry],
        annotations: None,
        artifact_type: None,
    };
    let reference: Reference = reference.parse().expect("a reference");
    let (client, index) = (client(), OciManifest::ImageIndex(index));
    let pushed = client.push_manifest(&reference, &index).await;
    pushed.expect("the registry takes it");
}

fn project(registry: &Registry) -> (Project, Inputs) {
    let repository = format!("{}/ai/tiny", registry.host);
    let dockerfile = "FROM scratch AS server\nCOPY Dockerfile /\n";
    let project = Project::new(&repository, "", dockerfile);
    let inputs = project.inputs();
    (project, inputs)
}

#[tokio::test]
#[ignore = "needs docker-registry: make test-image"]
async fn an_image_of_these_inputs_is_pinned() {
    let registry = Registry::open();
    let (project, inputs) = project(&registry);
    let (before, _) = image::resolve(&project.stack()).await.expect("it answers");
    assert!(matches!(before, Resolved::ToBeBuilt { .. }), "{before:?}");
    let (digest, size) = push(&inputs.reference(), json!({ LABEL: inputs.digest })).await;
    let pinned = image::registered(&inputs).await.expect("it is ours");
    assert_eq!(pinned, Some(format!("{}@{digest}", inputs.repository)));
    push_index(&inputs.reference(), (digest.clone(), size), "amd64").await;
    let pinned = image::registered(&inputs).await.expect("it is ours");
    let pinned = pinned.expect("it is there");
    assert!(!pinned.ends_with(&digest), "the index is pinned: {pinned}");
}

/// The image is ours, and its server is older than a setting that the stack writes.
#[tokio::test]
#[ignore = "needs docker-registry: make test-image"]
async fn a_setting_that_the_image_does_not_know_is_refused_by_name() {
    let registry = Registry::open();
    let repository = format!("{}/ai/tiny", registry.host);
    let dockerfile = "FROM scratch AS server\nCOPY Dockerfile /\n";
    let project = Project::new(&repository, "[server]\nmax-work = \"2s\"\n", dockerfile);
    let inputs = project.inputs();
    let push = async |settings: &str| {
        let labels = json!({ LABEL: inputs.digest, uninlu_settings::image::LABEL: settings });
        push(&inputs.reference(), labels).await
    };
    push("max-length batch-tokens").await;
    let error = image::resolve(&project.stack()).await;
    let told = error.expect_err("it does not know max-work").to_string();
    assert!(told.contains("does not know `[server] max-work`"), "{told}");
    push("max-length batch-tokens max-work").await;
    let (resolved, _) = image::resolve(&project.stack()).await.expect("it knows it");
    assert!(matches!(resolved, Resolved::Pinned { .. }), "{resolved:?}");
}

/// Somebody pushed another image under our tag: with the label of other inputs, that begins alike, with none, with an
/// empty one, and for another platform only.
#[tokio::test]
#[ignore = "needs docker-registry: make test-image"]
async fn another_image_under_our_tag_is_refused_by_name() {
    let registry = Registry::open();
    let (project, inputs) = project(&registry);
    let reference = inputs.reference();
    let alike = format!("{}{}", inputs.tag, "0".repeat(48));
    let others = [
        json!({ LABEL: "0123" }),
        json!({ LABEL: alike }),
        json!({ LABEL: "" }),
        json!({ "other": inputs.digest }),
        Value::Null,
    ];
    for labels in others {
        push(&reference, labels.clone()).await;
        let error = image::resolve(&project.stack()).await;
        let error = error.expect_err("another image");
        assert!(
            matches!(error, Error::Foreign { .. }),
            "{labels}: {error:?}"
        );
        let told = format!("{:?}", miette::Report::new(error));
        let told = told.split_whitespace().collect::<String>();
        assert!(told.contains(&reference), "{labels}: {told}");
        let said = project.fails(&["--push"]);
        assert!(said.contains("another image"), "{labels}: {said}");
    }
    let ours = push(&reference, json!({ LABEL: inputs.digest })).await;
    push_index(&reference, ours, "arm64").await;
    let error = image::registered(&inputs).await;
    error.expect_err("there is nothing for the platform that is built");
}
