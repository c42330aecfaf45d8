//! What the rules find in what was read, each with the lines where it is written.

use serde::Serialize;

use super::chart::CONVENTIONS;
use super::view::View;
use super::{Place, Source};
use crate::rules::{self, At, Check, Fields, Files, Rule, Severity, Spot};

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
    pub fix: &'static str,
}

/// Applies every rule in its order. `name` chooses among several Deployments; without any, nothing is found.
pub fn check(source: &Source, name: Option<&str>) -> Vec<Finding> {
    let Some(view) = View::of(source, name) else {
        return Vec::new();
    };
    let objects = view.objects();
    let files = Files {
        objects: &objects,
        adapters: source.adapters.iter().map(|it| &it.body).collect(),
        dockerfiles: &source.dockerfiles,
        code: &source.code,
        ambiguous: &source.ambiguous,
        excluded: source.excluded.as_ref(),
        unused: &source.unused,
        is_only_values: source.is_only_values,
        lines: &|body, pointer| source.lines(body, pointer),
    };
    let mut findings: Vec<Finding> = Vec::new();
    for rule in rules::all() {
        for check in rule.checks {
            let spots = match check {
                Check::Pod(find) => find(&objects.pod),
                Check::Objects(find) => find(&objects),
                Check::Files(find) => find(&files),
                Check::Planned(_) | Check::Waivers(_) | Check::Running(_) | Check::Settling(_) => {
                    Vec::new()
                }
            };
            findings.extend(spots.into_iter().map(|spot| finding(source, rule, spot)));
        }
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

fn finding(source: &Source, rule: &'static Rule, spot: Spot) -> Finding {
    let mut places: Vec<Place> = Vec::new();
    let (mut object, mut field) = (None, None);
    for at in &spot.at {
        let lines = match at {
            At::Line(line) => vec![line.clone()],
            At::Field(body, pointer) => {
                let path = body.path(pointer);
                let id = body.id();
                if object.is_none() && field.is_none() {
                    object = (!id.is_empty()).then_some(id);
                    field = (!path.is_empty()).then_some(path);
                }
                source.lines(body, pointer)
            }
        };
        places.extend(lines);
    }
    let mut seen = std::collections::BTreeSet::new();
    places.retain(|place| seen.insert(place.clone()));
    Finding {
        rule: rule.id,
        severity: rule.severity,
        object,
        field,
        places,
        what: spot.what,
        why: rule.why,
        fix: rule.fix,
    }
}
