//! Everything that a user reads.

use std::path::Path;
use std::process::Command;

use super::literals;
use crate::project::{files_below, pattern, root};

/// A text, where it is, and its first line's number there.
pub(super) struct Text {
    pub(super) place: String,
    pub(super) line: usize,
    pub(super) body: String,
}

pub(super) fn everything() -> Vec<Text> {
    let pages = [
        "README.md",
        "README.zh-CN.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
    ]
    .map(|page| root().join(page));
    let mut files = pages.to_vec();
    for (folder, extensions) in [
        ("docs", &["md", "yml", "yaml"][..]),
        ("stacks", &["toml"]),
        ("server/web", &["html", "js"]),
    ] {
        files.extend(files_below(folder, extensions));
    }
    let mut texts: Vec<Text> = files.into_iter().map(|file| whole(&file)).collect();
    texts.extend(["src", "crates", "server/src"].iter().flat_map(|folder| {
        let sources = files_below(folder, &["rs"]);
        sources.into_iter().flat_map(|file| printed(&file))
    }));
    texts.extend(help(&[]));
    texts.push(output(&["schema"]));
    texts
}

fn place(file: &Path) -> String {
    let inside = file.strip_prefix(root()).unwrap_or(file);
    inside.display().to_string()
}

/// Of Markdown, without code: names, and what the tool prints, which is read at its source; and without comments, which
/// no reader sees.
fn whole(file: &Path) -> Text {
    let mut body = std::fs::read_to_string(file).expect("readable");
    if file.extension().is_some_and(|it| it == "md") {
        let code = pattern("(?s)```.*?```|`[^`\n]*`|<!--.*?-->");
        let blank = |found: &regex::Captures| found[0].replace(|it| it != '\n', "·");
        body = code.replace_all(&body, blank).into_owned();
    }
    Text {
        place: place(file),
        line: 1,
        body,
    }
}

fn printed(file: &Path) -> Vec<Text> {
    let source = std::fs::read_to_string(file).expect("readable");
    let literals = literals::of(&source).into_iter();
    // What stands in a message's place has a name in the source alone.
    let argument = pattern(r"\{\w*\}");
    let text = |literal: literals::Literal| Text {
        place: place(file),
        line: literal.line,
        body: argument.replace_all(&literal.text, "·").into_owned(),
    };
    literals.map(text).collect()
}

/// `--help` of the command and of all below it.
fn help(command: &[&str]) -> Vec<Text> {
    let text = output(&[command, &["--help"]].concat());
    let commands = text
        .body
        .split_once("\nCommands:\n")
        .map_or("", |(_, rest)| rest);
    let listed = commands.lines().take_while(|line| !line.is_empty());
    // A verb has two spaces before it, what it does more.
    let verbs = listed.filter_map(|line| {
        line.strip_prefix("  ")
            .filter(|rest| !rest.starts_with(' '))
    });
    let verbs: Vec<String> = verbs
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect();
    let below = verbs.iter().filter(|verb| *verb != "help");
    let mut texts: Vec<Text> = below
        .flat_map(|verb| help(&[command, &[verb]].concat()))
        .collect();
    texts.push(text);
    texts
}

fn output(arguments: &[&str]) -> Text {
    let output = Command::new(env!("CARGO_BIN_EXE_uninlu"))
        .args(arguments)
        .output();
    let output = output.expect("the binary was built for this test");
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    Text {
        place: format!("uninlu {}", arguments.join(" ")),
        line: 1,
        body: String::from_utf8_lossy(&output.stdout).into_owned(),
    }
}
