//! What a stack's objects can look like, whatever its file says: which fields are ever rendered, and with what in them.
//!
//! A record of a release is data of the cluster, and anybody with rights over ControllerRevisions can write one: what it
//! holds is applied only if rendering could have made it. Whether that is safe is for the rules of the gate.

use serde_json::{Map, Value};
use uninlu_settings::variables;

use super::labels::{INSTANCE, MANAGED_BY, MANAGER, NAME, NAME_LABEL};
use super::row::{Is, Shape};
use super::{Desired, Kind, config_map};

/// Whose objects they are.
#[derive(Debug, Clone, Copy)]
pub struct Owner<'a> {
    /// Name of the stack.
    pub stack: &'a str,
    /// Namespace of its objects.
    pub namespace: &'a str,
    /// The label of its members, and its value.
    pub member: (&'a str, &'a str),
}

/// What no stack of that name could have, or could be without: `Deployment nlu/nlu: uninlu renders no such
/// .spec.template.spec.hostPID`.
pub fn foreign(objects: &Desired, owner: &Owner) -> Option<String> {
    let field = objects.iter().find_map(|(id, body)| {
        let field = foreign_field(id.kind, body, owner)?;
        Some(format!("{id}: {field}"))
    });
    let is_there = |kind: &Kind| objects.keys().any(|id| id.kind == *kind);
    let mut kinds = Kind::ALL.into_iter();
    let missing = kinds.find(|kind| kind.is_always_there() && !is_there(kind));
    field.or_else(|| missing.map(|kind| format!("it has no {}", kind.name())))
}

fn foreign_field(kind: Kind, body: &Value, owner: &Owner) -> Option<String> {
    let fields = fields(kind);
    let subject = Subject {
        kind,
        owner,
        fields,
    };
    let found = subject.walk(&mut Vec::new(), body).err();
    found.or_else(|| subject.missing(body))
}

type Field = (Vec<&'static str>, Is);

const COMMON: Shape = &[
    ("apiVersion", Is::ApiVersion),
    ("kind", Is::Kind),
    ("metadata name", Is::ObjectName),
    ("metadata namespace", Is::Namespace),
    ("metadata labels", Is::MemberLabels),
];

/// Every field of a kind, with its path.
fn fields(kind: Kind) -> Vec<Field> {
    let of_kind = kind.row().shapes.iter().copied();
    let tables = [(&[] as &[&str], COMMON)].into_iter().chain(of_kind);
    tables
        .flat_map(|(prefix, shape)| shape.iter().map(move |row| field(prefix, row)))
        .collect()
}

fn field(prefix: &[&'static str], (path, is): &(&'static str, Is)) -> Field {
    let path = prefix.iter().copied().chain(path.split(' '));
    (path.collect(), *is)
}

/// The level of PodSecurity that a namespace enforces.
const ENFORCE: &str = "pod-security.kubernetes.io/enforce";

struct Subject<'a> {
    kind: Kind,
    owner: &'a Owner<'a>,
    fields: Vec<Field>,
}

