//! YAML as `sigs.k8s.io/yaml` reads it, which Helm and kubectl read with: booleans and octal numbers of YAML 1.1, the
//! last of two equal keys, `<<`. Lines are kept, since a report must say where something is written.
//!
//! The recorded answers of that library are the measure (crates/helm-template/tests/yaml).

mod scalar;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::rc::Rc;

use granit_parser::{Event, Parser, ScalarStyle, Span, StrInput, Tag};
use serde_json::{Map, Value};

use super::number::go_float;

/// A document, and the line (counted from 1) at which each of its nodes begins, by JSON pointer.
#[derive(Debug, Clone, Default)]
pub struct Located {
    /// The document.
    pub value: Value,
    /// Lines by JSON pointer.
    pub lines: BTreeMap<String, usize>,
    /// Keys that stand twice in one map: pointer, line of the one that is overwritten, line of the one that holds.
    pub repeated: Vec<(String, usize, usize)>,
}

/// What cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The line in the file, counted from 1.
    pub line: usize,
    /// The parser's words.
    pub reason: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "line {}: {}", self.line, self.reason)
    }
}

/// Nodes of a document, aliases expanded: what needs more is an attack, or data and no text that anybody wrote.
const MOST_NODES: usize = 1_000_000;
/// Bytes of keys, scalars and pointers of a document, aliases expanded.
const MOST_BYTES: usize = 128 << 20;
/// Collections in each other; below what overflows a thread's stack.
const DEEPEST: usize = 100;

/// Reads one document whose first line is `first` of its file.
///
/// # Errors
/// The parser's words, with its line in the file.
pub fn parse(text: &str, first: usize) -> Result<Located, Fault> {
    let moved = |fault: Fault| Fault {
        line: fault.line + first - 1,
        ..fault
    };
    let mut builder = Builder::new(text);
    let tree = builder.document().map_err(moved)?;
    let mut located = Located {
        repeated: Vec::new(),
        ..Located::default()
    };
    let mut flat = Flat {
        lines: &mut located.lines,
        repeated: &mut located.repeated,
        first,
        nodes: MOST_NODES,
        bytes: MOST_BYTES,
    };
    located.value = flat.value(&tree, "").map_err(moved)?;
    Ok(located)
}

/// The values of JSON, one behind another; their lines are not known, but for the first one's.
pub fn json(text: &str, first: usize) -> Option<Vec<Located>> {
    if !text.trim_start().starts_with('{') {
        return None;
    }
    let values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    let located = values.map(|value| {
        Some(Located {
            value: value.ok()?,
            lines: BTreeMap::from([("/kind".to_owned(), first)]),
            repeated: Vec::new(),
        })
    });
    located.collect()
}

/// The documents of a file: each one's text, and the line at which it begins.
pub fn documents(text: &str) -> Vec<(usize, String)> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut documents = vec![(1, String::new())];
    for (index, line) in text.lines().enumerate() {
        if let Some(rest) = after_marker(line) {
            let begins = match rest.trim_start() {
                "" => (index + 2, String::new()),
                comment if comment.starts_with('#') => (index + 2, String::new()),
                // Content behind the marker is the document's.
                _ => (index + 1, format!("   {rest}\n")),
            };
            documents.push(begins);
        } else if let Some((_, document)) = documents.last_mut() {
            document.push_str(line);
            document.push('\n');
        }
    }
    documents.retain(|(_, document)| !is_blank(document));
    documents
}

/// What stands behind `---` at the beginning of a line.
fn after_marker(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("---")?;
    (rest.is_empty() || rest.starts_with([' ', '\t'])).then_some(rest)
}

/// Whether it holds comments, directives and marks alone.
fn is_blank(document: &str) -> bool {
    document
        .lines()
        .map(str::trim)
        .all(|line| line.is_empty() || line == "..." || line.starts_with(['#', '%']))
}

/// One step of a JSON pointer (RFC 6901).
pub fn step(pointer: &str, key: impl fmt::Display) -> String {
    let key = key.to_string().replace('~', "~0").replace('/', "~1");
    format!("{pointer}/{key}")
}

struct Node {
    line: usize,
    tree: Tree,
}

enum Tree {
    Leaf(Value),
    List(Vec<Rc<Node>>),
    Map(Entries),
}

/// Keys in the order in which they were first set.
#[derive(Default)]
struct Entries {
    keys: Vec<Entry>,
    index: HashMap<String, usize>,
}

struct Entry {
    key: String,
    line: usize,
    value: Rc<Node>,
    /// Lines at which it was set before.
    before: Vec<usize>,
}

