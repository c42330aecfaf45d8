//! What a stack's file writes, and where.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Stack;
use super::locate::{locate_in, places_in, written_in};
use super::parse::document_in;

/// A value as it is typed, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// TOML.
    pub value: String,
    /// `uninlu.toml:7`
    pub place: String,
}

impl Stack {
    /// The first of the keys (dotted paths) that is written in the stack's file, and its line, counted from 1; `None`
    /// when all of them are defaults.
    pub fn locate<'k>(&self, keys: &[&'k str]) -> Option<(&'k str, usize)> {
        locate_in(&self.source.text, self.environment.as_deref(), keys)
    }

    /// The stack's file as it is typed, with its environment laid over it and without defaults: what rules of one's own
    /// see as `stack`.
    pub fn document(&self) -> Value {
        document_in(&self.source.text, self.environment.as_deref()).unwrap_or_default()
    }

    /// Every key (dotted path) that the stack's file writes, and its place, `uninlu.toml:7`.
    pub fn places(&self) -> BTreeMap<String, String> {
        let name = self.source.file.file_name().unwrap_or_default();
        places_in(&self.source.text, self.environment.as_deref())
            .into_iter()
            .map(|(key, line)| (key, format!("{}:{line}", name.display())))
            .collect()
    }

    /// The text of a key's value as the stack's file writes it, and its place; `None` when the key has its default.
    pub fn written(&self, key: &str) -> Option<Written> {
        let environment = self.environment.as_deref();
        let (value, line, is_of_environment) = written_in(&self.source.text, environment, key)?;
        let whose = match environment {
            Some(name) if is_of_environment => format!(", environment {name}"),
            _ => String::new(),
        };
        Some(Written {
            value,
            place: format!("{}:{line}{whose}", self.source.file.display()),
        })
    }
}
