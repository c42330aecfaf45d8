//! Running a template.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use super::functions;
use super::parse::{Base, Named, Node, Operand, Pipe};
use super::text::{Line, Text};
use super::value::{Data, Value};
use crate::import::Place;

/// What templates can reach.
pub(in crate::import) struct Engine<'a> {
    /// Files of the chart besides its templates, by path.
    pub(in crate::import) files: &'a BTreeMap<String, String>,
    /// Named templates of all files.
    pub(in crate::import) named: Named,
    /// What was not understood, and where.
    pub(in crate::import) gaps: RefCell<BTreeSet<(Place, String)>>,
}

/// A template's output; `lines` has an entry for each line of `text`.
#[derive(Debug)]
pub(in crate::import) struct Rendered {
    pub(in crate::import) text: String,
    pub(in crate::import) lines: Vec<Line>,
}

/// Why a value cannot be computed.
pub(super) type Computed = Result<Value, String>;

/// Templates that include each other for ever end here; Helm's bound is 1000, with a larger stack.
const DEEPEST: usize = 100;

/// How a block ended.
enum Flow {
    On,
    Break,
    Continue,
}

/// What a running template sees.
struct Frame {
    dot: Value,
    variables: Vec<(String, Value)>,
    out: Text,
    depth: usize,
}

