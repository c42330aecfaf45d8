//! What commands print with `--json`: one header, schemas in `docs/schemas`, and errors in the same form.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use super::commands::uninlu;
use super::explain::TWO;
use super::generated;
use super::help::helps;

fn schemas() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schemas")
}

/// Each schema of the folder by its command.
fn written() -> BTreeMap<String, String> {
    let files = std::fs::read_dir(schemas()).expect("a folder").flatten();
    let schema = |path: PathBuf| {
        let command = path.file_stem()?.to_str()?.to_owned();
        Some((command, std::fs::read_to_string(&path).ok()?))
    };
    files.filter_map(|file| schema(file.path())).collect()
}

#[test]
fn each_command_that_prints_json_has_its_schema() {
    let printing: BTreeSet<String> = helps()
        .into_iter()
        .filter(|(_, help)| help.contains("--json"))
        .filter_map(|(path, _)| path.first().cloned())
        .filter(|command| command != "schema")
        .collect();
    for command in &printing {
        let output = uninlu(&["schema", command], Path::new("/"));
        assert_eq!(output.status.code(), Some(0), "{command} has no schema");
        let schema = String::from_utf8(output.stdout).expect("the tool writes UTF-8");
        let file = format!("docs/schemas/{command}.json");
        generated::compare(&file, &schema, "--test stack documents");
    }
    assert_eq!(printing, written().keys().cloned().collect());
}

#[test]
fn keys_are_in_snake_case() {
    for (command, schema) in written() {
        let schema: Value = serde_json::from_str(&schema).expect("JSON");
        let mut keys = BTreeSet::new();
        collect_keys(&schema, &mut keys);
        let is_snake = |key: &&String| key.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        let others: Vec<&String> = keys.iter().filter(|key| !is_snake(key)).collect();
        assert!(others.is_empty(), "{command}: {others:?}");
        assert!(keys.contains("format_version"), "{command}: {keys:?}");
    }
}

fn collect_keys(schema: &Value, keys: &mut BTreeSet<String>) {
    match schema {
        Value::Object(schema) => {
            if let Some(Value::Object(properties)) = schema.get("properties") {
                keys.extend(properties.keys().cloned());
            }
            schema.values().for_each(|below| collect_keys(below, keys));
        }
        Value::Array(list) => list.iter().for_each(|below| collect_keys(below, keys)),
        _ => (),
    }
}

/// A folder with two stacks, a chart's manifest, and no cluster.
fn project() -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let write = |name: &str, text: &str| {
        let file = folder.path().join(name);
        std::fs::create_dir_all(file.parent().expect("a folder")).expect("writable");
        std::fs::write(file, text).expect("writable");
    };
    write("uninlu.toml", TWO);
    write("stacks/a/uninlu.toml", TWO);
    write("stacks/b/uninlu.toml", "bogus = 1\n");
    write("bad.toml", "bogus = 1\n");
    folder
}

/// stdout of a run with `--json`, which fits the command's schema, and nothing of the error on stderr.
fn document(folder: &Path, arguments: &[&str], code: i32) -> Value {
    let output = uninlu(&[arguments, &["--json"]].concat(), folder);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {stderr}");
    assert!(!stderr.contains('×'), "{arguments:?}: {stderr}");
    let document: Value = serde_json::from_slice(&output.stdout).expect("stdout is JSON alone");
    let command = document["command"].as_str().expect("a command");
    assert_eq!(command, arguments[0]);
    assert_eq!(document["format_version"], 2);
    fits(command, &document);
    document
}

