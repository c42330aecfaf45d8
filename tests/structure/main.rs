//! How the project is cut: its crates, what they depend on, and files that use each other in no circle.

mod graph;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use graph::{Crate, circles};

/// What reads, writes, talks or waits: no crate below `crates/` may depend on it.
const FORBIDDEN: [&str; 16] = [
    "anstream",
    "async-std",
    "bollard",
    "futures",
    "hyper",
    "hyper-util",
    "indicatif",
    "kube",
    "kube-client",
    "kube-runtime",
    "oci-client",
    "reqwest",
    "tempfile",
    "tokio",
    "tower",
    "walkdir",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// Folders below `crates/`, by name.
fn pure_crates() -> BTreeSet<String> {
    let folders = fs::read_dir(root().join("crates")).expect("the folder of the crates");
    let folders = folders.map(|entry| entry.expect("an entry").path());
    folders
        .filter(|path| path.join("Cargo.toml").is_file())
        .filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()))
        .collect()
}

fn manifest(name: &str) -> toml::Table {
    let file = root().join("crates").join(name).join("Cargo.toml");
    read(&file).parse().expect("a manifest")
}

fn sources_of(source: &Path) -> Vec<PathBuf> {
    let entries = walkdir::WalkDir::new(source).sort_by_file_name();
    let files = entries.into_iter().map(|entry| entry.expect("readable"));
    files
        .map(walkdir::DirEntry::into_path)
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}

/// The crate in that folder of the project.
fn graph_of(folder: &str) -> Crate {
    let source = root().join(folder);
    let mut files = Crate::default();
    for file in sources_of(&source) {
        let below = file.strip_prefix(&source).expect("it is below");
        files.add(below, &read(&file));
    }
    files
}

/// A file uses another one when it imports or names an item that is defined there. A re-export is no use, and what a file
/// names through one is an item of the file that defines it. So a module and its child are a circle when each uses items
/// that the other defines, not when the module only declares the child or passes its items on. Methods count for the file
/// that names their type.
#[test]
fn files_use_each_other_in_no_circle() {
    let pure = pure_crates()
        .into_iter()
        .map(|name| format!("crates/{name}/src"));
    let folders = ["src".to_owned(), "server/src".to_owned()];
    let mut found = String::new();
    for folder in folders.into_iter().chain(pure) {
        let uses = graph_of(&folder).uses();
        for circle in circles(&uses) {
            found += &format!("a circle in {folder}:\n");
            for one in circle {
                found += &format!("  {one}\n");
            }
        }
    }
    assert!(found.is_empty(), "{found}");
}

#[test]
fn architecture_names_the_crates_that_exist() {
    let page = read(&root().join("ARCHITECTURE.md"));
    let rows = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `crates/"));
    let named: BTreeSet<String> = rows
        .filter_map(|row| Some(row.split_once("/`")?.0.to_owned()))
        .collect();
    assert_eq!(named, pure_crates());
}

#[test]
fn pure_crates_depend_on_nothing_that_reads_or_talks() {
    let pure = pure_crates();
    for name in &pure {
        let manifest = manifest(name);
        assert_eq!(
            manifest["package"]["name"].as_str(),
            Some(&*format!("uninlu-{name}"))
        );
        assert_eq!(
            manifest["lints"]["workspace"].as_bool(),
            Some(true),
            "{name}"
        );
        let kinds = ["dependencies", "build-dependencies", "target"];
        let tables = kinds
            .iter()
            .filter_map(|kind| manifest.get(*kind)?.as_table());
        for dependency in tables.flat_map(toml::Table::keys) {
            assert!(
                !FORBIDDEN.contains(&dependency.as_str()),
                "crates/{name} depends on {dependency}: move what needs it to the root package"
            );
            if let Some(own) = dependency.strip_prefix("uninlu-") {
                assert!(pure.contains(own), "crates/{name} depends on {dependency}");
            }
        }
    }
}

#[test]
fn pure_crates_do_not_switch_the_lint_off() {
    for name in pure_crates() {
        let folder = root().join("crates").join(&name);
        assert!(
            !folder.join("clippy.toml").exists(),
            "crates/clippy.toml holds for {name}"
        );
        for file in sources_of(&folder.join("src")) {
            let is_off = read(&file).contains("clippy::disallowed");
            assert!(
                !is_off,
                "{} allows what crates/clippy.toml forbids",
                file.display()
            );
        }
    }
}