impl Engine<'_> {
    /// Runs the template of a file; `root` is `Values`, `Release`, `Chart`, …
    pub(in crate::import) fn render(&self, nodes: &[Node], root: Value) -> Rendered {
        let text = self.run(nodes, root, 0);
        let mut lines = text.lines;
        lines.resize(text.text.split('\n').count(), Line::default());
        Rendered {
            text: text.text,
            lines,
        }
    }

    fn run(&self, nodes: &[Node], dot: Value, depth: usize) -> Text {
        let mut frame = Frame {
            variables: vec![(String::new(), dot.clone())],
            dot,
            out: Text::default(),
            depth,
        };
        self.block(nodes, &mut frame);
        frame.out
    }

    /// A named template's output.
    pub(super) fn include(&self, name: &str, dot: Value, depth: usize) -> Result<Text, String> {
        if depth > DEEPEST {
            return Err(format!("`{name}` includes itself without end"));
        }
        let nodes = self.named.get(name);
        let nodes = nodes.ok_or_else(|| format!("there is no template `{name}`"))?;
        Ok(self.run(nodes, dot, depth + 1))
    }

    /// `tpl`: text that is a template itself.
    pub(super) fn expand(&self, text: &str, dot: Value, depth: usize) -> Result<Text, String> {
        if depth > DEEPEST {
            return Err("`tpl` expands itself without end".to_owned());
        }
        let nodes = super::parse(text, "tpl", &mut Named::new()).map_err(|(_, why)| why)?;
        Ok(self.run(&nodes, dot, depth + 1))
    }

    fn note(&self, place: &Place, why: String) {
        self.gaps.borrow_mut().insert((place.clone(), why));
    }

    fn block(&self, nodes: &[Node], frame: &mut Frame) -> Flow {
        let scope = frame.variables.len();
        for node in nodes {
            match self.step(node, frame) {
                Flow::On => (),
                other => {
                    frame.variables.truncate(scope);
                    return other;
                }
            }
        }
        frame.variables.truncate(scope);
        Flow::On
    }

    fn step(&self, node: &Node, frame: &mut Frame) -> Flow {
        match node {
            Node::Literal(text, place) => frame.out.push_literal(text, place),
            Node::Output(pipe) => {
                if let Some(value) = self.noted(pipe, frame) {
                    match pipe.variables.first() {
                        Some(name) => set(frame, name, value, pipe.assigns),
                        None => frame.out.push(&value.print(), Some(&pipe.place)),
                    }
                }
            }
            Node::If(branches, otherwise) => {
                let scope = frame.variables.len();
                let taken = branches.iter().find(|(condition, _)| {
                    self.declared(condition, frame)
                        .is_some_and(|value| value.is_true())
                });
                let flow = self.block(taken.map_or(otherwise, |(_, body)| body), frame);
                frame.variables.truncate(scope);
                return flow;
            }
            Node::With(pipe, body, otherwise) => {
                let scope = frame.variables.len();
                let value = self.declared(pipe, frame).unwrap_or(Value::NIL);
                let flow = match value.is_true() {
                    true => {
                        let outer = std::mem::replace(&mut frame.dot, value);
                        let flow = self.block(body, frame);
                        frame.dot = outer;
                        flow
                    }
                    false => self.block(otherwise, frame),
                };
                frame.variables.truncate(scope);
                return flow;
            }
            Node::Range(pipe, body, otherwise) => return self.range(pipe, body, otherwise, frame),
            Node::Template(name, argument, place) => {
                let dot = match argument {
                    Some(pipe) => self.noted(pipe, frame).unwrap_or(Value::NIL),
                    None => Value::NIL,
                };
                match self.include(&name.print().text, dot, frame.depth) {
                    Ok(text) => frame.out.push(&text, Some(place)),
                    Err(why) => self.note(place, why),
                }
            }
            Node::Break => return Flow::Break,
            Node::Continue => return Flow::Continue,
        }
        Flow::On
    }

    fn range(&self, pipe: &Pipe, body: &[Node], otherwise: &[Node], frame: &mut Frame) -> Flow {
        let items: Vec<(Value, Value)> = match self.noted(pipe, frame).map(|value| value.data) {
            Some(Data::List(items)) => {
                let items = items.into_iter().enumerate();
                items
                    .map(|(index, item)| ((index as i64).into(), item))
                    .collect()
            }
            Some(Data::Map(entries)) => {
                // A key stands where its value does.
                let key = |key: String, item: &Value| Value {
                    from: item.from.clone(),
                    ..key.into()
                };
                entries
                    .into_iter()
                    .map(|(name, item)| (key(name, &item), item))
                    .collect()
            }
            Some(Data::Int(count)) => (0..count.min(MOST_TURNS))
                .map(|at| (at.into(), at.into()))
                .collect(),
            _ => Vec::new(),
        };
        if items.is_empty() {
            return self.block(otherwise, frame);
        }
        let (scope, outer) = (frame.variables.len(), frame.dot.clone());
        for (key, item) in items {
            match pipe.variables.as_slice() {
                [] => (),
                [value] => frame.variables.push((value.clone(), item.clone())),
                [index, value, ..] => {
                    frame.variables.push((index.clone(), key));
                    frame.variables.push((value.clone(), item.clone()));
                }
            }
            frame.dot = item;
            let flow = self.block(body, frame);
            frame.variables.truncate(scope);
            if let Flow::Break = flow {
                break;
            }
        }
        frame.dot = outer;
        Flow::On
    }

    /// The value of a condition, with the variable that it declares.
    fn declared(&self, pipe: &Pipe, frame: &mut Frame) -> Option<Value> {
        let value = self.noted(pipe, frame)?;
        if let Some(name) = pipe.variables.first() {
            set(frame, name, value.clone(), pipe.assigns);
        }
        Some(value)
    }

    /// The value; why there is none is noted.
    fn noted(&self, pipe: &Pipe, frame: &Frame) -> Option<Value> {
        match self.pipe(pipe, frame) {
            Ok(value) => Some(value),
            Err(why) => {
                self.note(&pipe.place, why);
                None
            }
        }
    }

    fn pipe(&self, pipe: &Pipe, frame: &Frame) -> Computed {
        let mut last = None;
        for command in &pipe.commands {
            last = Some(self.command(command, last, frame)?);
        }
        last.ok_or_else(|| "an empty action".to_owned())
    }

    fn command(&self, command: &[Operand], piped: Option<Value>, frame: &Frame) -> Computed {
        let Some((first, arguments)) = command.split_first() else {
            return Err("an empty command".to_owned());
        };
        if let (Base::Function(name), true) = (&first.base, first.fields.is_empty()) {
            if let "and" | "or" = name.as_str() {
                return self.short_circuit(name == "and", arguments, piped, frame);
            }
            let mut values = self.operands(arguments, frame)?;
            values.extend(piped);
            return functions::call(self, name, values, frame.depth);
        }
        if arguments.is_empty() && piped.is_none() {
            return self.operand(first, frame);
        }
        self.method(first, arguments, piped, frame)
    }

    /// Go evaluates no more than it needs.
    fn short_circuit(
        &self,
        is_and: bool,
        arguments: &[Operand],
        piped: Option<Value>,
        frame: &Frame,
    ) -> Computed {
        let mut last = Value::NIL;
        for argument in arguments {
            last = self.operand(argument, frame)?;
            if last.is_true() != is_and {
                return Ok(last);
            }
        }
        Ok(piped.unwrap_or(last))
    }

    fn operands(&self, operands: &[Operand], frame: &Frame) -> Result<Vec<Value>, String> {
        operands
            .iter()
            .map(|operand| self.operand(operand, frame))
            .collect()
    }

    fn operand(&self, operand: &Operand, frame: &Frame) -> Computed {
        let base = match &operand.base {
            Base::Dot => frame.dot.clone(),
            Base::Variable(name) => {
                let mut variables = frame.variables.iter().rev();
                let found = variables.find(|(known, _)| known == name);
                found
                    .map(|(_, value)| value.clone())
                    .ok_or_else(|| format!("`${name}` is not set"))?
            }
            Base::Literal(value) => value.clone(),
            Base::Pipe(pipe) => self.pipe(pipe, frame)?,
            Base::Function(name) => functions::call(self, name, Vec::new(), frame.depth)?,
        };
        follow(base, &operand.fields)
    }

    /// `.Files.Get "NAME"`, `.Capabilities.APIVersions.Has "GROUP/VERSION"`
    fn method(
        &self,
        first: &Operand,
        arguments: &[Operand],
        piped: Option<Value>,
        frame: &Frame,
    ) -> Computed {
        let Some((method, path)) = first.fields.split_last() else {
            return Err("a value is called like a function".to_owned());
        };
        let owner = Operand {
            base: first.base.clone(),
            fields: path.to_vec(),
        };
        let owner = self.operand(&owner, frame)?;
        let mut values = self.operands(arguments, frame)?;
        values.extend(piped);
        let argument = values
            .first()
            .map(|value| value.print().text)
            .unwrap_or_default();
        match (&owner.data, method.as_str()) {
            (Data::Files, "Get") => Ok(self
                .files
                .get(&argument)
                .cloned()
                .unwrap_or_default()
                .into()),
            (Data::Files, "Lines") => {
                let text = self.files.get(&argument).cloned().unwrap_or_default();
                Ok(Data::List(text.lines().map(Value::from).collect()).into())
            }
            (Data::ApiVersions, "Has") => Ok(is_served(&argument).into()),
            _ => Err(format!("`.{method}` with arguments is not understood")),
        }
    }
}

