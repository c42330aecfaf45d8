//! The stack file: a case is a file in `cases/`, its snapshot what a user sees (or what the file means).

mod commands;
mod defaults;
#[path = "../difference/mod.rs"]
mod difference;
mod documents;
mod explain;
#[path = "../generated/mod.rs"]
mod generated;
mod help;
#[path = "../hermetic/mod.rs"]
mod hermetic;
mod reach;
mod schema;
mod terminal;

use std::path::Path;

use miette::{GraphicalReportHandler, GraphicalTheme, Report};
use uninlu::stack::{self, LoadError, Stack};

use difference::difference;

/// As a terminal shows it, without colours, and so wide that no line breaks where this machine's paths are long.
fn render(error: LoadError) -> String {
    let mut text = String::new();
    let report = Report::new(error);
    GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor())
        .with_width(1000)
        .render_report(&mut text, report.as_ref())
        .expect("a String takes everything");
    text
}

/// The case whose stack is shown whole.
const DEFAULTS: &str = "valid-defaults.toml";

/// What `uninlu validate` makes of the case: every error, or what every stack has beside the defaults.
fn outcome(case: &Path) -> String {
    let dump = |stack: &Stack| format!("{stack:#?}\n");
    let default = stack::load(&case.with_file_name(DEFAULTS), None).expect("a valid stack");
    match stack::load_every(case) {
        Ok(_) if case.ends_with(DEFAULTS) => dump(&default),
        Ok(stacks) => {
            let stacks = stacks
                .iter()
                .map(|stack| difference(&dump(&default), &dump(stack)));
            stacks.collect::<Vec<_>>().join("\n")
        }
        Err(error) => render(error),
    }
}

#[test]
fn cases() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stack/cases");
    let mut settings = insta::Settings::clone_current();
    settings.set_omit_expression(true);
    settings.set_prepend_module_to_snapshot(false);
    settings.add_filter(&regex_escaped(&folder), "CASES");
    settings.bind(|| {
        insta::glob!("cases/*.toml", |case| {
            insta::assert_snapshot!(outcome(case));
        });
    });
}

/// `path` as a regular expression that matches nothing else.
fn regex_escaped(path: &Path) -> String {
    path.display().to_string().replace('.', r"\.")
}

#[test]
fn the_stacks_of_this_repository_are_valid() {
    insta::glob!("../../stacks", "*/uninlu.toml", |file| {
        if let Err(error) = stack::load_every(file) {
            panic!("{}", render(error));
        }
    });
}

#[test]
fn a_folder_means_the_stack_file_in_it() {
    let stacks = Path::new(env!("CARGO_MANIFEST_DIR")).join("stacks/minimal");
    let by_folder = stack::load(&stacks, None).expect("the folder holds uninlu.toml");
    let by_file = stack::load(&stacks.join("uninlu.toml"), None).expect("the same file");
    assert_eq!(by_folder, by_file);
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = stack::load(Path::new("no-such-stack.toml"), None).expect_err("there is none");
    assert_eq!(
        error.to_string(),
        "cannot read the stack file no-such-stack.toml"
    );
}

#[test]
fn an_unknown_environment_is_told_with_the_known_ones() {
    let text = "name = \"a\"\n[env.staging]\n[env.production]\n";
    let invalid = stack::parse(text, Path::new("uninlu.toml"), Some("prodction"))
        .expect_err("there is no such environment");
    let helps: Vec<&str> = invalid
        .faults
        .iter()
        .map(|fault| fault.help.as_str())
        .collect();
    assert!(
        helps.contains(&"did you mean `production`?"),
        "the nearest environment must be told: {helps:?}"
    );
}

/// What a user has on the screen while typing: no prefix, and no file with a line less, may panic or be refused
/// without a reason.
#[test]
fn whatever_is_missing_the_reason_is_told() {
    let whole = include_str!("cases/valid-everything.toml");
    let prefixes = whole.char_indices().map(|(end, _)| whole[..end].to_owned());
    let lines: Vec<&str> = whole.lines().collect();
    let without_a_line = (0..lines.len()).map(|index| {
        let (before, after) = lines.split_at(index);
        [before, &after[1..]].concat().join("\n")
    });
    for text in prefixes.chain(without_a_line) {
        if let Err(invalid) = stack::parse(&text, Path::new("uninlu.toml"), None) {
            assert!(
                !invalid.faults.is_empty(),
                "refused without a reason:\n{text}"
            );
            render(LoadError::Invalid(invalid));
        }
    }
}
