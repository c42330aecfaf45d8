//! The tag is the digest of what decides about the image, and of nothing else.

use std::os::unix::fs::{PermissionsExt, chown};
use std::time::{Duration, SystemTime};

use super::support::Project;

const REPOSITORY: &str = "registry.example.com/ai/tiny";

fn project() -> Project {
    let project = Project::new(REPOSITORY, "", "FROM scratch AS server\n");
    project.write("src/main.rs", "fn main() {}");
    project
}

/// The digest after a change differs from the one before.
fn changes(what: &str, change: impl FnOnce(&Project)) {
    let project = project();
    let before = project.inputs().digest;
    change(&project);
    assert_ne!(project.inputs().digest, before, "{what} changes the image");
}

/// The digest after a change is the one before.
fn keeps(what: &str, change: impl FnOnce(&Project)) {
    let project = project();
    let before = project.inputs().digest;
    change(&project);
    assert_eq!(
        project.inputs().digest,
        before,
        "{what} does not change the image"
    );
}

#[test]
fn the_tag_is_the_digests_beginning() {
    let inputs = project().inputs();
    assert_eq!(inputs.tag, inputs.digest[..16]);
    assert_eq!(inputs.reference(), format!("{REPOSITORY}:{}", inputs.tag));
}

#[test]
fn two_equal_folders_have_one_digest() {
    assert_eq!(project().inputs().digest, project().inputs().digest);
}

#[test]
fn what_decides_about_the_image_changes_the_digest() {
    changes("a file's content", |project| {
        project.write("src/main.rs", "fn main() { }");
    });
    changes("a file's name", |project| {
        let src = project.path().join("src");
        std::fs::rename(src.join("main.rs"), src.join("lib.rs")).expect("renamed");
    });
    changes("the executable bit", |project| {
        let file = project.path().join("src/main.rs");
        std::fs::set_permissions(file, PermissionsExt::from_mode(0o755)).expect("mode");
    });
    changes("an empty folder", |project| {
        std::fs::create_dir(project.path().join("empty")).expect("a folder");
    });
    changes("the Dockerfile", |project| {
        project.write("Dockerfile", "FROM scratch AS server\nLABEL a=b\n");
    });
    // The stack file would be part of the context, were it not ignored.
    for image in ["target = \"other\"", "args = { COLOUR = \"red\" }"] {
        let project = project();
        project.write(".dockerignore", "uninlu.toml");
        let before = project.inputs().digest;
        project.write_stack(REPOSITORY, image, "{ pvc = \"models\" }");
        assert_ne!(
            project.inputs().digest,
            before,
            "`{image}` changes the image"
        );
    }
}

#[test]
fn the_model_in_the_image_changes_the_digest_and_the_default_target() {
    let project = project();
    project.write(".dockerignore", "uninlu.toml\nmodel");
    let without = project.inputs().digest;
    for file in ["config.json", "vocab.txt", "model.safetensors"] {
        project.write(&format!("model/{file}"), "{}");
    }
    project.write_stack(REPOSITORY, "", "{ image = \"model\" }");
    let with = project.inputs().digest;
    assert_ne!(with, without, "the model is a layer of the image");
    project.write("model/vocab.txt", "other");
    assert_ne!(project.inputs().digest, with, "the model's content counts");
}

#[test]
fn what_a_fresh_clone_may_differ_in_keeps_the_digest() {
    keeps("a file's time", |project| {
        let file = std::fs::File::open(project.path().join("src/main.rs")).expect("a file");
        let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
        file.set_modified(old).expect("a time");
    });
    keeps("a mode without the executable bit", |project| {
        let file = project.path().join("src/main.rs");
        std::fs::set_permissions(file, PermissionsExt::from_mode(0o600)).expect("mode");
    });
    keeps("the order in which files were made", |project| {
        let src = project.path().join("src");
        std::fs::remove_dir_all(&src).expect("removed");
        std::fs::remove_file(project.path().join("Dockerfile")).expect("removed");
        project.write("src/main.rs", "fn main() {}");
        project.write("Dockerfile", "FROM scratch AS server\n");
    });
    keeps("the owner, where this user may change it", |project| {
        let _ = chown(project.path().join("src/main.rs"), Some(1234), Some(1234));
    });
}

#[test]
fn certificates_open_the_way_but_are_no_input() {
    let project = project();
    project.write(".dockerignore", "uninlu.toml\n*.pem");
    let before = project.inputs().digest;
    project.write("company.pem", "-----BEGIN CERTIFICATE-----\n");
    project.write_stack(
        REPOSITORY,
        "ca-certificates = [\"company.pem\"]",
        "{ pvc = \"models\" }",
    );
    assert_eq!(project.inputs().digest, before);
}

/// Pins the canonical stream: whoever changes it makes every user build again, and must raise its version.
#[test]
fn the_digest_of_a_known_recipe_stays() {
    let recipe = uninlu::image::digest::Recipe {
        platform: "linux/amd64",
        dockerfile: "Dockerfile".to_owned(),
        target: "server".to_owned(),
        args: [("COLOUR".to_owned(), "red".to_owned())].into(),
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join("Dockerfile"), "FROM scratch\n").expect("a file");
    let entries = uninlu::image::context::walk(folder.path(), "Dockerfile").expect("a context");
    insta::assert_snapshot!(uninlu::image::digest::digest(&recipe, &entries));
}