impl Entries {
    /// The last of two equal keys holds; what `<<` brings is no repetition.
    fn set(&mut self, key: String, line: usize, value: Rc<Node>, is_merged: bool) {
        match self.index.get(&key).map(|at| &mut self.keys[*at]) {
            Some(entry) => {
                if !is_merged && entry.line > 0 {
                    entry.before.push(entry.line);
                }
                entry.line = if is_merged { 0 } else { line };
                entry.value = value;
            }
            None => {
                self.index.insert(key.clone(), self.keys.len());
                self.keys.push(Entry {
                    key,
                    line: if is_merged { 0 } else { line },
                    value,
                    before: Vec::new(),
                });
            }
        }
    }
}

/// Events → nodes. Aliases share their node, so nothing grows here.
struct Builder<'t> {
    events: Parser<'t, StrInput<'t>>,
    anchors: HashMap<usize, Rc<Node>>,
    depth: usize,
}

type Built<T> = Result<T, Fault>;

fn fault<T>(line: usize, reason: impl Into<String>) -> Built<T> {
    Err(Fault {
        line,
        reason: reason.into(),
    })
}

impl<'t> Builder<'t> {
    fn new(text: &'t str) -> Self {
        let options = granit_parser::options! { emit_comments: false };
        Self {
            events: Parser::new_from_str_with_options(text, options),
            anchors: HashMap::new(),
            depth: 0,
        }
    }

    /// The first document; null where there is none.
    fn document(&mut self) -> Built<Rc<Node>> {
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamStart | Event::DocumentStart(..) => (),
                Event::StreamEnd | Event::DocumentEnd => {
                    return Ok(leaf(line(&span), Value::Null));
                }
                event => {
                    let node = self.node(event, &span)?;
                    // What cannot follow the node is an error of the document.
                    self.next()?;
                    return Ok(node);
                }
            }
        }
    }

    fn next(&mut self) -> Built<(Event<'t>, Span)> {
        match self.events.next_event() {
            Some(Ok(found)) => Ok(found),
            Some(Err(error)) => fault(error.marker().line().max(1), error.info()),
            None => fault(1, "it ends in the middle"),
        }
    }

    fn node(&mut self, event: Event<'t>, span: &Span) -> Built<Rc<Node>> {
        let at = line(span);
        let (anchor, node) = match event {
            Event::Alias(id) => {
                let known = self.anchors.get(&id).cloned();
                return known.map_or_else(|| fault(at, "an anchor holds itself"), Ok);
            }
            Event::Scalar(text, style, anchor, tag) => {
                let is_plain = style == ScalarStyle::Plain;
                let tag = tag.as_deref().map(kind_of_tag);
                let value = scalar::value(&text, is_plain, tag);
                (anchor, leaf(at, value.or_else(|reason| fault(at, reason))?))
            }
            Event::SequenceStart(_, anchor, _) => (anchor, self.list(at)?),
            Event::MappingStart(_, anchor, _) => (anchor, self.map(at)?),
            _ => return fault(at, "it ends in the middle"),
        };
        if anchor > 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        Ok(node)
    }

    fn deeper(&mut self, at: usize) -> Built<()> {
        self.depth += 1;
        match self.depth > DEEPEST {
            true => fault(at, format!("more than {DEEPEST} collections in each other")),
            false => Ok(()),
        }
    }

    fn list(&mut self, at: usize) -> Built<Rc<Node>> {
        self.deeper(at)?;
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => break,
                (event, span) => items.push(self.node(event, &span)?),
            }
        }
        self.depth -= 1;
        let tree = Tree::List(items);
        Ok(Rc::new(Node { line: at, tree }))
    }

    fn map(&mut self, at: usize) -> Built<Rc<Node>> {
        self.deeper(at)?;
        let mut entries = Entries::default();
        loop {
            let (event, span) = self.next()?;
            if let Event::MappingEnd = event {
                break;
            }
            let line = line(&span);
            let merges =
                matches!(&event, Event::Scalar(text, ScalarStyle::Plain, _, None) if text == "<<");
            let key = self.node(event, &span)?;
            let (event, span) = self.next()?;
            let value = self.node(event, &span)?;
            match merges {
                true => merge(&mut entries, &value)?,
                false => entries.set(key_text(&key)?, line, value, false),
            }
        }
        self.depth -= 1;
        let tree = Tree::Map(entries);
        Ok(Rc::new(Node { line: at, tree }))
    }
}

/// The suffix of YAML's own tags; others say nothing.
fn kind_of_tag(tag: &Tag) -> &str {
    match tag.parts() {
        ("tag:yaml.org,2002:", suffix) => suffix,
        _ => "custom",
    }
}