/// Files of a made-up crate, and its circles: the files of each, in their order.
fn circles_of(files: &[(&str, &str)]) -> Vec<Vec<String>> {
    let mut made_up = Crate::default();
    for (file, text) in files {
        made_up.add(Path::new(file), text);
    }
    let circles = circles(&made_up.uses()).into_iter();
    circles
        .map(|circle| circle.into_iter().map(|one| one.user).collect())
        .collect()
}

#[test]
fn planted_circles_are_found() {
    let lib = ("lib.rs", "mod a; mod b; mod c;");
    /// Name, files with their text, and the files of the circle.
    type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a [&'a str]);
    let cases: [Case<'_>; 6] = [
        (
            "by imports",
            &[
                lib,
                ("a.rs", "use crate::b::B; pub struct A;"),
                ("b.rs", "use super::a::{self as other, A}; pub struct B;"),
            ],
            &["a.rs", "b.rs"],
        ),
        (
            "by paths, also in macros",
            &[
                lib,
                ("a.rs", "fn a() { println!(\"{}\", crate::b::b()); }"),
                ("b.rs", "fn b() { super::a::a() }"),
            ],
            &["a.rs", "b.rs"],
        ),
        (
            "of three",
            &[
                lib,
                ("a.rs", "use super::b::B; pub struct A;"),
                ("b.rs", "use super::c::C; pub struct B;"),
                ("c.rs", "use super::a::A; pub struct C;"),
            ],
            &["a.rs", "b.rs", "c.rs"],
        ),
        (
            "through a re-export",
            &[
                ("lib.rs", "mod a; mod b; pub use b::B;"),
                ("a.rs", "use crate::B; pub struct A;"),
                ("b.rs", "use super::a::A; pub struct B;"),
            ],
            &["a.rs", "b.rs"],
        ),
        (
            "of a module and its child",
            &[
                ("lib.rs", "mod a; pub use a::A; struct Own(A);"),
                ("a.rs", "use super::Own; pub struct A;"),
            ],
            &["a.rs", "lib.rs"],
        ),
        (
            "of a folder's files",
            &[
                ("lib.rs", "mod d;"),
                ("d/mod.rs", "mod e; mod f;"),
                ("d/e.rs", "use super::f::f; fn e() {}"),
                ("d/f.rs", "fn f() { crate::d::e::e() }"),
            ],
            &["d/e.rs", "d/f.rs"],
        ),
    ];
    for (name, files, circle) in cases {
        assert_eq!(circles_of(files), [circle], "{name}");
    }
}

#[test]
fn what_is_no_circle_is_not_found() {
    let cases: [(&str, &[(&str, &str)]); 4] = [
        (
            "a module that passes its child's items on",
            &[
                ("lib.rs", "mod a; pub use a::A; pub struct Own;"),
                ("a.rs", "use super::Own; pub struct A;"),
            ],
        ),
        (
            "children that share a third one through their module",
            &[
                ("lib.rs", "mod a; mod b; use b::B; pub use a::A;"),
                ("a.rs", "use super::B; pub struct A;"),
                ("b.rs", "pub struct B;"),
            ],
        ),
        (
            "tests",
            &[
                ("lib.rs", "mod a; mod b;"),
                ("a.rs", "use super::b::B; pub struct A;"),
                (
                    "b.rs",
                    "pub struct B; #[cfg(test)] mod tests { use crate::a::A; }",
                ),
            ],
        ),
        (
            "comments and texts",
            &[
                ("lib.rs", "mod a; mod b;"),
                ("a.rs", "use super::b::B; pub struct A;"),
                (
                    "b.rs",
                    "/// [`crate::a::A`]\npub struct B(&'static str); // crate::a::A\nconst T: &str = \"crate::a::A\";",
                ),
            ],
        ),
    ];
    for (name, files) in cases {
        assert_eq!(circles_of(files), Vec::<Vec<String>>::new(), "{name}");
    }
}
