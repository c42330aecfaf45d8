//! What is registered with Prometheus' registry.

use std::collections::{BTreeMap, BTreeSet};

use super::{compare, rows, sources};
use crate::project::{pattern, text};

/// A row as the page has it: the name of its samples, type, labels, help.
fn row(name: &str, unit: Option<&str>, kind: &str, labels: &[String], help: &str) -> String {
    let unit = unit.map_or(String::new(), |unit| format!("_{}", unit.to_lowercase()));
    let total = if kind == "counter" { "_total" } else { "" };
    format!(
        "{name}{unit}{total} | {kind} | {} | {help}",
        labels.join(", ")
    )
}

/// Type and labels of each field that holds a metric.
fn fields(source: &str) -> BTreeMap<String, (&'static str, Vec<String>)> {
    let labels = |name: &str| {
        let body = pattern(&format!(r"struct {name} \{{([^}}]*)\}}"));
        let body = body
            .captures(source)
            .map_or(String::new(), |it| it[1].to_owned());
        let names = pattern(r"(\w+):");
        let names = names.captures_iter(&body).map(|it| it[1].to_owned());
        names.collect::<Vec<_>>()
    };
    let kind = |declared: &str| match declared {
        it if it.contains("Histogram") => "histogram",
        it if it.contains("Counter") => "counter",
        _ => "gauge",
    };
    let declared =
        pattern(r"(?m)^    (\w+): ((?:Family|Histograms|Histogram|Counter|Gauge)\b.*),$");
    let field = |it: regex::Captures| {
        let of = pattern(r"<(\w+Labels)")
            .captures(&it[2])
            .map(|it| it[1].to_owned());
        let labels: Vec<String> = of.map_or(Vec::new(), |name| labels(&name));
        (it[1].to_owned(), (kind(&it[2]), labels))
    };
    declared.captures_iter(source).map(field).collect()
}

fn registered() -> BTreeSet<String> {
    let source = text("server/src/metrics.rs");
    let fields = fields(&source);
    let call = pattern(
        r#"(?s)register(?:_with_unit)?\(\s*"(\w+)",\s*"([^"]+)",\s*(?:Unit::(\w+),\s*)?self\s*\.(\w+)\s*\.clone\(\),?\s*\)"#,
    );
    let rows: Vec<String> = call
        .captures_iter(&source)
        .map(|it| {
            let (kind, labels) = &fields[&it[4]];
            row(
                &it[1],
                it.get(3).map(|it| it.as_str()),
                kind,
                labels,
                &it[2],
            )
        })
        .collect();
    let calls = source.matches("registry.register(").count()
        + source.matches("registry.register_with_unit(").count();
    assert_eq!(
        rows.len(),
        calls,
        "a metric is registered in another form: {rows:#?}"
    );
    rows.into_iter().chain(collected()).collect()
}

/// By collectors of our own, which read their value when they are asked.
fn collected() -> Vec<String> {
    let source = sources().concat();
    let call = pattern(
        r#"(?s)encode_descriptor\(\s*"(\w+)",\s*"([^"]+)",\s*Some\(&Unit::(\w+)\),\s*counter\.metric_type\(\)"#,
    );
    let found = call.captures_iter(&source);
    let rows: Vec<String> = found
        .map(|it| row(&it[1], Some(&it[3]), "counter", &[], &it[2]))
        .collect();
    assert_eq!(rows.len(), source.matches("encode_descriptor(").count());
    assert_eq!(rows.len(), source.matches(".register_collector(").count());
    rows
}

#[test]
fn the_page_has_every_metric_of_the_server() {
    let page = rows("metric")
        .into_iter()
        .map(|cells| cells[..4].join(" | "));
    compare("metrics", &page.collect(), &registered());
}

/// A library's, by the recorded page of a server.
#[test]
fn the_page_has_every_metric_of_the_process() {
    let recorded = text("tests/verify/metrics.txt");
    let family = pattern(r"(?m)^# TYPE (process_\w+) (\w+)$");
    let recorded = family.captures_iter(&recorded);
    let recorded = recorded.map(|it| {
        let total = if &it[2] == "counter" { "_total" } else { "" };
        format!("{}{total} | {}", &it[1], &it[2])
    });
    let page = rows("process metric")
        .into_iter()
        .map(|cells| cells[..2].join(" | "));
    compare(
        "metrics of the process",
        &page.collect(),
        &recorded.collect(),
    );
}

/// They are there from the start, so an alert may name them.
#[test]
fn the_page_has_the_reasons_that_bound_work() {
    let source = text("server/src/metrics.rs");
    let bounds = pattern(r"(?s)const BOUNDS: \[&str; \d+\] = \[(.*?)\];");
    let bounds = bounds.captures(&source).expect("the reasons")[1].to_owned();
    let reasons: Vec<String> = pattern(r#""(\w+)""#)
        .captures_iter(&bounds)
        .map(|it| it[1].to_owned())
        .collect();
    assert!(reasons.len() > 3, "{reasons:?}");
    let page = text(super::PAGE);
    for reason in reasons {
        assert!(
            page.contains(&format!("`{reason}`")),
            "{reason} is not named"
        );
    }
}
