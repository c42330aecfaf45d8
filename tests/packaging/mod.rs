//! What a release offers, without a build: its version, the install script, the manifests.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use tempfile::TempDir;
use uninlu_text::digest;

use crate::project::{root, text};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// As `sha256sum` writes it: without the algorithm's name.
fn sha256(content: impl AsRef<[u8]>) -> String {
    digest::sha256(content).replace("sha256:", "")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn every_crate_has_the_version_that_the_changelog_cut_last() {
    let manifests = walkdir::WalkDir::new(root().join("crates")).max_depth(2);
    let manifests = manifests.into_iter().map(|entry| entry.expect("readable"));
    let manifests = manifests.map(walkdir::DirEntry::into_path);
    let manifests = manifests.filter(|path| path.ends_with("Cargo.toml"));
    let others = ["Cargo.toml", "server/Cargo.toml"].map(|file| root().join(file));
    let mut count = 0;
    for manifest in manifests.chain(others) {
        let table: toml::Table = fs::read_to_string(&manifest)
            .expect("readable")
            .parse()
            .expect("a manifest");
        let inherits = table["package"]["version"]
            .get("workspace")
            .and_then(toml::Value::as_bool);
        assert_eq!(inherits, Some(true), "{}", manifest.display());
        count += 1;
    }
    assert!(count > 5, "{count}");
    let changelog = text("CHANGELOG.md");
    let cut: Vec<&str> = changelog
        .lines()
        .filter_map(|line| line.strip_prefix("## ["))
        .collect();
    assert_eq!(cut[0], "Unreleased]");
    let (last, date) = cut[1].split_once("] - ").expect("a version and its date");
    assert_eq!(last, VERSION);
    assert!(
        date.parse::<jiff::civil::Date>().is_ok(),
        "{date}: a date such as 2026-11-29"
    );
    let of_the_server = format!("name = \"uninlu-server\"\nversion = \"{VERSION}\"\n");
    assert!(text("server/fuzz/Cargo.lock").contains(&of_the_server));
}

#[test]
fn a_tag_of_another_version_is_refused() {
    let check = |tag: &str| {
        let mut command = Command::new(root().join("packaging/dist"));
        command.args(["--check", tag]).output().expect("bash runs")
    };
    let own = check(&format!("v{VERSION}"));
    assert!(own.status.success(), "{}", stderr(&own));
    for tag in ["v9.9.9", VERSION, "v"] {
        let other = check(tag);
        assert_eq!(other.status.code(), Some(1), "{tag}");
        assert!(stderr(&other).contains("  fix: "), "{}", stderr(&other));
    }
}

/// CI makes what anyone can make, and nothing before the tag is checked.
#[test]
fn the_release_workflow_checks_the_tag_and_calls_make_dist() {
    let workflow: serde_json::Value =
        serde_saphyr::from_str(&text(".github/workflows/release.yml")).expect("YAML");
    assert_eq!(workflow["on"]["push"]["tags"], serde_json::json!(["v*"]));
    let steps = workflow["jobs"]["archives"]["steps"].as_array();
    let runs: Vec<&str> = steps
        .expect("steps")
        .iter()
        .filter_map(|step| step["run"].as_str())
        .collect();
    assert_eq!(
        runs,
        ["packaging/dist --check \"$GITHUB_REF_NAME\"", "make dist"]
    );
}

#[test]
fn the_page_and_the_script_name_the_same_targets() {
    let (page, script) = (text("packaging/README.md"), text("packaging/dist"));
    let named = |line: &str| {
        let (_, list) = line.split_once("=(")?;
        Some(list.trim_end_matches(')').to_owned())
    };
    let lines = script.lines();
    let lists = lines.filter(|line| line.starts_with("linux=(") || line.starts_with("macos=("));
    let targets: String = lists.filter_map(named).map(|list| list + " ").collect();
    let targets: Vec<&str> = targets.split_whitespace().collect();
    assert!(targets.len() >= 4, "{targets:?}");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
    let rows: Vec<&str> = rows
        .filter_map(|row| row.split_once('`'))
        .map(|(name, _)| name)
        .filter(|name| name.matches('-').count() >= 2 && !name.contains('.'))
        .collect();
    assert_eq!(rows, targets);
}

/// A release with one archive, of a program that is no more than a script.
struct Release {
    folder: TempDir,
}

/// Of this machine, as the install script names it.
const TARGET: &str = if cfg!(target_arch = "aarch64") {
    "aarch64-unknown-linux-musl"
} else {
    "x86_64-unknown-linux-musl"
};

impl Release {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let release = Self { folder };
        let inside = release.path("stage").join(release.name());
        for (path, text) in [
            ("uninlu", "#!/bin/sh\necho \"uninlu $0\"\n"),
            ("man/uninlu.1", "manual"),
            ("completions/uninlu.bash", "bash"),
            ("completions/_uninlu", "zsh"),
            ("completions/uninlu.fish", "fish"),
        ] {
            let file = inside.join(path);
            fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
            fs::write(file, text).expect("a file");
        }
        let packed = Command::new(root().join("packaging/archive"))
            .arg(release.path("stage"))
            .arg(release.archive())
            .output()
            .expect("python3 runs");
        assert!(packed.status.success(), "{}", stderr(&packed));
        release.list(&sha256(fs::read(release.archive()).expect("a file")));
        release
    }

    fn name(&self) -> String {
        format!("uninlu-{VERSION}-{TARGET}")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn archive(&self) -> PathBuf {
        self.path(&format!("{}.tar.gz", self.name()))
    }

    fn list(&self, digest: &str) {
        let sums = format!("{digest}  {}.tar.gz\n", self.name());
        fs::write(self.path("SHA256SUMS"), sums).expect("a file");
    }

    /// The script as it is in the repository, with that environment and nothing else.
    fn install(&self, variables: &[(&str, &str)]) -> Output {
        let mut command = Command::new("sh");
        command
            .arg(root().join("packaging/install.sh"))
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.folder.path())
            .env("PREFIX", self.path("prefix"))
            .envs(variables.iter().copied());
        command.output().expect("sh runs")
    }

    fn install_here(&self) -> Output {
        let base = format!("file://{}", self.folder.path().display());
        self.install(&[("UNINLU_BASE_URL", &base), ("UNINLU_VERSION", VERSION)])
    }

    fn refuses(&self, output: &Output, words: &str) {
        let said = stderr(output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(words) && said.contains("  fix: "), "{said}");
        assert!(!self.path("prefix").exists(), "nothing is installed");
    }
}

