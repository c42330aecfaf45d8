//! The archive on its way to the engine.

use std::os::unix::fs::symlink;

use uninlu::image::Error;
use uninlu::image::archive::{Broken, write};
use uninlu::image::context::walk;

const NOW: u64 = 1_700_000_000;

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join("Dockerfile"), "FROM scratch\n").expect("a file");
    let deep = format!("{}/{}", "a".repeat(120), "b".repeat(120));
    std::fs::create_dir_all(folder.path().join(&deep)).expect("a folder");
    std::fs::write(folder.path().join(&deep).join("long.txt"), "long").expect("a file");
    symlink("Dockerfile", folder.path().join("link")).expect("a link");
    folder
}

fn bytes(folder: &std::path::Path) -> Vec<u8> {
    let entries = walk(folder, "Dockerfile").expect("a context");
    let mut bytes = Vec::new();
    write(&entries, NOW, &mut bytes).expect("an archive");
    bytes
}

#[test]
fn equal_folders_give_equal_bytes() {
    assert!(
        bytes(folder().path()) == bytes(folder().path()),
        "the headers hold nothing of the machine"
    );
}

#[test]
fn headers_are_normalised() {
    let bytes = bytes(folder().path());
    let mut archive = tar::Archive::new(bytes.as_slice());
    let mut lines = Vec::new();
    for entry in archive.entries().expect("an archive") {
        let entry = entry.expect("an entry");
        let header = entry.header();
        let path = entry.path().expect("a path").display().to_string();
        lines.push(format!(
            "{:?} {:o} {}:{} {} {}",
            header.entry_type(),
            header.mode().expect("a mode"),
            header.uid().expect("an owner"),
            header.gid().expect("a group"),
            header.mtime().expect("a time"),
            path.replace(&"a".repeat(120), "A")
                .replace(&"b".repeat(120), "B"),
        ));
    }
    insta::assert_snapshot!(lines.join("\n"), @r"
    Regular 644 0:0 1700000000 Dockerfile
    Directory 755 0:0 1700000000 A/
    Directory 755 0:0 1700000000 A/B/
    Regular 644 0:0 1700000000 A/B/long.txt
    Symlink 777 0:0 1700000000 link
    ");
}

#[test]
fn a_file_that_changed_since_it_was_hashed_breaks_the_archive() {
    for changed in ["FROM scratch \n", "FROM", "EVIL scratch\n"] {
        let folder = folder();
        let entries = walk(folder.path(), "Dockerfile").expect("a context");
        std::fs::write(folder.path().join("Dockerfile"), changed).expect("a file");
        let broken = write(&entries, NOW, Vec::new()).expect_err("the content is another one");
        assert!(
            matches!(&broken, Broken::Source(Error::Changed { path }) if path.ends_with("Dockerfile")),
            "`{changed}`: {broken:?}"
        );
    }
}

#[test]
fn a_reader_that_goes_away_is_not_a_fault_of_the_files() {
    struct Full;
    impl std::io::Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let folder = folder();
    let entries = walk(folder.path(), "Dockerfile").expect("a context");
    let broken = write(&entries, NOW, Full).expect_err("nobody reads");
    assert!(matches!(broken, Broken::Sink(_)), "{broken:?}");
}
