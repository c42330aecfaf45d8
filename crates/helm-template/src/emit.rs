//! `toYaml`: each line of the output keeps the place of its value.

use super::text::{Line, Text};
use super::value::{Data, Value};

/// As Go's encoder writes it: two blanks a level, lists at the level of their key, keys in order.
pub(super) fn yaml(value: &Value) -> Text {
    let mut lines = Vec::new();
    write(value, 0, &mut lines);
    let (text, places): (Vec<String>, Vec<Line>) = lines.into_iter().unzip();
    Text {
        text: text.join("\n"),
        lines: places,
    }
}

fn write(value: &Value, level: usize, lines: &mut Vec<(String, Line)>) {
    let pad = "  ".repeat(level);
    match &value.data {
        Data::Map(entries) if !entries.is_empty() => {
            for (key, item) in entries.iter() {
                let head = format!("{pad}{}:", scalar(key));
                entry(head, item, level, lines);
            }
        }
        Data::List(items) if !items.is_empty() => {
            for item in items.iter() {
                list_item(&pad, item, level, lines);
            }
        }
        _ => lines.push((format!("{pad}{}", inline(value)), place(value))),
    }
}

fn entry(head: String, item: &Value, level: usize, lines: &mut Vec<(String, Line)>) {
    match &item.data {
        Data::Map(entries) if !entries.is_empty() => {
            lines.push((head, place(item)));
            write(item, level + 1, lines);
        }
        Data::List(items) if !items.is_empty() => {
            lines.push((head, place(item)));
            write(item, level, lines);
        }
        Data::Text(text) if text.text.contains('\n') => {
            block(head, &text.text, item, level + 1, lines)
        }
        _ => lines.push((format!("{head} {}", inline(item)), place(item))),
    }
}

/// The first line of a nested item stands behind the dash.
fn list_item(pad: &str, item: &Value, level: usize, lines: &mut Vec<(String, Line)>) {
    if let Data::Text(text) = &item.data
        && text.text.contains('\n')
    {
        return block(format!("{pad}-"), &text.text, item, level + 1, lines);
    }
    let mut inner = Vec::new();
    write(item, level + 1, &mut inner);
    if let Some((first, _)) = inner.first_mut() {
        *first = format!("{pad}- {}", first.trim_start());
    }
    lines.append(&mut inner);
}

/// A literal block, which keeps line breaks.
fn block(head: String, text: &str, value: &Value, level: usize, lines: &mut Vec<(String, Line)>) {
    let keeps = if text.ends_with('\n') { "" } else { "-" };
    lines.push((format!("{head} |{keeps}"), place(value)));
    for line in text.trim_end_matches('\n').split('\n') {
        lines.push((format!("{}{line}", "  ".repeat(level)), place(value)));
    }
}

fn place(value: &Value) -> Line {
    Line {
        template: None,
        values: value.from.iter().cloned().collect(),
    }
}

fn inline(value: &Value) -> String {
    match &value.data {
        Data::Nil | Data::Files | Data::ApiVersions => "null".to_owned(),
        Data::Map(_) => "{}".to_owned(),
        Data::List(_) => "[]".to_owned(),
        Data::Text(text) => scalar(&text.text),
        // As JSON has it, whatever a template would print.
        Data::Float(_) => value.to_json().to_string(),
        _ => value.print().text,
    }
}

/// Plain where it reads back as the same text, else quoted as JSON, which is YAML.
fn scalar(text: &str) -> String {
    let is_plain = !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_alphanumeric() || "._-/".contains(c))
        && text.starts_with(|c: char| c.is_alphabetic() || c == '/')
        && !matches!(
            text.to_lowercase().as_str(),
            "true" | "false" | "yes" | "no" | "on" | "off" | "null" | "y" | "n"
        );
    match is_plain {
        true => text.to_owned(),
        false => serde_json::Value::from(text).to_string(),
    }
}
