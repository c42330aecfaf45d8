//! From what the server counts to what the autoscaler reads.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;
use uninlu_objects::prometheus::REQUESTS_PER_SECOND;

use super::fields::Fields;
use super::{Check, Files, Rule, Spot};

pub(super) const RULES: [Rule; 5] = [
    Rule {
        id: "metric-not-exported",
        title: "the server exports the metric that the autoscaler reads",
        why: "a metric that no process exports does not exist: the autoscaler says `FailedGetPodsMetric` and never scales up by it",
        fix: "let the adapter's series be one that the server exports (`uninlu render adapter` writes a rule that fits its server); the stack's autoscaler and adapter name one constant",
        checks: &[Check::Files(not_exported)],
        ..Rule::ERROR
    },
    Rule {
        id: "metric-counted-twice",
        title: "a request is counted once",
        why: "each request counts double, so that the autoscaler runs twice the pods that the target asks for",
        fix: "count a request once, when it is answered; `uninlu`'s server does",
        checks: &[Check::Files(counted_twice)],
        ..Rule::ERROR
    },
    Rule {
        id: "metric-raw-counter",
        title: "the autoscaler reads a rate and no counter",
        why: "a counter only grows: read as it is, it passes any target and scales to the maximum; and a rate under a counter's name misleads its readers",
        fix: "serve a rate under its own name (`http_requests_per_second`; `[autoscaling] requests-per-second`)",
        checks: &[Check::Files(raw_counter)],
        ..Rule::WARNING
    },
    Rule {
        id: "metric-not-served",
        title: "a rule of the adapter serves the metric",
        why: "the custom metrics API answers only what a rule of the Prometheus Adapter (or another adapter) serves: without one the autoscaler never scales by it",
        fix: "add the rule that `uninlu render adapter` prints to the adapter's configuration",
        checks: &[Check::Files(not_served)],
        ..Rule::WARNING
    },
    Rule {
        id: "metrics-not-scraped",
        title: "Prometheus scrapes the pods",
        why: "Prometheus finds pods by their annotations or by a monitor: without either, the autoscaler's metric stays empty however it is called",
        fix: "annotate the pods (`prometheus.io/scrape: \"true\"`; the stack's are), or apply what `uninlu render service-monitor` prints",
        checks: &[Check::Files(not_scraped)],
        ..Rule::WARNING
    },
];

/// What the usual server of this model (FastAPI) exports.
const USUAL: [&str; 1] = ["siamese_uninlu_requests_total"];
/// What `uninlu`'s server exports and an autoscaler could read.
const OWN: [&str; 6] = [
    "http_requests_total",
    "http_requests_in_flight",
    "http_request_duration_seconds",
    "uninlu_queue_tokens",
    "uninlu_queue_seconds",
    "uninlu_busy_seconds_total",
];

/// A metric that the autoscaler reads besides CPU and memory.
struct Custom<'s> {
    autoscaler: &'s Value,
    pointer: String,
    name: String,
    /// The adapter's rules that serve it.
    rules: Vec<AdapterRule<'s>>,
}

#[derive(Clone)]
struct AdapterRule<'s> {
    adapter: &'s Value,
    pointer: String,
    series: String,
    query: String,
}

fn customs<'s>(files: &Files<'s>) -> Vec<Custom<'s>> {
    let Some(autoscaler) = files.objects.autoscaler else {
        return Vec::new();
    };
    let metrics = files.objects.metrics().into_iter();
    metrics
        .filter_map(|(pointer, metric)| {
            let kind = ["pods", "object", "external"]
                .into_iter()
                .find(|kind| metric[kind].is_object())?;
            let name = metric[kind]["metric"]["name"].as_str()?.to_owned();
            let rules = adapter_rules(files)
                .into_iter()
                .filter(|(served, _)| *served == name);
            Some(Custom {
                autoscaler,
                pointer: format!("{pointer}/{kind}/metric/name"),
                rules: rules.map(|(_, rule)| rule).collect(),
                name,
            })
        })
        .collect()
}

/// The rules, each with the name that it serves.
fn adapter_rules<'s>(files: &Files<'s>) -> Vec<(String, AdapterRule<'s>)> {
    let adapters = files.adapters.iter().copied();
    adapters
        .flat_map(|adapter| {
            adapter
                .items("/rules")
                .into_iter()
                .filter_map(move |(pointer, rule)| {
                    let query = rule["seriesQuery"].as_str()?;
                    let series = series_of(query);
                    let served = served_as(
                        &series,
                        rule["name"]["matches"].as_str(),
                        rule["name"]["as"].as_str(),
                    );
                    let rule = AdapterRule {
                        adapter,
                        pointer: format!("{pointer}/seriesQuery"),
                        series,
                        query: rule["metricsQuery"].as_str().unwrap_or_default().to_owned(),
                    };
                    Some((served, rule))
                })
        })
        .collect()
}

