//! What is wrong: rules over objects, each everything about itself in one value.

mod config;
mod dockerfile;
mod metrics;
mod objects;
mod scaling;
mod security;
mod startup;
mod values;

use serde::Serialize;

use super::chart::CONVENTIONS;
use super::view::View;
use super::{Object, Place, Source};
use crate::gate::Severity;

/// One rule's verdict on one place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Id of the rule.
    pub rule: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// `Deployment nlu`; absent where no object is concerned.
    pub object: Option<String>,
    /// The field, `.spec.replicas`.
    pub field: Option<String>,
    /// Where it is written: the template's or the manifest's line, then the values' lines. Empty for live objects.
    pub places: Vec<Place>,
    /// What is found.
    pub what: String,
    /// Why it matters.
    pub why: &'static str,
    /// What to do, and what the stack does.
    pub mend: &'static str,
}

struct Rule {
    id: &'static str,
    severity: Severity,
    why: &'static str,
    mend: &'static str,
    find: fn(&View<'_>) -> Vec<Spot>,
}

/// Where a rule found something, and what.
struct Spot {
    object: Option<String>,
    field: Option<String>,
    places: Vec<Place>,
    what: String,
}

impl Spot {
    /// In a field of an object.
    fn at(object: &Object, pointer: &str, what: impl Into<String>) -> Self {
        let path = object.path(pointer);
        Self {
            object: Some(object.id()).filter(|id| !id.is_empty()),
            field: (!path.is_empty()).then_some(path),
            places: object.places(pointer),
            what: what.into(),
        }
    }

    /// In a line of a file.
    fn in_file(file: &str, line: usize, what: impl Into<String>) -> Self {
        Self {
            object: None,
            field: None,
            places: vec![Place {
                file: file.to_owned(),
                line,
            }],
            what: what.into(),
        }
    }
}

/// Every rule, in the order in which findings are told.
const FAMILIES: [&[Rule]; 8] = [
    config::RULES,
    metrics::RULES,
    scaling::RULES,
    security::RULES,
    startup::RULES,
    objects::RULES,
    dockerfile::RULES,
    values::RULES,
];

/// Applies every rule in its order. `name` chooses among several Deployments; without any, nothing is found.
pub fn check(source: &Source, name: Option<&str>) -> Vec<Finding> {
    let Some(view) = View::of(source, name) else {
        return Vec::new();
    };
    let mut findings: Vec<Finding> = Vec::new();
    for rule in FAMILIES.into_iter().flatten() {
        findings.extend((rule.find)(&view).into_iter().map(|spot| Finding {
            rule: rule.id,
            severity: rule.severity,
            object: spot.object,
            field: spot.field,
            places: spot.places,
            what: spot.what,
            why: rule.why,
            mend: rule.mend,
        }));
    }
    if source.is_only_values {
        // What no value says is the template's matter, and the template is not here, nor are its objects.
        for finding in &mut findings {
            finding.places.retain(|place| place.file != CONVENTIONS);
            finding.object = None;
        }
        findings.retain(|finding| !finding.places.is_empty());
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique() {
        let mut ids: Vec<&str> = FAMILIES.into_iter().flatten().map(|rule| rule.id).collect();
        ids.sort_unstable();
        assert!(ids.windows(2).all(|pair| pair[0] != pair[1]), "{ids:?}");
    }
}