fn line(span: &Span) -> usize {
    span.start.line().max(1)
}

fn leaf(line: usize, value: Value) -> Rc<Node> {
    let tree = Tree::Leaf(value);
    Rc::new(Node { line, tree })
}

/// A key that is no text becomes one, as JSON needs it.
fn key_text(key: &Node) -> Built<String> {
    match &key.tree {
        Tree::Leaf(Value::String(text)) => Ok(text.clone()),
        Tree::Leaf(Value::Bool(value)) => Ok(value.to_string()),
        Tree::Leaf(Value::Number(number)) => match number.as_i64() {
            Some(number) => Ok(number.to_string()),
            None if number.is_u64() => fault(key.line, "a number is too large for a key"),
            None => Ok(go_float(number.as_f64().unwrap_or_default())),
        },
        Tree::Leaf(_) => fault(key.line, "null is not allowed as a key"),
        _ => fault(key.line, "a list or a map is not allowed as a key"),
    }
}

/// `<<`: of several maps the first one wins, so the last is set first.
fn merge(entries: &mut Entries, value: &Rc<Node>) -> Built<()> {
    let refused = |line| fault(line, "`<<` takes a map, or a list of maps");
    let maps = match &value.tree {
        Tree::Map(_) => vec![value],
        Tree::List(items) => items.iter().rev().collect(),
        Tree::Leaf(_) => return refused(value.line),
    };
    for map in maps {
        let Tree::Map(merged) = &map.tree else {
            return refused(map.line);
        };
        for entry in &merged.keys {
            entries.set(entry.key.clone(), entry.line, Rc::clone(&entry.value), true);
        }
    }
    Ok(())
}

/// Nodes → JSON and lines, aliases expanded, within bounds.
struct Flat<'l> {
    lines: &'l mut BTreeMap<String, usize>,
    repeated: &'l mut Vec<(String, usize, usize)>,
    first: usize,
    nodes: usize,
    bytes: usize,
}

