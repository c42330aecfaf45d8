//! Values of a chart.

use super::{Rule, Spot};
use crate::gate::Severity;
use crate::import::view::View;

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "yaml-ambiguous",
        severity: Severity::Warning,
        why: "Helm and kubectl read it without a word, and what one of the places says does not hold",
        mend: "keep the one that is meant",
        find: ambiguous,
    },
    Rule {
        id: "kube-version",
        severity: Severity::Warning,
        why: "Helm refuses the chart on clusters that its range excludes",
        mend: "widen the range (`kubeVersion: \">=1.25.0-0\"`; the `-0` takes versions such as v1.34.1-gke.1 too)",
        find: excluded,
    },
    Rule {
        id: "value-unused",
        severity: Severity::Warning,
        why: "whoever sets it believes that something changes, and nothing does",
        mend: "remove the value, or use it; a stack refuses keys that mean nothing",
        find: unused,
    },
];

fn ambiguous(view: &View<'_>) -> Vec<Spot> {
    let found = view.source.ambiguous.iter();
    found
        .map(|(place, what)| Spot::in_file(&place.file, place.line, what.as_str()))
        .collect()
}

fn excluded(view: &View<'_>) -> Vec<Spot> {
    let found = view.source.excluded.iter();
    found
        .map(|(place, what)| Spot::in_file(&place.file, place.line, what.as_str()))
        .collect()
}

fn unused(view: &View<'_>) -> Vec<Spot> {
    let values = view.source.unused.iter();
    values
        .map(|(path, place)| {
            Spot::in_file(
                &place.file,
                place.line,
                format!("no template reads `{path}`"),
            )
        })
        .collect()
}