#[track_caller]
fn fits(command: &str, document: &Value) {
    let schema: Value = serde_json::from_str(&written()[command]).expect("JSON");
    let validator = jsonschema::validator_for(&schema).expect("a JSON schema");
    let errors: Vec<String> = validator
        .iter_errors(document)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{command}: {errors:#?}\n{document:#}");
}

#[test]
fn what_runs_offline_fits_its_schema() {
    let project = project();
    let folder = project.path();
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let at = |path: &str| tests.join(path).display().to_string();
    let (simulated, profile) = (
        at("simulate/uninlu.toml"),
        at("simulate/made-up.profile.json"),
    );
    let chart = at("import/usual-chart");
    let simulate = [
        "simulate",
        &simulated,
        "--load",
        "constant:5/2m",
        "--profile",
        &profile,
    ];
    let init = [
        "init",
        "--force",
        "--context",
        "prod",
        "--repository",
        "registry.test/nlu",
        "--claim",
        "models",
    ];
    for (arguments, code) in [
        (&["validate"][..], 0),
        (&["validate", "bad.toml", "missing.toml"], 1),
        (&["build"], 0),
        (&["diff", "-", "large"], 0),
        (&["explain"], 0),
        (&["explain", "rollout"], 0),
        (&["explain", "uninlu.toml", "replicas", "--env", "large"], 0),
        (&["gate", "--offline"], 0),
        (&["gate", "bad.toml", "--offline"], 1),
        (&["gate", "stacks", "--offline"], 1),
        (&["plan", "stacks"], 1),
        (&["import", "helm", &chart], 0),
        (&simulate, 0),
        (&init, 0),
    ] {
        let document = document(folder, arguments, code);
        assert!(document.get("error").is_none(), "{document:#}");
    }
}

#[test]
fn the_header_says_which_stack_it_is() {
    let project = project();
    let large = document(project.path(), &["build", "--env", "large"], 0);
    let header = ["stack", "namespace", "context", "environment"].map(|key| &large[key]);
    assert_eq!(header, ["nlu", "nlu", "nowhere", "large"]);
    let validated = document(project.path(), &["validate"], 0);
    assert!(validated["stack"].is_null(), "{validated:#}");
}

/// Each command that fails says so on stdout, with the same exit code as without `--json`.
#[test]
fn an_error_is_json_too() {
    let project = project();
    let folder = project.path();
    for arguments in [
        &["plan"][..],
        &["apply", "--yes"],
        &["apply", "stacks", "--yes"],
        &["adopt"],
        &["status"],
        &["verify"],
        &["drift"],
        &["history"],
        &["rollback", "3", "--yes"],
        &["destroy", "--yes"],
        &["rehearse", "missing.toml"],
        &["init", "--context", "prod"],
        &["import", "helm", "missing"],
        &["simulate", "--load", "constant:5/2m"],
        &["explain", "no-such-key"],
        &["build", "bad.toml"],
        &["diff", "-", "no-such-environment"],
        &["gate", "missing.toml"],
    ] {
        let human = uninlu(arguments, folder);
        assert_eq!(human.status.code(), Some(1), "{arguments:?}");
        assert!(!human.stderr.is_empty(), "{arguments:?}");
        let output = uninlu(&[arguments, &["--json"]].concat(), folder);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        let documents = serde_json::Deserializer::from_slice(&output.stdout).into_iter();
        let documents: Vec<Value> = documents.map(|one| one.expect("JSON")).collect();
        for document in &documents {
            fits(arguments[0], document);
        }
        let last = documents.last().expect("a document");
        assert!(last["error"]["message"].is_string(), "{last:#}");
    }
}

#[test]
fn an_invalid_stack_file_is_an_error_with_the_place_of_each() {
    let project = project();
    let failure = document(project.path(), &["plan", "bad.toml"], 1);
    let details = failure["error"]["details"].as_array().expect("a list");
    let unknown = details
        .iter()
        .find(|it| it["line"] == 1 && it["column"] == 1);
    let unknown = unknown.unwrap_or_else(|| panic!("{failure:#}"));
    assert!(
        unknown["file"]
            .as_str()
            .is_some_and(|file| file.ends_with("bad.toml"))
    );
    assert!(unknown["help"].is_string(), "{failure:#}");
}

#[test]
fn a_line_that_cannot_be_understood_is_json_too() {
    let project = project();
    for arguments in [
        &["plan", "--markdown"][..],
        &["apply", "--bogus"],
        &["history", "uninlu.toml", "three"],
    ] {
        let failure = document(project.path(), arguments, 1);
        let help = failure["error"]["help"].as_str().expect("how it is called");
        assert!(help.contains("--help"), "{failure:#}");
    }
}
