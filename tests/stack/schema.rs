//! The JSON schema says what the parser does: the same keys, and no valid file is refused.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;
use uninlu::stack;

fn as_json(file: &Path) -> Value {
    let text = std::fs::read_to_string(file).expect("the glob found it");
    toml::from_str(&text).expect("a stack of this repository is TOML")
}

#[test]
fn every_stack_of_this_repository_fits_the_schema() {
    let validator = jsonschema::validator_for(&stack::json_schema()).expect("a JSON schema");
    insta::glob!("../../stacks", "*/uninlu.toml", |file| {
        let faults: Vec<String> = validator
            .iter_errors(&as_json(file))
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(faults.is_empty(), "{}: {faults:#?}", file.display());
    });
}

#[test]
fn the_schema_refuses_what_the_parser_refuses_by_shape() {
    let validator = jsonschema::validator_for(&stack::json_schema()).expect("a JSON schema");
    for text in [
        "namespce = 'nlu'",
        "[resources]\nmemory = { request = '2GiB' }",
        "[probes]\nstartup = { budget = '90' }",
        "[server]\nmax-length = 'many'",
        "[rollout]\nmax-surge = '101%'",
        "[service]\ntype = 'Ingress'",
        "[env.a]\nnamespce = 'nlu'",
    ] {
        let value: Value = toml::from_str(text).expect("TOML");
        assert!(
            !validator.is_valid(&value),
            "the schema must refuse {text:?}"
        );
    }
}

/// Every key that the schema knows is known to the parser, with what it is nested in: an unknown one would be told.
#[test]
fn schema_and_parser_know_the_same_keys() {
    let schema = stack::json_schema();
    let mut keys = BTreeSet::new();
    collect_keys(&schema, &schema, &mut Vec::new(), &mut keys);
    assert!(
        keys.len() > 50,
        "the walk must reach the nested keys: {keys:?}"
    );
    for path in keys {
        // A table where there is none is a wrong type at most; only an unknown key is told as one.
        let text = format!("{path}.no-such-key = 1");
        let invalid = stack::parse(&text, Path::new("uninlu.toml"), None).expect_err("no stack");
        let last = path.rsplit('.').next().unwrap_or_default();
        let is_unknown = invalid
            .faults
            .iter()
            .any(|fault| fault.message == format!("unknown key `{last}`"));
        assert!(!is_unknown, "the parser does not know `{path}`");
    }
}

fn collect_keys(root: &Value, node: &Value, path: &mut Vec<String>, keys: &mut BTreeSet<String>) {
    if let Some(reference) = node["$ref"].as_str() {
        let pointer = reference.trim_start_matches('#');
        let target = if pointer.is_empty() {
            None
        } else {
            root.pointer(pointer)
        };
        target
            .iter()
            .for_each(|node| collect_keys(root, node, path, keys));
    }
    for alternative in node["anyOf"].as_array().into_iter().flatten() {
        collect_keys(root, alternative, path, keys);
    }
    for (key, inner) in node["properties"].as_object().into_iter().flatten() {
        path.push(key.clone());
        keys.insert(path.join("."));
        collect_keys(root, inner, path, keys);
        path.pop();
    }
}
