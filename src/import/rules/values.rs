//! Values of a chart.

use super::{Rule, Spot};
use crate::gate::Severity;
use crate::import::view::View;

pub(super) const RULES: &[Rule] = &[Rule {
    id: "value-unused",
    severity: Severity::Warning,
    why: "whoever sets it believes that something changes, and nothing does",
    mend: "remove the value, or use it; a stack refuses keys that mean nothing",
    find: unused,
}];

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