/// A number in a values file must not keep us busy for ever.
const MOST_TURNS: i64 = 1_000;

fn set(frame: &mut Frame, name: &str, value: Value, assigns: bool) {
    let known = match assigns {
        true => frame
            .variables
            .iter_mut()
            .rev()
            .find(|(known, _)| known == name),
        false => None,
    };
    match known {
        Some((_, slot)) => *slot = value,
        None => frame.variables.push((name.to_owned(), value)),
    }
}

fn follow(base: Value, fields: &[String]) -> Computed {
    let mut value = base;
    for (index, field) in fields.iter().enumerate() {
        value = match &value.data {
            Data::Map(entries) => entries.get(field).cloned().unwrap_or(Value::NIL),
            // A chart that reads below what is not set stops in Helm.
            Data::Nil if index > 0 => {
                return Err(format!(
                    "`.{}` is read, and `.{}` is not set",
                    fields.join("."),
                    fields[..index].join(".")
                ));
            }
            _ => return Err(format!("`.{}` cannot be read", fields[..=index].join("."))),
        };
    }
    Ok(value)
}

/// Whether a cluster without extensions serves it.
fn is_served(group_version: &str) -> bool {
    let group = group_version.split('/').next().unwrap_or_default();
    const GROUPS: [&str; 9] = [
        "v1",
        "apps",
        "autoscaling",
        "batch",
        "networking.k8s.io",
        "policy",
        "rbac.authorization.k8s.io",
        "storage.k8s.io",
        "apiextensions.k8s.io",
    ];
    const GONE: [&str; 5] = [
        "policy/v1beta1",
        "autoscaling/v2beta1",
        "autoscaling/v2beta2",
        "networking.k8s.io/v1beta1",
        "batch/v1beta1",
    ];
    GROUPS.contains(&group) && !GONE.iter().any(|gone| group_version.starts_with(gone))
}