impl Flat<'_> {
    fn value(&mut self, node: &Node, pointer: &str) -> Built<Value> {
        match &node.tree {
            Tree::Leaf(value) => {
                let length = value.as_str().map_or(0, str::len);
                self.spend(node.line, length)?;
                Ok(value.clone())
            }
            Tree::List(items) => {
                let mut list = Vec::new();
                for (index, item) in items.iter().enumerate() {
                    let pointer = step(pointer, index);
                    self.note(&pointer, item.line)?;
                    list.push(self.value(item, &pointer)?);
                }
                Ok(list.into())
            }
            Tree::Map(entries) => {
                let mut map = Map::new();
                for entry in &entries.keys {
                    let pointer = step(pointer, &entry.key);
                    // What a merge brings stands where it was written first.
                    let line = if entry.line > 0 {
                        entry.line
                    } else {
                        entry.value.line
                    };
                    self.note(&pointer, line)?;
                    for before in &entry.before {
                        let lines = [*before, line].map(|line| line + self.first - 1);
                        self.repeated.push((pointer.clone(), lines[0], lines[1]));
                    }
                    map.insert(entry.key.clone(), self.value(&entry.value, &pointer)?);
                }
                Ok(map.into())
            }
        }
    }

    fn note(&mut self, pointer: &str, line: usize) -> Built<()> {
        self.spend(line, pointer.len())?;
        self.lines.insert(pointer.to_owned(), line + self.first - 1);
        Ok(())
    }

    fn spend(&mut self, line: usize, bytes: usize) -> Built<()> {
        let left = (self.nodes.checked_sub(1), self.bytes.checked_sub(bytes));
        let (Some(nodes), Some(bytes)) = left else {
            return fault(
                line,
                format!(
                    "more than {MOST_NODES} values, or {} MiB of them, aliases counted as often as they stand",
                    MOST_BYTES >> 20
                ),
            );
        };
        (self.nodes, self.bytes) = (nodes, bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_node_knows_its_line() {
        let text = "a:\n  b: {c: 1,\n    d: 2}\n  list:\n    - p: 1\n      q: \"2\"\n    - z\n";
        let located = parse(text, 11).expect("valid");
        let line = |pointer: &str| located.lines[pointer];
        assert_eq!(line("/a"), 11);
        assert_eq!(line("/a/b/c"), 12);
        assert_eq!(line("/a/b/d"), 13);
        assert_eq!(line("/a/list/0/q"), 16);
        assert_eq!(line("/a/list/1"), 17);
        assert_eq!(located.value["a"]["list"][0]["q"], "2");
    }

    #[test]
    fn documents_know_their_first_line() {
        let found = documents(
            "\u{feff}# only words\n---\na: 1\n--- \n\n---\t# more\nb: 2\n...\n--- {c: 3}\n",
        );
        let expected = [
            (3, "a: 1\n".to_owned()),
            (7, "b: 2\n...\n".to_owned()),
            (9, "    {c: 3}\n".to_owned()),
        ];
        assert_eq!(found, expected);
    }

    /// Read though the library refuses them, or refused though it reads them: no manifest has them.
    const OTHERWISE: [&str; 4] = [
        "...\n",
        "\ta: 1\n",
        "a: {\n\tb: 1\n}\n",
        "{\"a\": 1, \"b\": [true, null, \"x\\/y\", \"\\ud83d\\ude00\"]}",
    ];

    /// Each line is a text, and what the library makes of it: a value, or an error.
    #[test]
    fn values_are_those_of_the_library() {
        let recorded = include_str!("../tests/yaml/sigs.jsonl");
        let mut wrong = Vec::new();
        for line in recorded.lines() {
            let (text, expected): (String, Value) = serde_json::from_str(line).expect("recorded");
            let found = parse(&text, 1).map(|located| located.value);
            let is_same = match (&found, expected.get("value")) {
                (Ok(found), Some(value)) => is_equal(found, value),
                (found, expected) => found.is_err() && expected.is_none(),
            };
            if !is_same && !OTHERWISE.contains(&text.as_str()) {
                wrong.push(format!("{text:?}: {found:?}, and not {expected}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    /// JSON writes `1e21` where `serde_json` writes the same number otherwise.
    fn is_equal(one: &Value, other: &Value) -> bool {
        match (one, other) {
            (Value::Number(one), Value::Number(other)) => one.as_f64() == other.as_f64(),
            (Value::Array(one), Value::Array(other)) => {
                one.len() == other.len() && one.iter().zip(other).all(|(a, b)| is_equal(a, b))
            }
            (Value::Object(one), Value::Object(other)) => {
                let is_in = |(key, value): (&String, &Value)| {
                    other.get(key).is_some_and(|found| is_equal(value, found))
                };
                one.len() == other.len() && one.iter().all(is_in)
            }
            _ => one == other,
        }
    }

    #[test]
    fn the_last_of_equal_keys_holds_and_both_lines_are_known() {
        let located = parse("a: {x: 1}\nb: 1\na: {y: 2}\n", 5).expect("valid");
        assert_eq!(
            located.value,
            serde_json::json!({ "a": { "true": 2 }, "b": 1 })
        );
        assert_eq!(located.repeated, [("/a".to_owned(), 5, 7)]);
        assert_eq!(located.lines.get("/a/x"), None);
    }

    /// A thousand comments before a node, which a parser that keeps comments refuses.
    #[test]
    fn comments_are_never_too_many() {
        let text = format!("jobs:\n{}b: 2\n", "    # a comment\n".repeat(1_000));
        let located = parse(&text, 1).expect("valid");
        assert_eq!(located.value, serde_json::json!({ "jobs": null, "b": 2 }));
        assert_eq!(located.lines["/b"], 1_002);
    }

    /// Nine lists of nine aliases each: 3 GB of values from 400 bytes.
    #[test]
    fn aliases_are_counted_as_often_as_they_stand() {
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..10 {
            let items = vec![format!("*a{}", level - 1); 9].join(", ");
            bomb.push_str(&format!("a{level}: &a{level} [{items}]\n"));
        }
        let fault = parse(&bomb, 1).expect_err("too many");
        assert!(fault.reason.contains("aliases"), "{fault}");
        let long = format!(
            "a: &a {}\nb: [{}]\n",
            "x".repeat(100_000),
            "*a, ".repeat(5_000)
        );
        assert!(parse(&long, 1).is_err(), "500 MB of text");
    }

    #[test]
    fn collections_in_each_other_have_an_end() {
        for (open, close) in [("[", "]"), ("{a: ", "}"), ("- ", ""), ("? ", "")] {
            for depth in [200, 100_000] {
                let text = format!("{}x{}", open.repeat(depth), close.repeat(depth));
                assert!(parse(&text, 1).is_err(), "{depth} of `{open}`");
            }
        }
        // Long keys make long pointers.
        let key = format!("{{{}: ", "k".repeat(1_000));
        let leaves = "x, ".repeat(100_000);
        let text = format!("{}[{leaves}]{}", key.repeat(90), "}".repeat(90));
        assert!(parse(&text, 1).is_err(), "9 GB of pointers");
    }
}