impl Subject<'_> {
    /// `Err` names the first value that does not belong there.
    fn walk(&self, path: &mut Vec<String>, value: &Value) -> Result<(), String> {
        let fields = self.fields.iter().filter(|(field, _)| begins(field, path));
        let (leaves, inner): (Vec<&Field>, Vec<&Field>) =
            fields.partition(|(field, _)| field.len() == path.len());
        match value {
            _ if leaves.iter().any(|(_, is)| self.is_met(*is, value)) => Ok(()),
            Value::Object(entries) if !inner.is_empty() && !entries.is_empty() => {
                let entries = entries.iter().map(|(key, value)| (key.clone(), value));
                self.walk_all(path, entries)
            }
            Value::Array(items) if !inner.is_empty() && !items.is_empty() => {
                let items = items.iter().enumerate();
                self.walk_all(path, items.map(|(index, item)| (key_of(index, item), item)))
            }
            _ => Err(format!("uninlu renders no such {}", words(path))),
        }
    }

    /// A selector that is not there selects all, a name that is not there is the default's.
    fn missing(&self, body: &Value) -> Option<String> {
        let mut needed = self.fields.iter().filter(|(path, is)| {
            let is_cluster_wide = matches!(is, Is::Namespace) && !self.kind.is_namespaced();
            is.is_needed() && !path.contains(&"*") && !is_cluster_wide
        });
        let (path, _) = needed.find(|(path, _)| body_at(body, path).is_none())?;
        let path: Vec<String> = path.iter().map(|key| (*key).to_owned()).collect();
        Some(format!("{} is missing", words(&path)))
    }

    fn walk_all<'v>(
        &self,
        path: &mut Vec<String>,
        entries: impl Iterator<Item = (String, &'v Value)>,
    ) -> Result<(), String> {
        for (key, value) in entries {
            path.push(key);
            self.walk(path, value)?;
            path.pop();
        }
        Ok(())
    }

    fn is_met(&self, is: Is, value: &Value) -> bool {
        let Owner {
            stack, namespace, ..
        } = self.owner;
        match is {
            Is::Text => value.is_string(),
            Is::Texts => texts(value).is_some(),
            Is::Number => value.is_number(),
            Is::Amount => value.is_number() || value.is_string(),
            Is::Exactly(text) => value == text,
            Is::OneOf(texts) => texts.iter().any(|text| value == text),
            Is::Id(id) => *value == id,
            Is::True => *value == true,
            Is::False => *value == false,
            Is::All => *value == serde_json::json!(["ALL"]),
            Is::Nothing => value.as_object().is_some_and(Map::is_empty),
            Is::ApiVersion => *value == self.kind.api_resource().api_version,
            Is::Kind => value == self.kind.name(),
            Is::ObjectName => *value == self.kind.name_of_object(stack, namespace),
            Is::StackName => value == stack,
            Is::SettingsName => *value == config_map::name_of(stack),
            Is::Namespace => self.kind.is_namespaced() && value == namespace,
            Is::MemberLabels => self.are_labels(value, true),
            Is::Labels => self.are_labels(value, false),
            Is::Selector => self.is_selector(value),
            Is::ScrapeAnnotations => {
                let mut keys = texts(value).into_iter().flatten().map(|(key, _)| key);
                texts(value).is_some() && keys.all(|key| key.starts_with("prometheus.io/"))
            }
            Is::Variable => value.as_str().is_some_and(is_variable),
        }
    }

    fn is_selector(&self, value: &Value) -> bool {
        let labels = value.as_object();
        labels.is_some_and(|labels| labels.len() == 2)
            && value[NAME_LABEL] == NAME
            && value[INSTANCE] == self.owner.stack
    }

    /// The stack's own labels are any others; what the namespace enforces is ours.
    fn are_labels(&self, value: &Value, is_member: bool) -> bool {
        let (key, set) = self.owner.member;
        let has_level = |(label, level): (&String, &str)| label == ENFORCE && level != "restricted";
        texts(value).is_some_and(|mut labels| !labels.any(has_level))
            && value[NAME_LABEL] == NAME
            && value[INSTANCE] == self.owner.stack
            && value[MANAGED_BY] == MANAGER
            && value[key]
                == if is_member {
                    Value::from(set)
                } else {
                    Value::Null
                }
    }
}

/// Whether the path is the field's beginning, or all of it.
fn begins(field: &[&str], path: &[String]) -> bool {
    let mut pairs = field.iter().zip(path);
    field.len() >= path.len() && pairs.all(|(key, found)| *key == "*" || key == found)
}

/// What stands at a path without wildcards.
fn body_at<'a>(body: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(body, |value, key| value.get(*key))
}

/// Items are named as Kubernetes merges them.
fn key_of(index: usize, item: &Value) -> String {
    let name = item["name"].as_str().map(str::to_owned);
    name.unwrap_or_else(|| index.to_string())
}

/// The entries of a map of texts.
fn texts(value: &Value) -> Option<impl Iterator<Item = (&String, &str)>> {
    let entries = value.as_object()?;
    let are_texts = entries.values().all(Value::is_string);
    are_texts.then(|| {
        let texts = entries.iter();
        texts.filter_map(|(key, value)| Some((key, value.as_str()?)))
    })
}

fn words(path: &[String]) -> String {
    path.iter().map(|key| format!(".{key}")).collect()
}

fn is_variable(name: &str) -> bool {
    let own = name.starts_with("UNINLU_");
    own || matches!(name, variables::TRACES_ENDPOINT | variables::TRACES_SERVICE)
}