/// `http_requests_total{namespace!=""}` and `{__name__="http_requests_total"}` name a series.
fn series_of(query: &str) -> String {
    let name = query.split('{').next().unwrap_or_default().trim();
    if !name.is_empty() {
        return name.to_owned();
    }
    let quoted = query
        .split("__name__")
        .nth(1)
        .and_then(|rest| rest.split('"').nth(1));
    quoted
        .unwrap_or_default()
        .trim_matches(['^', '$'])
        .to_owned()
}

/// The adapter's `name`: a pattern, and what a match of it becomes (`$1`, or all of it where nothing is said).
fn served_as(series: &str, matches: Option<&str>, becomes: Option<&str>) -> String {
    let pattern = matches.and_then(|pattern| Regex::new(pattern).ok());
    match (pattern, becomes.filter(|text| !text.is_empty())) {
        (Some(pattern), Some(becomes)) => pattern.replace(series, becomes).into_owned(),
        (Some(pattern), None) => {
            let group = pattern
                .captures(series)
                .and_then(|captures| captures.get(1).or(captures.get(0)));
            group.map_or(series, |group| group.as_str()).to_owned()
        }
        (None, Some(becomes)) => becomes.to_owned(),
        (None, None) => series.to_owned(),
    }
}

/// The series that the metric is made of, with the places that say so.
fn series<'s>(custom: &Custom<'s>) -> Vec<(&'s Value, String, String)> {
    match custom.rules.as_slice() {
        [] => vec![(
            custom.autoscaler,
            custom.pointer.clone(),
            custom.name.clone(),
        )],
        rules => rules
            .iter()
            .map(|rule| (rule.adapter, rule.pointer.clone(), rule.series.clone()))
            .collect(),
    }
}

/// What the server exports, and how that is known.
fn exported(files: &Files) -> (BTreeSet<String>, &'static str) {
    if files.objects.pod.is_own_server() {
        return (OWN.map(str::to_owned).into(), "uninlu's server");
    }
    let found: BTreeSet<String> = files
        .code
        .iter()
        .flat_map(|(_, code)| counters(code))
        .map(|counter| counter.name)
        .collect();
    match found.is_empty() {
        false => (found, "the server's code"),
        true => (
            USUAL.map(str::to_owned).into(),
            "the usual server of this model",
        ),
    }
}

fn not_exported<'a>(files: &Files<'a>) -> Vec<Spot<'a>> {
    let (exported, whose) = exported(files);
    let mut spots = Vec::new();
    for custom in customs(files) {
        if files.objects.pod.is_own_server() && custom.name == REQUESTS_PER_SECOND {
            continue;
        }
        for (_, _, series) in series(&custom)
            .into_iter()
            .filter(|(.., series)| !exported.contains(series))
        {
            let names: Vec<String> = exported.iter().map(|name| format!("`{name}`")).collect();
            let doubled = match whose {
                "the usual server of this model" => {
                    ", and counts each request twice under it (pending, then its result), so that the right name alone would double it"
                }
                _ => "",
            };
            let made_of = if series == custom.name {
                String::new()
            } else {
                format!(", made of `{series}`")
            };
            let what = format!(
                "the autoscaler reads `{}`{made_of}; {whose} exports {}{doubled}",
                custom.name,
                names.join(", ")
            );
            let mut spot = Spot::at(custom.autoscaler, &custom.pointer, what);
            for rule in &custom.rules {
                spot = spot.and(rule.adapter, &rule.pointer);
            }
            spots.push(spot);
        }
    }
    spots
}

fn counted_twice<'a>(files: &Files<'a>) -> Vec<Spot<'a>> {
    let mut spots = Vec::new();
    for (file, code) in files.code {
        for counter in counters(code) {
            if let [first, second, ..] = counter.increments.as_slice() {
                let what = format!(
                    "`{}` is counted in line {} and again in line {} for one request",
                    counter.name, first, second
                );
                spots.push(Spot::in_file(file, *first, what));
            }
        }
    }
    for custom in customs(files) {
        for (object, pointer, series) in series(&custom) {
            if USUAL.contains(&series.as_str()) && files.code.is_empty() {
                let what = format!(
                    "`{series}`: the usual server of this model counts a request when it comes (pending), and again with its result"
                );
                spots.push(Spot::at(object, &pointer, what));
            }
        }
        if let [first, second, ..] = custom.rules.as_slice() {
            let spot = Spot::at(
                first.adapter,
                &first.pointer,
                format!(
                    "two rules serve `{}`: `{}` and `{}`",
                    custom.name, first.series, second.series
                ),
            );
            spots.push(spot.and(second.adapter, &second.pointer));
        }
    }
    spots
}

