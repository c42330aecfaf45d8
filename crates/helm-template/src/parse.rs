//! Pieces → a tree of what the template does.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::vec::IntoIter;

use super::lex::{Piece, Token, pieces};
use super::value::Value;
use crate::place::Place;

/// One step of a template.
#[derive(Debug, Clone)]
pub enum Node {
    /// Text that is copied.
    Literal(String, Place),
    /// `{{ … }}`
    Output(Pipe),
    /// `if`: conditions with their bodies, and the body of `else`.
    If(Vec<(Pipe, Vec<Node>)>, Vec<Node>),
    /// `with`: its value, its body, and the body of `else`.
    With(Pipe, Vec<Node>, Vec<Node>),
    /// `range`: what it goes over, its body, and the body of `else`.
    Range(Pipe, Vec<Node>, Vec<Node>),
    /// `template`: its name and its argument.
    Template(Value, Option<Pipe>, Place),
    /// `break`
    Break,
    /// `continue`
    Continue,
}

impl Node {
    /// Where it is written; `break` and `continue` are not known.
    pub(super) fn place(&self) -> Option<&Place> {
        match self {
            Node::Literal(_, place) | Node::Template(_, _, place) => Some(place),
            Node::Output(pipe) | Node::With(pipe, ..) | Node::Range(pipe, ..) => Some(&pipe.place),
            Node::If(branches, _) => branches.first().map(|(pipe, _)| &pipe.place),
            Node::Break | Node::Continue => None,
        }
    }
}

/// `$a, $b := command | command`
#[derive(Debug, Clone)]
pub struct Pipe {
    pub(super) variables: Vec<String>,
    /// `=` instead of `:=`
    pub(super) assigns: bool,
    pub(super) commands: Vec<Vec<Operand>>,
    pub(super) place: Place,
}

/// `(base).field.field`
#[derive(Debug, Clone)]
pub(super) struct Operand {
    pub(super) base: Base,
    pub(super) fields: Vec<String>,
}

#[derive(Debug, Clone)]
pub(super) enum Base {
    Dot,
    Variable(String),
    Literal(Value),
    Function(String),
    Pipe(Pipe),
}

/// Named templates (`define`), by name.
pub(super) type Named = BTreeMap<String, Vec<Node>>;

/// Reads a template file; what it defines is added to `named`.
///
/// # Errors
/// What is not understood, and its place.
pub fn parse(text: &str, file: &str, named: &mut Named) -> Result<Vec<Node>, (Place, String)> {
    let at = |line| Place {
        file: file.to_owned(),
        line,
    };
    let pieces = pieces(text).map_err(|(line, why)| (at(line), why))?;
    let mut parser = Parser {
        pieces: pieces.into_iter().peekable(),
        file,
        named,
        depth: 0,
    };
    let (nodes, end) = parser.block()?;
    match end {
        Closed::ByFile => Ok(nodes),
        Closed::End(place) | Closed::Else(_, place) => {
            Err((place, "`end` or `else` closes nothing".to_owned()))
        }
    }
}

/// How a block ended: an `else` carries the words after it.
enum Closed {
    ByFile,
    End(Place),
    Else(Vec<Token>, Place),
}

struct Parser<'a> {
    pieces: Peekable<IntoIter<Piece>>,
    file: &'a str,
    named: &'a mut Named,
    depth: usize,
}

/// Blocks, or brackets, in each other.
const DEEPEST: usize = 60;

type Parsed<T> = Result<T, (Place, String)>;

