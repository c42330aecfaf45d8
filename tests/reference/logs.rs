//! What is logged: each event has a level, a text and fields.

use std::collections::BTreeSet;

use super::{PAGE, compare, rows, sources};
use crate::generated;
use crate::project::{filled, text};

const BEGIN: &str = "<!-- log lines, from the server's sources -->\n";

/// An event of the log.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Event {
    message: String,
    level: &'static str,
    fields: Vec<String>,
}

fn events(source: &str) -> Vec<Event> {
    let levels = [
        ("error", "ERROR"),
        ("warn", "WARN"),
        ("info", "INFO"),
        ("debug", "DEBUG"),
        ("trace", "TRACE"),
    ];
    let of_level = |(name, level): (&str, &'static str)| {
        let call = format!("tracing::{name}!(");
        let found: Vec<Event> = source
            .match_indices(&call)
            .map(|(at, _)| event(level, &source[at + call.len()..]))
            .collect();
        found
    };
    levels.into_iter().flat_map(of_level).collect()
}

/// From behind the opening parenthesis on.
fn event(level: &'static str, rest: &str) -> Event {
    let mut arguments = arguments(rest);
    let message = arguments.pop().expect("an event has a text");
    let message = message
        .strip_prefix('"')
        .and_then(|it| it.strip_suffix('"'));
    let message = message
        .unwrap_or_else(|| panic!("no text ends {arguments:?}"))
        .to_owned();
    let name = |argument: &String| {
        let name = argument.split('=').next().unwrap_or_default();
        name.trim().trim_start_matches(['%', '?']).to_owned()
    };
    let fields = arguments.iter().map(name).collect();
    Event {
        message,
        level,
        fields,
    }
}

/// Parted at commas that stand in no bracket and in no text.
fn arguments(rest: &str) -> Vec<String> {
    let (mut parts, mut depth, mut is_text) = (vec![String::new()], 0, false);
    for character in rest.chars() {
        match character {
            '"' => is_text = !is_text,
            '(' | '[' | '{' if !is_text => depth += 1,
            ')' if !is_text && depth == 0 => break,
            ')' | ']' | '}' if !is_text => depth -= 1,
            ',' if !is_text && depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => (),
        }
        parts.last_mut().expect("one at least").push(character);
    }
    let parts = parts.into_iter().map(|it| it.trim().to_owned());
    parts.filter(|it| !it.is_empty()).collect()
}

fn logged() -> BTreeSet<Event> {
    sources().iter().flat_map(|source| events(source)).collect()
}

fn table(events: &BTreeSet<Event>) -> String {
    let row = |event: &Event| {
        let fields: Vec<String> = event.fields.iter().map(|it| format!("`{it}`")).collect();
        format!(
            "| `{}` | {} | {} |\n",
            event.message,
            event.level,
            fields.join(", ")
        )
    };
    let rows: String = events.iter().map(row).collect();
    format!("| message | level | fields |\n|---|---|---|\n{rows}")
}

#[test]
fn the_page_has_every_line_of_the_log() {
    let expected = filled(&text(PAGE), BEGIN, &table(&logged()));
    generated::compare(PAGE, &expected, "--test offline reference");
}

#[test]
fn the_page_has_every_field_of_the_log() {
    // What the two forms of a line add to each event.
    let of_lines = ["timestamp", "ts", "level", "target", "message"].map(str::to_owned);
    let fields = logged().into_iter().flat_map(|event| event.fields);
    let page = rows("field").into_iter().map(|cells| cells[0].clone());
    compare(
        "fields of the log",
        &page.collect(),
        &fields.chain(of_lines).collect(),
    );
}

#[test]
fn an_event_is_read_from_its_source() {
    let source = r#"x => tracing::warn!(
        %error, file = %file.display(), count = many(1, 2), "it ends; (nothing, at all) is left"
    ),"#;
    let fields = ["error", "file", "count"].map(str::to_owned).into();
    let message = "it ends; (nothing, at all) is left".to_owned();
    assert_eq!(
        events(source),
        [Event {
            message,
            level: "WARN",
            fields
        }]
    );
}
