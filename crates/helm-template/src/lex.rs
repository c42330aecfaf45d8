//! Template text → pieces: literal text, and actions as tokens.

use super::value::{Data, Value};

/// A piece of a template, with the line at which it begins, counted from 1.
#[derive(Debug, Clone)]
pub(super) enum Piece {
    Literal(String, usize),
    Action(Vec<Token>, usize),
}

/// A token of an action. Blanks are tokens: `.a.b` is one operand, `.a .b` are two.
#[derive(Debug, Clone)]
pub(super) enum Token {
    Space,
    /// `.name`
    Field(String),
    /// `.`
    Dot,
    /// `$name`, or `$`
    Variable(String),
    Word(String),
    Literal(Value),
    Bar,
    Declare,
    Assign,
    Comma,
    Open,
    Close,
}

/// Cuts a template into pieces.
///
/// # Errors
/// What cannot be read, and its line.
pub(super) fn pieces(text: &str) -> Result<Vec<Piece>, (usize, String)> {
    let mut pieces = Vec::new();
    let (mut rest, mut line, mut trims) = (text, 1, false);
    loop {
        let start = rest.find("{{").unwrap_or(rest.len());
        let (literal, action) = rest.split_at(start);
        let trims_before = action.starts_with("{{- ")
            || action.starts_with("{{-\t")
            || action.starts_with("{{-\n")
            || action.starts_with("{{-/*");
        push_literal(&mut pieces, literal, line, trims, trims_before);
        line += newlines(literal);
        if action.is_empty() {
            return Ok(pieces);
        }
        let body = &action[if trims_before { 3 } else { 2 }..];
        let (inner, after) = split_action(body).ok_or((line, "an action has no end".to_owned()))?;
        trims = inner.ends_with(" -")
            || inner.ends_with("*/-")
            || inner.ends_with("\n-")
            || inner == "-";
        let content = inner
            .strip_suffix('-')
            .filter(|_| trims)
            .unwrap_or(inner)
            .trim();
        if !content.starts_with("/*") {
            pieces.push(Piece::Action(
                tokens(content).map_err(|why| (line, why))?,
                line,
            ));
        }
        line += newlines(&action[..action.len() - after.len()]);
        rest = after;
    }
}

fn newlines(text: &str) -> usize {
    text.matches('\n').count()
}

fn push_literal(pieces: &mut Vec<Piece>, text: &str, line: usize, left: bool, right: bool) {
    let mut kept = text;
    let mut line = line;
    if left {
        kept = kept.trim_start();
        line += newlines(&text[..text.len() - kept.len()]);
    }
    if right {
        kept = kept.trim_end();
    }
    if !kept.is_empty() {
        pieces.push(Piece::Literal(kept.to_owned(), line));
    }
}

/// The inside of an action and what follows it; quotes and comments may hold its end.
fn split_action(text: &str) -> Option<(&str, &str)> {
    let mut at = 0;
    if text.trim_start().starts_with("/*") {
        at = text.find("*/")? + 2;
    }
    while at < text.len() {
        let rest = &text[at..];
        if let Some(after) = rest.strip_prefix("}}") {
            return Some((&text[..at], after));
        }
        let next = rest.chars().next()?;
        at += match next {
            '"' | '`' | '\'' => quoted_length(rest, next)?,
            other => other.len_utf8(),
        };
    }
    None
}

/// Length of the quoted text at the beginning, with its quotes.
fn quoted_length(text: &str, quote: char) -> Option<usize> {
    let mut is_escaped = false;
    for (at, next) in text.char_indices().skip(1) {
        if is_escaped {
            is_escaped = false;
        } else if next == '\\' && quote != '`' {
            is_escaped = true;
        } else if next == quote {
            return Some(at + 1);
        }
    }
    None
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let (token, length) = match next {
            _ if next.is_whitespace() => (Token::Space, rest.len() - rest.trim_start().len()),
            '|' => (Token::Bar, 1),
            ',' => (Token::Comma, 1),
            '(' => (Token::Open, 1),
            ')' => (Token::Close, 1),
            ':' if rest.starts_with(":=") => (Token::Declare, 2),
            '=' => (Token::Assign, 1),
            '"' | '`' | '\'' => {
                let length = quoted_length(rest, next).ok_or("a quote has no end")?;
                let inner = &rest[1..length - 1];
                let value = match next {
                    '`' => inner.into(),
                    '"' => unescaped(inner).into(),
                    _ => i64::from(u32::from(
                        unescaped(inner).chars().next().unwrap_or_default(),
                    ))
                    .into(),
                };
                (Token::Literal(value), length)
            }
            '$' => {
                let name = word(&rest[1..]);
                (Token::Variable(name.to_owned()), 1 + name.len())
            }
            '.' if rest[1..].starts_with(|c: char| c.is_alphabetic() || c == '_') => {
                let name = word(&rest[1..]);
                (Token::Field(name.to_owned()), 1 + name.len())
            }
            '.' if !rest[1..].starts_with(|c: char| c.is_ascii_digit()) => (Token::Dot, 1),
            _ if next.is_ascii_digit() || matches!(next, '-' | '+' | '.') => {
                let is_part =
                    |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+' | '_');
                let length = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
                (Token::Literal(number(&rest[..length])?), length)
            }
            _ if next.is_alphabetic() || next == '_' => {
                let name = word(rest);
                (Token::Word(name.to_owned()), name.len())
            }
            other => return Err(format!("`{other}` is not understood")),
        };
        tokens.push(token);
        rest = &rest[length..];
    }
    Ok(tokens)
}

fn word(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_');
    &text[..end.unwrap_or(text.len())]
}

fn number(text: &str) -> Result<Value, String> {
    let digits = text.replace('_', "");
    let hexadecimal = digits
        .strip_prefix("0x")
        .map(|digits| i64::from_str_radix(digits, 16));
    let whole = match hexadecimal {
        Some(Ok(value)) => Some(value),
        _ => digits.parse().ok(),
    };
    match (whole, digits.parse::<f64>()) {
        (Some(value), _) => Ok(value.into()),
        (None, Ok(value)) => Ok(Data::Float(value).into()),
        (None, Err(_)) => Err(format!("`{text}` is not a number")),
    }
}

fn unescaped(text: &str) -> String {
    let mut result = String::new();
    let mut characters = text.chars();
    while let Some(next) = characters.next() {
        if next != '\\' {
            result.push(next);
            continue;
        }
        match characters.next() {
            Some('n') => result.push('\n'),
            Some('t') => result.push('\t'),
            Some('r') => result.push('\r'),
            Some(other) => result.push(other),
            None => (),
        }
    }
    result
}
