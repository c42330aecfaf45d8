//! YAML whose lines are kept: a report must say where something is written.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_saphyr::Spanned;

/// A document, and the line (counted from 1) at which each of its nodes begins, by JSON pointer.
#[derive(Debug, Clone, Default)]
pub(super) struct Located {
    pub(super) value: Value,
    pub(super) lines: BTreeMap<String, usize>,
}

/// Reads one document whose first line is `first` of its file.
///
/// # Errors
/// The parser's words, with its line in the file.
pub(super) fn parse(text: &str, first: usize) -> Result<Located, String> {
    let tree: Spanned<Tree> = serde_saphyr::from_str(text).map_err(|error| words(&error, first))?;
    let mut lines = BTreeMap::new();
    let value = flatten(tree.value, "", &mut |pointer, line| {
        lines.insert(pointer, line + first - 1);
    });
    Ok(Located { value, lines })
}

/// Without the excerpt, whose lines are those of what was rendered.
fn words(error: &serde_saphyr::Error, first: usize) -> String {
    let text = error.to_string();
    let text = text.lines().next().unwrap_or_default();
    match error.location() {
        Some(location) => format!("line {}: {text}", location.line() as usize + first - 1),
        None => text.to_owned(),
    }
}

/// The documents of a file: each one's text, and the line at which it begins.
pub(super) fn documents(text: &str) -> Vec<(usize, String)> {
    let mut documents = vec![(1, String::new())];
    for (index, line) in text.lines().enumerate() {
        if line == "---" || line.starts_with("--- ") {
            documents.push((index + 2, String::new()));
        } else if let Some((_, document)) = documents.last_mut() {
            document.push_str(line);
            document.push('\n');
        }
    }
    documents.retain(|(_, document)| !is_blank(document));
    documents
}

fn is_blank(document: &str) -> bool {
    document
        .lines()
        .map(str::trim)
        .all(|line| line.is_empty() || line.starts_with('#'))
}

/// One step of a JSON pointer (RFC 6901).
pub(super) fn step(pointer: &str, key: impl fmt::Display) -> String {
    let key = key.to_string().replace('~', "~0").replace('/', "~1");
    format!("{pointer}/{key}")
}

enum Tree {
    Leaf(Value),
    List(Vec<Spanned<Tree>>),
    Map(Vec<(Spanned<String>, Spanned<Tree>)>),
}

fn flatten(tree: Tree, pointer: &str, note: &mut impl FnMut(String, usize)) -> Value {
    match tree {
        Tree::Leaf(value) => value,
        Tree::List(items) => {
            let item = |(index, item): (usize, Spanned<Tree>)| {
                let pointer = step(pointer, index);
                note(pointer.clone(), line(&item));
                flatten(item.value, &pointer, note)
            };
            items.into_iter().enumerate().map(item).collect()
        }
        Tree::Map(entries) => {
            let mut map = Map::new();
            for (key, value) in entries {
                let pointer = step(pointer, &key.value);
                note(pointer.clone(), line(&key));
                map.insert(key.value, flatten(value.value, &pointer, note));
            }
            Value::Object(map)
        }
    }
}

fn line<T>(spanned: &Spanned<T>) -> usize {
    (spanned.referenced.line() as usize).max(1)
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("YAML")
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Leaf(Value::Null))
    }

    fn visit_none<E>(self) -> Result<Tree, E> {
        Ok(Tree::Leaf(Value::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Tree, D::Error> {
        Tree::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree::Leaf(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree::Leaf(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Tree, E> {
        Ok(Tree::Leaf(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Tree, E> {
        Ok(Tree::Leaf(
            Number::from_f64(value).map_or(Value::Null, Value::Number),
        ))
    }

    fn visit_str<E>(self, value: &str) -> Result<Tree, E> {
        Ok(Tree::Leaf(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Tree, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Tree::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Tree, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = access.next_entry()? {
            entries.push(entry);
        }
        Ok(Tree::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_node_knows_its_line() {
        let text = "a:\n  b: {c: 1,\n    d: 2}\n  list:\n    - x: 1\n      y: \"2\"\n    - z\n";
        let located = parse(text, 11).expect("valid");
        let line = |pointer: &str| located.lines[pointer];
        assert_eq!(line("/a"), 11);
        assert_eq!(line("/a/b/c"), 12);
        assert_eq!(line("/a/b/d"), 13);
        assert_eq!(line("/a/list/0/y"), 16);
        assert_eq!(line("/a/list/1"), 17);
        assert_eq!(located.value["a"]["list"][0]["y"], "2");
    }

    #[test]
    fn documents_know_their_first_line() {
        let found = documents("# only words\n---\na: 1\n--- \n\n---\nb: 2\n");
        assert_eq!(found, [(3, "a: 1\n".to_owned()), (7, "b: 2\n".to_owned())]);
    }
}
