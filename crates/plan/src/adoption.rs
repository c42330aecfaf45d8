//! Taking over an object that another tool made: who owned its fields is rewritten in `metadata.managedFields`, as
//! `kubectl` does when it goes over to server-side apply. Nothing else of the object changes but the labels by which
//! its stack knows it; the next plan then shows what an apply would change, and removes what only the old tool set.

use serde_json::{Map, Value, json};

use super::apply_set;
use uninlu_objects::{INSTANCE, MANAGED_BY, MANAGER, ObjectId};
use uninlu_stack::Target;

/// The beginnings of the names under which tools that people deploy with write.
const TOOLS: [&str; 8] = [
    "kubectl",
    "helm",
    "terraform",
    "hashicorp",
    "argocd",
    "kapp",
    "pulumi",
    "nelm",
];

/// How an object becomes the stack's.
#[derive(Debug, Clone, PartialEq)]
pub struct Adoption {
    /// The object.
    pub id: ObjectId,
    /// Managers whose fields pass to us, with the number of their fields.
    pub from: Vec<(String, usize)>,
    /// Managers that keep theirs.
    pub kept: Vec<String>,
    /// JSON patch (RFC 6902); the API server answers 409 when the object changed meanwhile.
    pub patch: Value,
}

/// Why an object cannot become the stack's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unadoptable {
    /// The object.
    pub id: ObjectId,
    /// Why.
    pub reason: String,
}

/// How the live object becomes the stack's; `None` when it is already. `others` are managers that are taken over
/// besides the known tools.
///
/// # Errors
/// An object that a controller or another ApplySet owns.
pub fn adoption(
    target: &Target,
    id: &ObjectId,
    live: &Value,
    others: &[String],
) -> Result<Option<Adoption>, Unadoptable> {
    let set = apply_set::id(&apply_set::parent_id(target));
    let metadata = &live["metadata"];
    let refused = |reason: String| Unadoptable {
        id: id.clone(),
        reason,
    };
    match metadata["labels"][apply_set::PART_OF].as_str() {
        Some(part_of) if part_of == set => return Ok(None),
        Some(part_of) => {
            return Err(refused(format!(
                "it belongs to another ApplySet ({part_of})"
            )));
        }
        None => (),
    }
    if let Some(owner) = metadata["ownerReferences"].get(0) {
        let text = |key: &str| owner[key].as_str().unwrap_or_default().to_owned();
        return Err(refused(format!(
            "it is made by {} {}",
            text("kind"),
            text("name")
        )));
    }
    let entries = metadata["managedFields"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let (taken, kept): (Vec<Value>, Vec<Value>) =
        entries.into_iter().partition(|entry| passes(entry, others));
    let mut fields = json!({});
    for entry in &taken {
        unite(&mut fields, &entry["fieldsV1"]);
    }
    let name = |entry: &Value| entry["manager"].as_str().unwrap_or_default().to_owned();
    let from = taken
        .iter()
        .map(|entry| (name(entry), count(&entry["fieldsV1"])))
        .collect();
    let mut managers = kept.clone();
    if !taken.is_empty() {
        managers.push(json!({
            "manager": MANAGER, "operation": "Apply", "apiVersion": live["apiVersion"],
            "fieldsType": "FieldsV1", "fieldsV1": fields,
        }));
    }
    let mut labels = metadata["labels"].as_object().cloned().unwrap_or_default();
    labels.extend(Map::from_iter([
        (MANAGED_BY.to_owned(), json!(MANAGER)),
        (INSTANCE.to_owned(), json!(target.stack)),
        (apply_set::PART_OF.to_owned(), json!(set)),
    ]));
    Ok(Some(Adoption {
        id: id.clone(),
        from,
        kept: kept.iter().map(name).collect(),
        patch: json!([
            { "op": "replace", "path": "/metadata/resourceVersion", "value": metadata["resourceVersion"] },
            { "op": "add", "path": "/metadata/managedFields", "value": managers },
            { "op": "add", "path": "/metadata/labels", "value": labels },
        ]),
    }))
}

/// What a controller writes through a subresource (status, scale) stays its own.
fn passes(entry: &Value, others: &[String]) -> bool {
    let manager = entry["manager"].as_str().unwrap_or_default();
    let is_tool = TOOLS
        .iter()
        .any(|tool| manager.to_lowercase().starts_with(tool));
    entry["subresource"].as_str().unwrap_or_default().is_empty()
        && (is_tool || others.iter().any(|other| other == manager))
}

/// Adds the fields of one set to another.
fn unite(to: &mut Value, from: &Value) {
    if let (Some(to), Some(from)) = (to.as_object_mut(), from.as_object()) {
        for (key, below) in from {
            unite(to.entry(key.clone()).or_insert_with(|| json!({})), below);
        }
    }
}

/// How many fields a set names.
fn count(fields: &Value) -> usize {
    match fields.as_object() {
        Some(below) if !below.is_empty() => below.values().map(count).sum(),
        _ => 1,
    }
}
