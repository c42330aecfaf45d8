//! The defaults that the page of the stack file names are the ones that hold: a file that writes them means the same.

use std::path::Path;

use regex::Regex;
use uninlu::stack::{self, Stack};

const PAGE: &str = include_str!("../../docs/stack-file.md");

fn text(key: &str, written: &str) -> String {
    let image = match key {
        // It is a file of that folder, and means nothing without it.
        "image.dockerfile" => {
            "repository = \"registry.test/nlu\"\nimage.context = \".\"".to_owned()
        }
        _ if key.starts_with("image.") => "repository = \"registry.test/nlu\"".to_owned(),
        _ => format!(
            "reference = \"registry.test/nlu@sha256:{}\"",
            "0".repeat(64)
        ),
    };
    let scaling = match key.starts_with("autoscaling.") {
        true => "autoscaling.cpu = 60\n",
        false => "",
    };
    format!(
        "name = \"nlu\"\nnamespace = \"nlu\"\ncluster.context = \"prod\"\nimage.{image}\nmodel.source = {{ pvc = \"models\" }}\n{scaling}{written}\n"
    )
}

fn parse(text: &str) -> Stack {
    stack::parse(text, Path::new("uninlu.toml"), None)
        .unwrap_or_else(|invalid| panic!("{text}\n{:?}", invalid.faults))
}

/// Each key with its default as TOML: `(default 2)`, or one value of several that is marked `(default)`.
fn defaults() -> Vec<(String, String)> {
    let row = Regex::new(r"(?m)^\| `([^`]+)` \| (.*) \|$").expect("a regular expression");
    let value = Regex::new(
        r#"\(default (`[^`]+`|"[^"]*"|[a-z0-9]+)[):]|(`[^`]+`|"[^"]+"|[0-9]+) \(default\)"#,
    )
    .expect("a regular expression");
    let rows = row.captures_iter(PAGE);
    rows.filter_map(|row| {
        let found = value.captures(&row[2])?;
        let value = found.get(1).or(found.get(2))?.as_str();
        let value = match value.trim_matches('`') {
            word if word.len() < value.len() && !word.starts_with('{') => format!("\"{word}\""),
            other => other.to_owned(),
        };
        Some((row[1].to_owned(), value))
    })
    .collect()
}

#[test]
fn what_the_page_calls_the_default_is_the_default() {
    let defaults = defaults();
    assert!(defaults.len() > 25, "{defaults:#?}");
    for (key, value) in defaults {
        let without = parse(&text(&key, ""));
        let with = parse(&text(&key, &format!("{key} = {value}")));
        // The server's settings are kept as they are written.
        let with = Stack {
            source: without.source.clone(),
            server: with.server.in_force().into(),
            ..with
        };
        let without = Stack {
            server: without.server.in_force().into(),
            ..without
        };
        assert_eq!(with, without, "the default of `{key}` is not {value}");
    }
}