impl Parser<'_> {
    fn at(&self, line: usize) -> Place {
        Place {
            file: self.file.to_owned(),
            line,
        }
    }

    fn block(&mut self) -> Parsed<(Vec<Node>, Closed)> {
        self.depth += 1;
        let block = self.nodes();
        self.depth -= 1;
        block
    }

    fn nodes(&mut self) -> Parsed<(Vec<Node>, Closed)> {
        let mut nodes = Vec::new();
        while let Some(piece) = self.pieces.next() {
            let (tokens, line) = match piece {
                Piece::Literal(text, line) => {
                    nodes.push(Node::Literal(text, self.at(line)));
                    continue;
                }
                Piece::Action(tokens, line) => (tokens, line),
            };
            let place = self.at(line);
            if self.depth > DEEPEST {
                return Err((place, format!("more than {DEEPEST} blocks in each other")));
            }
            let keyword = match tokens.first() {
                Some(Token::Word(word)) => word.as_str(),
                _ => "",
            };
            let rest = || trimmed(&tokens[1..]);
            match keyword {
                "end" => return Ok((nodes, Closed::End(place))),
                "else" => return Ok((nodes, Closed::Else(rest(), place))),
                "if" => nodes.push(self.conditional(rest(), place)?),
                "with" | "range" => {
                    let pipe = pipe(rest(), &place)?;
                    let (body, otherwise) = self.body_and_else(&place)?;
                    nodes.push(match keyword {
                        "with" => Node::With(pipe, body, otherwise),
                        _ => Node::Range(pipe, body, otherwise),
                    });
                }
                "define" | "block" => {
                    let words = rest();
                    let Some(Token::Literal(name)) = words.first() else {
                        return Err((place, format!("`{keyword}` has no name")));
                    };
                    let (body, _) = self.block()?;
                    self.named.insert(name.print().text, body);
                    if keyword == "block" {
                        let pipe = pipe(trimmed(&words[1..]), &place)?;
                        nodes.push(Node::Template(name.clone(), Some(pipe), place));
                    }
                }
                "template" => {
                    let words = rest();
                    let Some(Token::Literal(name)) = words.first() else {
                        return Err((place, "`template` has no name".to_owned()));
                    };
                    let argument = trimmed(&words[1..]);
                    let argument = match argument.is_empty() {
                        true => None,
                        false => Some(pipe(argument, &place)?),
                    };
                    nodes.push(Node::Template(name.clone(), argument, place));
                }
                "break" => nodes.push(Node::Break),
                "continue" => nodes.push(Node::Continue),
                _ => nodes.push(Node::Output(pipe(trimmed(&tokens), &place)?)),
            }
        }
        Ok((nodes, Closed::ByFile))
    }

    fn conditional(&mut self, condition: Vec<Token>, place: Place) -> Parsed<Node> {
        let mut branches = Vec::new();
        let mut condition = pipe(condition, &place)?;
        loop {
            let (body, end) = self.block()?;
            branches.push((condition, body));
            match end {
                Closed::End(_) => return Ok(Node::If(branches, Vec::new())),
                Closed::ByFile => return Err((place, "`if` has no `end`".to_owned())),
                Closed::Else(words, place) => match words.first() {
                    Some(Token::Word(word)) if word == "if" => {
                        condition = pipe(trimmed(&words[1..]), &place)?;
                    }
                    _ => {
                        let (otherwise, _) = self.block()?;
                        return Ok(Node::If(branches, otherwise));
                    }
                },
            }
        }
    }

    fn body_and_else(&mut self, place: &Place) -> Parsed<(Vec<Node>, Vec<Node>)> {
        let (body, end) = self.block()?;
        match end {
            Closed::End(_) => Ok((body, Vec::new())),
            Closed::ByFile => Err((place.clone(), "a block has no `end`".to_owned())),
            Closed::Else(words, place) => {
                if !words.is_empty() {
                    return Err((place, "`else with` is not understood".to_owned()));
                }
                let (otherwise, _) = self.block()?;
                Ok((body, otherwise))
            }
        }
    }
}

fn trimmed(tokens: &[Token]) -> Vec<Token> {
    let is_space = |token: &Token| matches!(token, Token::Space);
    let start = tokens.iter().position(|token| !is_space(token));
    let end = tokens.iter().rposition(|token| !is_space(token));
    match (start, end) {
        (Some(start), Some(end)) => tokens[start..=end].to_vec(),
        _ => Vec::new(),
    }
}

fn pipe(tokens: Vec<Token>, place: &Place) -> Parsed<Pipe> {
    let mut tokens = tokens.into_iter().peekable();
    let pipe = read_pipe(&mut tokens, place, 0)?;
    match tokens.next() {
        None => Ok(pipe),
        Some(token) => Err((place.clone(), format!("{token:?} is not expected here"))),
    }
}

type Tokens = Peekable<IntoIter<Token>>;