#[test]
fn the_install_script_installs_the_tool_its_manual_and_its_completions() {
    let release = Release::new();
    for _ in 0..2 {
        let output = release.install_here();
        assert!(output.status.success(), "{}", stderr(&output));
    }
    let prefix = release.path("prefix");
    let plugin = Command::new(prefix.join("bin/kubectl-uninlu"))
        .output()
        .expect("it is a program");
    assert!(String::from_utf8_lossy(&plugin.stdout).starts_with("uninlu "));
    for (file, text) in [
        ("share/man/man1/uninlu.1", "manual"),
        ("share/bash-completion/completions/uninlu", "bash"),
        ("share/zsh/site-functions/_uninlu", "zsh"),
        ("share/fish/vendor_completions.d/uninlu.fish", "fish"),
    ] {
        let found = fs::read_to_string(prefix.join(file)).expect(file);
        assert_eq!(found, text, "{file}");
    }
}

#[test]
fn the_install_script_refuses_what_was_not_released() {
    let release = Release::new();
    release.list(&sha256("another archive"));
    release.refuses(&release.install_here(), "is not what was released");
    fs::write(release.path("SHA256SUMS"), "").expect("a file");
    release.refuses(&release.install_here(), "does not list");
    fs::remove_file(release.archive()).expect("it was there");
    release.refuses(&release.install_here(), "cannot be fetched");
    release.refuses(&release.install(&[]), "no address of the archives");
    let base = ("UNINLU_BASE_URL", "file:///nowhere");
    release.refuses(&release.install(&[base]), "no version is known");
}

#[test]
fn equal_content_is_an_equal_archive() {
    let bytes = |release: &Release| fs::read(release.archive()).expect("a file");
    assert!(bytes(&Release::new()) == bytes(&Release::new()));
}

#[test]
fn the_manifests_name_each_archive_with_its_sum() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let archives = [
        "x86_64-unknown-linux-musl.tar.gz",
        "aarch64-unknown-linux-musl.tar.gz",
        "x86_64-pc-windows-gnu.zip",
        "x86_64-apple-darwin.tar.gz",
        "aarch64-apple-darwin.tar.gz",
    ];
    let sums = archives.map(|name| format!("{}  uninlu-1.2.3-{name}\n", sha256(name)));
    let sums = sums.concat() + &format!("{}  install.sh\n", sha256(""));
    fs::write(folder.path().join("SHA256SUMS"), sums).expect("a file");
    let made = Command::new(root().join("packaging/manifests"))
        .args([
            "1.2.3",
            "https://example.com/v1.2.3",
            "https://example.com",
            "SHA256SUMS",
        ])
        .current_dir(folder.path())
        .output()
        .expect("python3 runs");
    assert!(made.status.success(), "{}", stderr(&made));
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).expect(name);
    let krew: serde_json::Value = serde_saphyr::from_str(&read("uninlu.yaml")).expect("YAML");
    let platforms = krew["spec"]["platforms"].as_array().expect("platforms");
    assert_eq!(platforms.len(), archives.len());
    for (platform, name) in platforms.iter().zip(archives) {
        assert_eq!(platform["sha256"], sha256(name));
    }
    insta::assert_snapshot!("krew", read("uninlu.yaml"));
    insta::assert_snapshot!("formula", read("uninlu.rb"));
}
