//! The stack file that is to be, key by key.

use std::path::PathBuf;

use serde::Serialize;
use serde_json::Value;

use crate::import::{Object, Place};
use crate::rules::{Fields, TEMPLATE};

/// What the user said, and objects cannot say.
#[derive(Debug, Clone, Default)]
pub struct Given {
    /// Name of the stack, and of the Deployment where there are several.
    pub name: Option<String>,
    /// Namespace.
    pub namespace: Option<String>,
    /// Context of the kubeconfig.
    pub context: Option<String>,
    /// Folder that is built, as the stack file names it.
    pub build_context: Option<String>,
    /// Model folder on this machine.
    pub model: Option<PathBuf>,
    /// Claim that holds the model.
    pub claim: Option<String>,
    /// `repository@sha256:…` of the image that runs, as the kubelet reports it.
    pub running: Option<String>,
}

/// What has no place in the stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Left {
    /// `Deployment nlu .spec.template.spec.nodeSelector`
    pub what: String,
    /// Where it is written.
    pub places: Vec<Place>,
    /// Why it was left out, and what becomes of it.
    pub why: String,
}

/// A stack file that is to be: sections of keys, each with its comment.
#[derive(Debug, Default)]
pub struct Draft {
    pub(in crate::import) sections: Vec<Section>,
    pub(in crate::import) left: Vec<Left>,
    /// Keys whose values are placeholders, and what to write.
    pub(in crate::import) to_set: Vec<(String, String)>,
}

#[derive(Debug)]
pub(in crate::import) struct Section {
    /// Empty for the top of the file.
    pub(in crate::import) name: &'static str,
    pub(in crate::import) entries: Vec<Entry>,
}

#[derive(Debug)]
pub(in crate::import) struct Entry {
    pub(in crate::import) key: String,
    pub(in crate::import) value: Value,
    pub(in crate::import) comment: Option<String>,
}

impl Draft {
    fn section(&mut self, name: &'static str) -> &mut Section {
        let at = self
            .sections
            .iter()
            .position(|section| section.name == name);
        let at = at.unwrap_or_else(|| {
            self.sections.push(Section {
                name,
                entries: Vec::new(),
            });
            self.sections.len() - 1
        });
        &mut self.sections[at]
    }

    pub(super) fn set(&mut self, section: &'static str, key: &str, value: impl Into<Value>) {
        self.push(section, key, value.into(), None);
    }

    /// A key whose comment says what was fixed.
    pub(super) fn fix(
        &mut self,
        section: &'static str,
        key: &str,
        value: impl Into<Value>,
        comment: impl Into<String>,
    ) {
        self.push(section, key, value.into(), Some(comment.into()));
    }

    /// A key that the user must set.
    pub(super) fn ask(
        &mut self,
        section: &'static str,
        key: &str,
        value: impl Into<Value>,
        help: &str,
    ) {
        self.push(section, key, value.into(), Some(format!("TO SET: {help}")));
        let path = if section.is_empty() {
            key.to_owned()
        } else {
            format!("{section}.{key}")
        };
        self.to_set.push((path, help.to_owned()));
    }

    fn push(&mut self, section: &'static str, key: &str, value: Value, comment: Option<String>) {
        self.section(section).entries.push(Entry {
            key: key.to_owned(),
            value,
            comment,
        });
    }

    pub(super) fn leave(&mut self, object: &Object, pointer: &str, why: impl Into<String>) {
        self.left.push(Left {
            what: format!("{} {}", object.id(), object.path(pointer))
                .trim()
                .to_owned(),
            places: object.places(pointer),
            why: why.into(),
        });
    }
}

/// A number as TOML has it, where it is one.
pub(super) fn whole(json: &Value) -> Option<i64> {
    json.as_i64().or_else(|| json.as_str()?.parse().ok())
}

/// IntOrString.
pub(super) fn count(json: &Value) -> Option<Value> {
    match json {
        Value::Number(_) => Some(json.clone()),
        Value::String(text) => Some(
            text.parse::<i64>()
                .map_or_else(|_| json.clone(), Value::from),
        ),
        _ => None,
    }
}

/// A table whose keys keep their order.
pub(super) fn table(entries: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
    let entries = entries.into_iter();
    entries
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}

/// Whether kubectl or Helm keep this annotation for themselves.
pub(super) fn is_of_tools(annotation: &str) -> bool {
    let beginnings = ["kubectl.kubernetes.io/", "meta.helm.sh/"];
    beginnings.iter().any(|it| annotation.starts_with(it))
}

pub(super) fn seconds(seconds: i64) -> Value {
    Value::from(format!("{seconds}s"))
}

pub(super) fn in_pod(field: &str) -> String {
    format!("{TEMPLATE}{field}")
}