/// Up to a closing bracket, which stays, or the end.
fn read_pipe(tokens: &mut Tokens, place: &Place, depth: usize) -> Parsed<Pipe> {
    if depth > DEEPEST {
        let why = format!("more than {DEEPEST} brackets in each other");
        return Err((place.clone(), why));
    }
    let mut pipe = Pipe {
        variables: Vec::new(),
        assigns: false,
        commands: vec![Vec::new()],
        place: place.clone(),
    };
    loop {
        match tokens.peek() {
            None | Some(Token::Close) => return Ok(pipe),
            Some(Token::Space) => drop(tokens.next()),
            Some(Token::Bar) => {
                tokens.next();
                pipe.commands.push(Vec::new());
            }
            // Variables before `:=` were read as operands.
            Some(Token::Declare | Token::Assign | Token::Comma) => {
                if let Some(Token::Assign) = tokens.next() {
                    pipe.assigns = true;
                }
                let named = pipe.commands.pop().unwrap_or_default();
                pipe.commands.push(Vec::new());
                for operand in named {
                    match operand.base {
                        Base::Variable(name) => pipe.variables.push(name),
                        _ => return Err((place.clone(), "only a variable can be set".to_owned())),
                    }
                }
            }
            Some(_) => {
                let operand = read_operand(tokens, place, depth)?;
                if let Some(command) = pipe.commands.last_mut() {
                    command.push(operand);
                }
            }
        }
    }
}

fn read_operand(tokens: &mut Tokens, place: &Place, depth: usize) -> Parsed<Operand> {
    let mut fields = Vec::new();
    let base = match tokens.next() {
        Some(Token::Dot) => Base::Dot,
        Some(Token::Field(name)) => {
            fields.push(name);
            Base::Dot
        }
        Some(Token::Variable(name)) => Base::Variable(name),
        Some(Token::Literal(value)) => Base::Literal(value),
        Some(Token::Word(word)) => match word.as_str() {
            "true" => Base::Literal(true.into()),
            "false" => Base::Literal(false.into()),
            "nil" => Base::Literal(Value::NIL),
            _ => Base::Function(word),
        },
        Some(Token::Open) => {
            let pipe = read_pipe(tokens, place, depth + 1)?;
            match tokens.next() {
                Some(Token::Close) => Base::Pipe(pipe),
                _ => return Err((place.clone(), "a bracket has no end".to_owned())),
            }
        }
        other => return Err((place.clone(), format!("{other:?} is not expected here"))),
    };
    while let Some(Token::Field(name)) = tokens.peek() {
        fields.push(name.clone());
        tokens.next();
    }
    Ok(Operand { base, fields })
}

/// The paths below `.Values` that templates read, in taken branches or not.
pub fn values_read<'n>(nodes: impl IntoIterator<Item = &'n Node>) -> Vec<Vec<String>> {
    let mut paths = Vec::new();
    for node in nodes {
        read_by_node(node, &mut paths);
    }
    paths
}

fn read_by_node(node: &Node, paths: &mut Vec<Vec<String>>) {
    let (pipes, blocks): (Vec<&Pipe>, Vec<&Vec<Node>>) = match node {
        Node::Literal(..) | Node::Break | Node::Continue => return,
        Node::Output(pipe) => (vec![pipe], Vec::new()),
        Node::Template(_, pipe, _) => (pipe.iter().collect(), Vec::new()),
        Node::With(pipe, body, otherwise) | Node::Range(pipe, body, otherwise) => {
            (vec![pipe], vec![body, otherwise])
        }
        Node::If(branches, otherwise) => (
            branches.iter().map(|(pipe, _)| pipe).collect(),
            branches
                .iter()
                .map(|(_, body)| body)
                .chain([otherwise])
                .collect(),
        ),
    };
    pipes.into_iter().for_each(|pipe| read_by_pipe(pipe, paths));
    blocks
        .into_iter()
        .flatten()
        .for_each(|node| read_by_node(node, paths));
}

fn read_by_pipe(pipe: &Pipe, paths: &mut Vec<Vec<String>>) {
    for operand in pipe.commands.iter().flatten() {
        if let Base::Pipe(inner) = &operand.base {
            read_by_pipe(inner, paths);
        }
        if let Some(at) = operand.fields.iter().position(|field| field == "Values") {
            paths.push(operand.fields[at + 1..].to_vec());
        }
    }
}
