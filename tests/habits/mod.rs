//! What stands in two places because a tool wants it so is the same in both.

use toml::Table;

use crate::project::text;

fn table(file: &str) -> Table {
    text(file)
        .parse()
        .unwrap_or_else(|error| panic!("{file}: {error}"))
}

#[test]
fn every_file_names_the_toolchain_of_rust_toolchain_toml() {
    let toolchain = table("rust-toolchain.toml");
    let version = toolchain["toolchain"]["channel"]
        .as_str()
        .expect("a version");
    let (minor, _) = version.rsplit_once('.').expect("MAJOR.MINOR.PATCH");
    for (file, words) in [
        ("Cargo.toml", format!("\nrust-version = \"{minor}\"\n")),
        ("Dockerfile.cli", format!("=rust:{minor}-")),
        ("README.md", format!("with Rust {minor} ")),
        ("README.zh-CN.md", format!("Rust {minor}（")),
        (
            ".github/workflows/ci.yml",
            format!("image: rust:{version}-"),
        ),
        (".gitlab-ci.yml", format!("image: rust:{version}-")),
    ] {
        assert!(text(file).contains(&words), "{file} has no `{words}`");
    }
}

/// A crate inherits all lints of the workspace or none, and the server cannot forbid `unsafe`.
#[test]
fn the_server_has_the_lints_of_the_workspace_but_one() {
    let mut server = table("server/Cargo.toml")["lints"].clone();
    let rust = server["rust"].as_table_mut().expect("a table");
    let before = rust.insert("unsafe_code".to_owned(), "forbid".into());
    assert_eq!(before, Some("deny".into()));
    assert_eq!(server, table("Cargo.toml")["workspace"]["lints"]);
}

/// CI runs what anyone can run, and nothing else.
#[test]
fn ci_calls_make_test() {
    let github = text(".github/workflows/ci.yml");
    let runs: Vec<&str> = github
        .lines()
        .filter_map(|line| line.split_once("run: "))
        .map(|(_, it)| it)
        .collect();
    let [packages, test] = runs[..] else {
        panic!("{runs:?}")
    };
    assert!(packages.starts_with("apt-get update"), "{packages}");
    assert_eq!(test, "make test");
    let gitlab: serde_json::Value = serde_saphyr::from_str(&text(".gitlab-ci.yml")).expect("YAML");
    assert_eq!(gitlab["test"]["script"], serde_json::json!(["make test"]));
    assert_eq!(
        gitlab["test"]["before_script"],
        serde_json::json!([packages])
    );
}
