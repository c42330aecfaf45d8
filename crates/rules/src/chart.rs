//! A chart's values and files.

use uninlu_helm_template::Place;

use super::{Check, Files, Rule, Spot};

pub(super) const RULES: [Rule; 3] = [
    Rule {
        id: "yaml-ambiguous",
        title: "no key is written twice",
        why: "Helm and kubectl read it without a warning, and what one of the places says does not hold",
        fix: "keep the one that is meant",
        checks: &[Check::Files(ambiguous)],
        ..Rule::WARNING
    },
    Rule {
        id: "kube-version",
        title: "the chart's range of Kubernetes versions has today's",
        why: "Helm refuses the chart on clusters that its range excludes",
        fix: "widen the range (`kubeVersion: \">=1.25.0-0\"`; the `-0` takes versions such as v1.34.1-gke.1 too)",
        checks: &[Check::Files(excluded)],
        ..Rule::WARNING
    },
    Rule {
        id: "value-unused",
        title: "a template reads every value",
        why: "setting it changes nothing, and the chart does not say so",
        fix: "remove the value, or use it; a stack refuses keys that mean nothing",
        checks: &[Check::Files(unused)],
        ..Rule::WARNING
    },
];

fn ambiguous<'a>(files: &Files<'a>) -> Vec<Spot<'a>> {
    let found = files.ambiguous.iter();
    found.map(|(line, what)| at(line, what.clone())).collect()
}

fn excluded<'a>(files: &Files<'a>) -> Vec<Spot<'a>> {
    let found = files.excluded.into_iter();
    found.map(|(line, what)| at(line, what.clone())).collect()
}

fn unused<'a>(files: &Files<'a>) -> Vec<Spot<'a>> {
    let values = files.unused.iter();
    values
        .map(|(path, line)| at(line, format!("no template reads `{path}`")))
        .collect()
}

fn at<'a>(line: &Place, what: String) -> Spot<'a> {
    Spot::in_file(&line.file, line.line, what)
}
