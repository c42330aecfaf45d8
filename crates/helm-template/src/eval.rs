//! Running a template.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

use super::functions;
use super::host::Host;
use super::parse::{Base, Named, Node, Operand, Pipe};
use super::text::{Line, Text};
use super::value::{Computed, Data, STEP, Value};
use crate::place::Place;

/// What templates can reach.
pub struct Engine<'a> {
    /// Files of the chart besides its templates, by path.
    pub files: &'a BTreeMap<String, String>,
    /// Named templates of all files.
    pub named: Named,
    /// What was not understood, and where.
    pub gaps: RefCell<BTreeSet<(Place, String)>>,
    /// Bytes that may still be made or looked at.
    left: Cell<usize>,
    /// Blocks, pipes and templates in each other.
    depth: Cell<usize>,
    /// Why rendering ended, and where.
    stopped: RefCell<Option<(Option<Place>, String)>>,
}

/// A template's output; `lines` has an entry for each line of `text`.
#[derive(Debug)]
pub struct Rendered {
    pub text: String,
    pub lines: Vec<Line>,
}

/// Templates that include each other for ever end here; Helm's bound is 1000, with a larger stack.
const DEEPEST: usize = 100;
/// Blocks, pipes and templates in each other, for the stack's sake.
const MOST_NESTED: usize = 250;
/// Work of a chart in bytes made or looked at, a step being 32 of them: a million steps, below a second.
const MOST_WORK: usize = 32 << 20;
/// Bytes of one value, which is more than an object of Kubernetes may have.
const HEAVIEST: usize = 8 << 20;
/// Collections in each other in one value.
const DEEPEST_VALUE: usize = 100;
/// Widths, repetitions, and numbers of a list.
const WIDEST: usize = 10_000;
/// Places that are noted as not understood.
const MOST_GAPS: usize = 1_000;

/// How a block ended.
enum Flow {
    On,
    /// A bound was reached.
    Stop,
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

impl Host for Engine<'_> {
    fn spend(&self, bytes: usize) -> Result<(), String> {
        match self.left.get().checked_sub(bytes) {
            Some(left) => {
                self.left.set(left);
                Ok(())
            }
            None => Err(self.stop(format!(
                "the chart's templates take more than {} MiB of work, a step being {STEP} bytes",
                MOST_WORK >> 20
            ))),
        }
    }

    fn within(&self, name: &str, count: usize) -> Result<usize, String> {
        match count > WIDEST {
            true => Err(self.stop(format!(
                "`{name}` asks for {count}, and {WIDEST} is the most"
            ))),
            false => Ok(count),
        }
    }

    fn fits(&self, name: &str, bytes: usize) -> Result<(), String> {
        match bytes > HEAVIEST {
            true => Err(self.stop(format!("`{name}` makes more than {} MiB", HEAVIEST >> 20))),
            false => Ok(()),
        }
    }

    fn include(&self, name: &str, dot: Value, depth: usize) -> Result<Text, String> {
        if depth > DEEPEST {
            return Err(self.stop(format!("`{name}` includes itself without end")));
        }
        let nodes = self.named.get(name);
        let nodes = nodes.ok_or_else(|| format!("there is no template `{name}`"))?;
        self.nested(|| self.run(nodes, dot, depth + 1))
    }

    fn expand(&self, text: &str, dot: Value, depth: usize) -> Result<Text, String> {
        if depth > DEEPEST {
            return Err(self.stop("`tpl` expands itself without end".to_owned()));
        }
        self.spend(text.len() * 16)?;
        let nodes = super::parse(text, "tpl", &mut Named::new()).map_err(|(_, why)| why)?;
        self.nested(|| self.run(&nodes, dot, depth + 1))
    }
}

impl<'a> Engine<'a> {
    /// An engine with all its work before it.
    pub fn new(files: &'a BTreeMap<String, String>, named: Named) -> Self {
        Self {
            files,
            named,
            gaps: RefCell::default(),
            left: Cell::new(MOST_WORK),
            depth: Cell::new(0),
            stopped: RefCell::default(),
        }
    }

    /// Runs the template of a file; `root` is `Values`, `Release`, `Chart`, …
    ///
    /// # Errors
    /// A bound that was reached, and the template's line.
    pub fn render(&self, nodes: &[Node], root: Value) -> Result<Rendered, (Place, String)> {
        let text = self.run(nodes, root, 0);
        if let Some((place, reason)) = self.stopped.borrow().clone() {
            let place = place.unwrap_or_else(|| Place {
                file: "templates".to_owned(),
                line: 1,
            });
            return Err((place, reason));
        }
        let mut lines = text.lines;
        lines.resize(text.text.split('\n').count(), Line::default());
        Ok(Rendered {
            text: text.text,
            lines,
        })
    }

    /// Ends the rendering; the words are the error of what asked for too much.
    fn stop(&self, reason: String) -> String {
        let mut stopped = self.stopped.borrow_mut();
        stopped.get_or_insert_with(|| (None, reason.clone()));
        reason
    }

    fn is_stopped(&self) -> bool {
        self.stopped.borrow().is_some()
    }

    fn bounded(&self, name: &str, value: Value) -> Computed {
        if value.depth() > DEEPEST_VALUE {
            let reason =
                format!("`{name}` makes more than {DEEPEST_VALUE} collections in each other");
            return Err(self.stop(reason));
        }
        self.fits(name, value.weight())?;
        // Parts are shared: what they weigh is paid when they are written or compared.
        self.spend(match &value.data {
            Data::List(items) => items.len() * STEP,
            Data::Map(entries) => entries.len() * STEP,
            _ => value.weight(),
        })?;
        Ok(value)
    }