fn raw_counter<'a>(files: &Files<'a>) -> Vec<Spot<'a>> {
    let mut spots = Vec::new();
    for custom in customs(files) {
        let is_rate = |rule: &AdapterRule<'_>| {
            ["rate(", "increase(", "deriv("]
                .iter()
                .any(|word| rule.query.contains(word))
        };
        let is_counter = |name: &str| name.ends_with("_total") || name.ends_with("_count");
        let without_rate = custom
            .rules
            .iter()
            .find(|rule| is_counter(&rule.series) && !is_rate(rule));
        if let Some(rule) = without_rate {
            let what = format!("`{}` is served as it is, without `rate(…)`", rule.series);
            spots.push(Spot::at(rule.adapter, &rule.pointer, what));
        } else if is_counter(&custom.name) {
            let served = if custom.rules.is_empty() {
                ""
            } else {
                "; the adapter serves a rate under that name"
            };
            let what = format!("`{}` is a counter's name{served}", custom.name);
            spots.push(Spot::at(custom.autoscaler, &custom.pointer, what));
        }
    }
    spots
}

fn not_served<'a>(files: &Files<'a>) -> Vec<Spot<'a>> {
    customs(files)
        .into_iter()
        .filter(|custom| custom.rules.is_empty() && !files.is_only_values)
        // What our own server needs is printed by `uninlu render adapter`, and is no part of the objects.
        .filter(|custom| !(files.objects.pod.is_own_server() && custom.name == REQUESTS_PER_SECOND))
        .map(|custom| {
            let what = match files.adapters.is_empty() {
                true => format!("no adapter's rule for `{}` is in here", custom.name),
                false => format!("no rule of the adapter serves `{}`", custom.name),
            };
            Spot::at(custom.autoscaler, &custom.pointer, what)
        })
        .collect()
}

fn not_scraped<'a>(files: &Files<'a>) -> Vec<Spot<'a>> {
    let annotations = "/spec/template/metadata/annotations";
    let is_annotated = files
        .objects
        .deployment
        .entries(annotations)
        .get("prometheus.io/scrape")
        .is_some_and(|value| value == "true");
    // Monitors are no kind of a stack's, so a live namespace's are not read.
    let is_monitored = files.objects.is_live
        || files.is_only_values
        || files
            .objects
            .all
            .iter()
            .any(|object| matches!(object.kind(), "ServiceMonitor" | "PodMonitor"));
    if is_annotated || is_monitored || customs(files).is_empty() {
        return Vec::new();
    }
    let what = "the pods have no annotation `prometheus.io/scrape`, and there is no monitor";
    vec![Spot::at(files.objects.deployment, annotations, what)]
}

/// A Prometheus counter of the server's Python code.
struct Counter {
    name: String,
    /// Lines that count one request: of a label for its beginning, and of its end. Empty unless there are both.
    increments: Vec<usize>,
}

static COUNTER: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"(?m)^\s*(?:(\w+)\s*(?::[^=\n]+)?=\s*)?(?:\w+\.)?(Counter|Gauge|Histogram|Summary)\(\s*(?:name\s*=\s*)?["']([A-Za-z_:][\w:]*)["']"#)
        .expect("the pattern is a constant")
});

fn counters(code: &str) -> Vec<Counter> {
    let mut counters: Vec<Counter> = COUNTER
        .captures_iter(code)
        .map(|captures| {
            let name = &captures[3];
            let is_counter = &captures[2] == "Counter";
            let name = match is_counter && !name.ends_with("_total") {
                // As Python's client exports it.
                true => format!("{name}_total"),
                false => name.to_owned(),
            };
            let variable = captures
                .get(1)
                .map(|variable| variable.as_str())
                .filter(|_| is_counter);
            Counter {
                increments: variable
                    .map(|variable| doubled(code, variable))
                    .unwrap_or_default(),
                name,
            }
        })
        .collect();
    if code.contains("Instrumentator(") {
        // prometheus-fastapi-instrumentator's default.
        counters.push(Counter {
            name: "http_requests_total".to_owned(),
            increments: Vec::new(),
        });
    }
    counters
}

/// Labels of a request that is not answered yet.
const BEGINNINGS: [&str; 6] = [
    "pending",
    "started",
    "received",
    "processing",
    "in_progress",
    "accepted",
];

fn doubled(code: &str, variable: &str) -> Vec<usize> {
    let begins = |line: &str| BEGINNINGS.iter().any(|word| line.contains(word));
    let increments: Vec<(usize, &str)> = code
        .lines()
        .enumerate()
        .filter(|(_, line)| line.contains(&format!("{variable}.")) && line.contains(".inc("))
        .map(|(index, line)| (index + 1, line))
        .collect();
    let beginning = increments.iter().find(|(_, line)| begins(line));
    let end = increments.iter().find(|(_, line)| !begins(line));
    match (beginning, end) {
        (Some((first, _)), Some((second, _))) => vec![*first, *second],
        _ => Vec::new(),
    }
}
