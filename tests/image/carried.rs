//! The server's sources in the tool are those of the repository that it was built from.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use uninlu::image::archive;
use uninlu::image::carried;
use uninlu::image::context::{self, Content, Entry};
use uninlu::image::ignore::Ignore;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn repository() -> Vec<Entry> {
    context::walk(root(), carried::DOCKERFILE).expect("the repository can be built")
}

fn bytes(entries: &[Entry]) -> Vec<u8> {
    let mut bytes = Vec::new();
    archive::write(entries, 1_700_000_000, &mut bytes).expect("an archive");
    bytes
}

fn files(entries: &[Entry]) -> BTreeSet<&str> {
    let is_file = |entry: &&Entry| !matches!(entry.content, Content::Folder);
    let files = entries.iter().filter(is_file);
    files.map(|entry| entry.path.as_str()).collect()
}

#[test]
fn the_engine_gets_the_same_bytes_as_from_the_repository() {
    let (carried, repository) = (carried::entries(), repository());
    assert_eq!(
        files(&carried),
        files(&repository),
        "fix: build.rs and .dockerignore must name the same files"
    );
    assert!(bytes(&carried) == bytes(&repository));
}

/// The digests that the build script wrote down are the tag; they must be those of what is sent.
#[test]
fn a_stack_in_an_empty_folder_has_the_tag_of_the_repository() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let inputs = |context: &str| {
        let file = folder.path().join("uninlu.toml");
        let stack = format!(
            "name = \"a\"\nnamespace = \"a\"\ncluster.context = \"a\"\nmodel.source = {{ pvc = \"a\" }}\n[image]\nrepository = \"a.example/a\"\n{context}"
        );
        std::fs::write(&file, stack).expect("a file");
        let stack = uninlu::stack::load(&file, None).expect("a valid stack");
        uninlu::image::inputs(&stack).expect("a context")
    };
    let carried = inputs("");
    let own = inputs(&format!("context = \"{}\"", root().display()));
    assert_eq!(carried.digest, own.digest);
    assert_eq!(carried.size(), own.size());
}

#[test]
fn what_is_carried_is_what_git_has() {
    let listed = Command::new("git")
        .arg("-C")
        .arg(root())
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .output()
        .expect("git is installed");
    assert!(listed.status.success(), "the tests run in a checkout");
    let listed = String::from_utf8(listed.stdout).expect("UTF-8");
    let ignore = std::fs::read_to_string(root().join(".dockerignore")).expect("a file");
    let ignore = Ignore::parse(&ignore).expect("valid patterns");
    let is_sent = |path: &&str| *path == carried::DOCKERFILE || !ignore.excludes(path);
    let there = |path: &&str| root().join(path).is_file();
    let sent: BTreeSet<&str> = listed
        .split_terminator('\0')
        .filter(is_sent)
        .filter(there)
        .collect();
    assert_eq!(files(&carried::entries()), sent);
}

/// Whether a COPY of that file or folder takes the path.
fn takes(pattern: &str, path: &str) -> bool {
    let pattern = pattern.trim_end_matches('/');
    let folders = path.match_indices('/').map(|(end, _)| &path[..end]);
    folders.chain([path]).any(|path| path == pattern)
}

#[test]
fn all_that_the_dockerfile_copies_is_carried() {
    let dockerfile = std::fs::read_to_string(root().join("Dockerfile")).expect("a file");
    let copies = dockerfile
        .lines()
        .filter_map(|line| line.strip_prefix("COPY "));
    let own = copies.filter(|words| !words.starts_with("--from"));
    let sources = own.flat_map(|words| {
        let words: Vec<&str> = words.split_whitespace().collect();
        words[..words.len() - 1].to_vec()
    });
    // What the stack file adds lies below the tool's own folder.
    let sources: BTreeSet<&str> = sources.filter(|it| !it.starts_with(".uninlu")).collect();
    assert!(sources.len() >= 5, "{sources:?}");
    let carried = carried::entries();
    let files = files(&carried);
    for source in sources {
        let is_carried = files.iter().any(|path| takes(source, path));
        assert!(is_carried, "COPY {source}: the tool does not carry it");
    }
    for script in ["server/image", "server/libtorch"] {
        let entry = carried.iter().find(|entry| entry.path == script);
        let content = entry.map(|entry| &entry.content);
        assert!(
            matches!(content, Some(Content::File(file)) if file.executable),
            "{script} is a program"
        );
    }
}