    /// One level deeper, as long as the stack lasts.
    fn nested<T>(&self, run: impl FnOnce() -> T) -> Result<T, String> {
        let depth = self.depth.get() + 1;
        if depth > MOST_NESTED {
            return Err(self.stop(format!(
                "more than {MOST_NESTED} blocks, brackets and templates in each other"
            )));
        }
        self.depth.set(depth);
        let result = run();
        self.depth.set(depth - 1);
        Ok(result)
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

    /// Notes why there is no value; where a bound was reached, its place is the innermost one.
    fn note(&self, place: &Place, why: String) {
        if let Some((at, _)) = self.stopped.borrow_mut().as_mut() {
            // Text that is a template itself stands where `tpl` is called.
            if at.is_none() && place.file != "tpl" {
                *at = Some(place.clone());
            }
            return;
        }
        let mut gaps = self.gaps.borrow_mut();
        if gaps.len() < MOST_GAPS {
            gaps.insert((place.clone(), why));
        }
    }

    fn block(&self, nodes: &[Node], frame: &mut Frame) -> Flow {
        let scope = frame.variables.len();
        let mut flow = Flow::On;
        for node in nodes {
            let paid = self.spend(STEP);
            let stepped = paid.and_then(|()| self.nested(|| self.step(node, frame)));
            flow = stepped.unwrap_or_else(|why| {
                node.place()
                    .into_iter()
                    .for_each(|place| self.note(place, why.clone()));
                Flow::Stop
            });
            if self.is_stopped() {
                node.place()
                    .into_iter()
                    .for_each(|place| self.note(place, String::new()));
                flow = Flow::Stop;
            }
            if !matches!(flow, Flow::On) {
                break;
            }
        }
        frame.variables.truncate(scope);
        flow
    }

    fn step(&self, node: &Node, frame: &mut Frame) -> Flow {
        match node {
            Node::Literal(text, place) => match self.spend(text.len()) {
                Ok(()) => frame.out.push_literal(text, place),
                Err(why) => self.note(place, why),
            },
            Node::Output(pipe) => {
                if let Some(value) = self.noted(pipe, frame) {
                    match pipe.variables.first() {
                        Some(name) => set(frame, name, value, pipe.assigns),
                        None => match self.spend(value.weight()) {
                            Ok(()) => frame.out.push(&value.print(), Some(&pipe.place)),
                            Err(why) => self.note(&pipe.place, why),
                        },
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
        let ranged = self.noted(pipe, frame).map(|value| value.data);
        let turns = match &ranged {
            Some(Data::List(items)) => items.len(),
            Some(Data::Map(entries)) => entries.len(),
            _ => 0,
        };
        // Also those of an empty body, and before the collection is copied.
        if let Err(why) = self.spend(turns * STEP) {
            self.note(&pipe.place, why);
            return Flow::Stop;
        }
        let items: Vec<(Value, Value)> = match ranged {
            Some(Data::List(items)) => {
                let items = items.take().into_iter().enumerate();
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
                let entries = entries.take().into_iter();
                entries
                    .map(|(name, item)| (key(name, &item), item))
                    .collect()
            }
            Some(Data::Int(count)) => {
                let count = usize::try_from(count).unwrap_or_default();
                let turns = self.within("range", count).unwrap_or_else(|why| {
                    self.note(&pipe.place, why);
                    0
                });
                (0..turns as i64).map(|at| (at.into(), at.into())).collect()
            }
            _ => Vec::new(),
        };
        if self.is_stopped() {
            return Flow::Stop;
        }
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
            match flow {
                Flow::Break => break,
                Flow::Stop => {
                    frame.dot = outer;
                    return Flow::Stop;
                }
                Flow::On | Flow::Continue => (),
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
            let value = functions::call(self, name, values, frame.depth)?;
            return self.bounded(name, value);
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
        let value = match &operand.base {
            Base::Dot => follow(&frame.dot, &operand.fields)?,
            Base::Variable(name) => {
                let mut variables = frame.variables.iter().rev();
                let found = variables.find(|(known, _)| known == name);
                let (_, base) = found.ok_or_else(|| format!("`${name}` is not set"))?;
                follow(base, &operand.fields)?
            }
            Base::Literal(value) => value.clone(),
            Base::Pipe(pipe) => {
                let base = self.nested(|| self.pipe(pipe, frame))??;
                follow(&base, &operand.fields)?
            }
            Base::Function(name) => {
                let base = functions::call(self, name, Vec::new(), frame.depth)?;
                follow(&base, &operand.fields)?
            }
        };
        let copied = match &value.data {
            Data::Text(text) => text.weight(),
            _ => 0,
        };
        self.spend(STEP + copied)?;
        Ok(value)
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
                self.spend(text.len() * 2)?;
                Ok(Value::list(text.lines().map(Value::from).collect()))
            }
            (Data::ApiVersions, "Has") => Ok(is_served(&argument).into()),
            _ => Err(format!("`.{method}` with arguments is not understood")),
        }
    }
}

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

fn follow(base: &Value, fields: &[String]) -> Computed {
    let mut value = base;
    for (index, field) in fields.iter().enumerate() {
        value = match &value.data {
            Data::Map(entries) => entries.get(field).unwrap_or(&Value::NIL),
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
    Ok(value.clone())
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
