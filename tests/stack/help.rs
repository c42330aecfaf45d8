//! What `--help` of every command prints.

use std::path::Path;

use super::commands::uninlu;

/// stdout of a run that succeeds.
fn printed(arguments: &[&str]) -> String {
    let output = uninlu(arguments, Path::new("/"));
    assert_eq!(output.status.code(), Some(0), "{arguments:?}");
    String::from_utf8(output.stdout).expect("the tool writes UTF-8")
}

/// The commands that a help lists.
fn listed(help: &str) -> Vec<String> {
    help.lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.strip_prefix("  ")?.split(' ').next())
        .filter(|command| !command.is_empty())
        .filter(|command| *command != "help")
        .map(str::to_owned)
        .collect()
}

/// Every command, as it is called, and its help: `["import", "helm"]`.
pub(super) fn helps() -> Vec<(Vec<String>, String)> {
    let mut open = vec![Vec::new()];
    let mut found = Vec::new();
    while let Some(path) = open.pop() {
        let arguments: Vec<&str> = path.iter().map(String::as_str).collect();
        let help = printed(&[&arguments[..], &["--help"]].concat());
        for below in listed(&help) {
            open.push([&path[..], &[below]].concat());
        }
        found.push((path, help));
    }
    found
}

#[test]
fn help() {
    let mut settings = insta::Settings::clone_current();
    settings.set_omit_expression(true);
    settings.set_prepend_module_to_snapshot(false);
    settings.bind(|| {
        for (path, help) in helps() {
            let name = [&["help".to_owned()], &path[..]].concat().join("-");
            insta::assert_snapshot!(name, help);
        }
    });
}
