//! What is sent to the engine.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use uninlu::image::context::{self, Content, Entry};

fn write(folder: &Path, path: &str, text: &str) {
    let path = folder.join(path);
    std::fs::create_dir_all(path.parent().expect("below the folder")).expect("a folder");
    std::fs::write(path, text).expect("a file");
}

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (path, text) in files {
        write(folder.path(), path, text);
    }
    folder
}

/// One line an entry: kind, path, and what a link points to.
fn listing(entries: &[Entry]) -> String {
    let line = |entry: &Entry| match &entry.content {
        Content::Folder => format!("folder  {}", entry.path),
        Content::Link { target } => format!("link    {} -> {target}", entry.path),
        Content::File(file) if file.executable => format!("program {}", entry.path),
        Content::File(_) => format!("file    {}", entry.path),
    };
    entries.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn walked(folder: &Path) -> String {
    listing(&context::walk(folder, "Dockerfile").expect("a readable context"))
}

/// What a person reads of an error: the message, then the help.
fn told(error: &uninlu::image::Error, folder: &Path) -> String {
    use miette::Diagnostic;
    let help = error
        .help()
        .map(|help| help.to_string())
        .unwrap_or_default();
    format!("{error}\nhelp: {help}").replace(&folder.display().to_string(), "FOLDER")
}

#[test]
fn files_folders_links_and_the_executable_bit_are_kept_in_order() {
    let folder = folder(&[
        ("Dockerfile", "FROM scratch"),
        ("b/z.txt", "z"),
        ("b.txt", "b"),
        ("a/run.sh", "#!"),
    ]);
    let root = folder.path();
    std::fs::set_permissions(root.join("a/run.sh"), PermissionsExt::from_mode(0o700))
        .expect("mode");
    std::fs::create_dir(root.join("empty")).expect("a folder");
    symlink("../b.txt", root.join("b/link")).expect("a link");
    symlink("nowhere/at/build/time", root.join("dangling")).expect("a link");
    insta::assert_snapshot!(walked(root), @r"
    file    Dockerfile
    folder  a
    program a/run.sh
    folder  b
    file    b.txt
    link    b/link -> ../b.txt
    file    b/z.txt
    link    dangling -> nowhere/at/build/time
    folder  empty
    ");
}

#[test]
fn dockerignore_leaves_out_but_never_the_dockerfile() {
    let folder = folder(&[
        ("Dockerfile", "FROM scratch"),
        (".dockerignore", "*\n!src\nsrc/**/*.log\n"),
        ("src/main.rs", ""),
        ("src/deep/build.log", ""),
        ("target/debug/x", ""),
        ("README.md", ""),
    ]);
    insta::assert_snapshot!(walked(folder.path()), @r"
    file    Dockerfile
    folder  src
    folder  src/deep
    file    src/main.rs
    ");
}

#[test]
fn an_ignore_file_named_after_the_dockerfile_comes_first() {
    let folder = folder(&[
        ("docker/Dockerfile", "FROM scratch"),
        ("docker/Dockerfile.dockerignore", "*\n!kept.txt\n"),
        (".dockerignore", "kept.txt\n"),
        ("kept.txt", ""),
        ("other.txt", ""),
    ]);
    let entries = context::walk(folder.path(), "docker/Dockerfile").expect("a readable context");
    insta::assert_snapshot!(listing(&entries), @r"
    folder  docker
    file    docker/Dockerfile
    file    kept.txt
    ");
}

#[test]
fn the_reserved_folder_is_the_tools_own() {
    let folder = folder(&[
        ("Dockerfile", "FROM scratch"),
        (".uninlu/model/config.json", "left over by hand"),
    ]);
    assert_eq!(walked(folder.path()), "file    Dockerfile");
}

#[test]
fn the_model_goes_to_its_reserved_folder_without_hidden_files() {
    let folder = folder(&[
        ("model/config.json", "{}"),
        ("model/vocab.txt", "v"),
        ("model/weights/one", "w"),
        ("model/.git/objects/copy", "w"),
    ]);
    let model = folder.path().join("model");
    symlink("weights/one", model.join("pytorch_model.bin")).expect("a link");
    let entries = context::walk_model(&model).expect("a model");
    insta::assert_snapshot!(listing(&entries), @r"
    folder  .uninlu
    folder  .uninlu/model
    file    .uninlu/model/config.json
    file    .uninlu/model/pytorch_model.bin
    file    .uninlu/model/vocab.txt
    folder  .uninlu/model/weights
    file    .uninlu/model/weights/one
    ");
}

/// A snapshot of Hugging Face's cache, by its path and by a link to it.
#[test]
fn a_download_caches_snapshot_is_a_model() {
    let cache = folder(&[
        ("hub/models--o--n/blobs/c0", "{}"),
        ("hub/models--o--n/blobs/e0", "v"),
        ("hub/models--o--n/blobs/d0", "w"),
        ("hub/models--o--n/snapshots/abc/README.md", ""),
        ("hub/models--o--n/snapshots/abc/sub/README.md", ""),
    ]);
    let snapshot = cache.path().join("hub/models--o--n/snapshots/abc");
    for (blob, file) in [
        ("../../blobs/c0", "config.json"),
        ("../../blobs/e0", "vocab.txt"),
        ("../../blobs/d0", "model.safetensors"),
        ("../../../blobs/c0", "sub/config.json"),
    ] {
        symlink(blob, snapshot.join(file)).expect("a link");
    }
    let named = cache.path().join("model");
    symlink(&snapshot, &named).expect("a link");
    for model in [snapshot, named] {
        let entries = context::walk_model(&model).expect("a model");
        assert_eq!(entries.iter().filter(|entry| entry.size() > 0).count(), 4);
    }
}

#[test]
fn links_that_lead_out_are_refused_with_their_names() {
    let folder = folder(&[
        ("model/config.json", "{}"),
        ("model/vocab.txt", "v"),
        ("outside/weights", "w"),
        ("outside/deep/key", "k"),
        ("context/Dockerfile", "FROM scratch"),
        ("context/.dockerignore", "ignored\n"),
        ("cache/models--o--n/snapshots/abc/config.json", "{}"),
        ("cache/models--o--n/snapshots/abc/vocab.txt", "v"),
    ]);
    let root = folder.path();
    let link = |target: &str, path: &str| symlink(target, root.join(path)).expect("a link");
    link("../outside/weights", "model/pytorch_model.bin");
    link("../outside/deep", "model/extra");
    link("/etc/hostname", "model/notes.txt");
    link("config.json", "model/same.json");
    link("/etc/passwd", "context/users");
    link("../outside", "context/more");
    link("/etc/passwd", "context/ignored");
    link("Dockerfile", "context/same");
    // What calls itself a cache does not lead out of itself.
    let cache = "cache/models--o--n";
    link("../../outside/deep", &format!("{cache}/blobs"));
    link(
        "../../blobs/key",
        &format!("{cache}/snapshots/abc/model.safetensors"),
    );
    write(root, "ignoring/Dockerfile", "FROM scratch");
    write(root, "outside/list", "[secret\n");
    link("../outside/list", "ignoring/.dockerignore");
    let faults = [
        context::walk_model(&root.join("model")).expect_err("three links lead out"),
        context::walk_model(&root.join(cache).join("snapshots/abc")).expect_err("no blob"),
        context::walk(&root.join("context"), "Dockerfile").expect_err("two links lead out"),
        context::walk(&root.join("ignoring"), "Dockerfile").expect_err("it is a list of others"),
    ];
    let told: Vec<String> = faults.iter().map(|fault| told(fault, root)).collect();
    insta::assert_snapshot!(told.join("\n\n"));
}

#[test]
fn certificates_keep_the_order_of_the_stack_file() {
    let pem = "-----BEGIN CERTIFICATE-----\n";
    let folder = folder(&[("z.pem", pem), ("a.crt", pem)]);
    let files = ["z.pem", "a.crt"].map(|name| folder.path().join(name));
    let entries = context::certificates(&files).expect("two certificates");
    insta::assert_snapshot!(listing(&entries), @r"
    folder  .uninlu
    folder  .uninlu/ca-certificates
    file    .uninlu/ca-certificates/000-z.crt
    file    .uninlu/ca-certificates/001-a.crt
    ");
}

#[test]
fn each_fault_of_the_files_tells_its_place_and_its_mend() {
    let folder = folder(&[
        ("context/.dockerignore", "target\n[broken\n"),
        ("context/Dockerfile", "FROM scratch"),
        ("model/config.json", "{}"),
        ("no.pem", "not a certificate"),
        ("linked/config.json", "{}"),
        ("linked/vocab.txt", "{}"),
        ("linked/model.safetensors", "{}"),
    ]);
    let root = folder.path();
    symlink("gone", root.join("linked/notes.md")).expect("a link");
    let faults = [
        context::walk(&root.join("context"), "Dockerfile").expect_err("a bad pattern"),
        context::walk(&root.join("context"), "docker/Dockerfile").expect_err("no Dockerfile"),
        context::walk(&root.join("context"), "../Dockerfile").expect_err("outside of the context"),
        context::walk_model(&root.join("model")).expect_err("no vocabulary, no weights"),
        context::walk_model(&root.join("linked")).expect_err("a link to nothing"),
        context::certificates(&[root.join("no.pem")]).expect_err("no certificate"),
        context::certificates(&[root.join("gone.pem")]).expect_err("no file"),
    ];
    let told: Vec<String> = faults.iter().map(|fault| told(fault, root)).collect();
    insta::assert_snapshot!(told.join("\n\n"));
}

#[test]
fn a_surprisingly_large_context_names_its_largest_files() {
    let folder = folder(&[("Dockerfile", "FROM scratch"), ("small.txt", "s")]);
    let large = std::fs::File::create(folder.path().join("forgotten.bin")).expect("a file");
    large.set_len(120_000_000).expect("a sparse file");
    let entries = context::walk(folder.path(), "Dockerfile").expect("a readable context");
    insta::assert_snapshot!(
        context::surprise(&entries).expect("it is large"),
        @"the build context has 120.0 MB; the largest files are forgotten.bin (120.0 MB), Dockerfile (12 B), small.txt (1 B). What the build does not need belongs into .dockerignore"
    );
}

/// The tool reads the label before it deploys a setting (`src/image/mod.rs`).
#[test]
fn the_dockerfile_names_the_settings_that_the_server_knows() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("Dockerfile");
    let dockerfile = std::fs::read_to_string(file).expect("the Dockerfile");
    let (name, settings) = (
        uninlu_settings::image::LABEL,
        uninlu_settings::image::label(),
    );
    let label = format!("LABEL {name}=\"{settings}\"\n");
    assert!(
        dockerfile.contains(&label),
        "fix: the Dockerfile needs {label}"
    );
}
