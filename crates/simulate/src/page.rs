//! The report as one HTML page that needs nothing else: no other file, no host. Its script only shows values that the
//! tables have too.

use std::fmt::Write;

use serde_json::{Value, json};

use super::chart::{Chart, Line, Unit, escape, figure};
use super::report::{Played, Report};
use super::run::Interval;
use super::text::{
    clock, label, latencies, mean, money, percent, pod_in_words, rate, replicas, shown, time,
    totals,
};
use super::variant::Kind;
use uninlu_text::words::capitalised;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
const UNITS: [&str; 5] = ["ms", "s,", "% ", "pods", "requests/s"];

/// A variant as the page names and draws it.
struct Shown<'a> {
    name: String,
    played: &'a Played,
}

/// The whole page.
pub fn page(report: &Report) -> String {
    let variants: Vec<Shown> = shown(report)
        .into_iter()
        .map(|(name, played)| Shown {
            name: label(&name, played),
            played,
        })
        .collect();
    let load = &report.load;
    let rates = match (rate(load.lowest), rate(load.highest)) {
        (low, high) if low == high => low,
        (low, high) => format!("{low} to {high}"),
    };
    let title = escape(&format!("{} under {rates} requests/s", report.stack));
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n<style>\n{STYLE}{}</style>\n</head>\n<body>\n<h1>{title}</h1>\n",
        switches(&variants)
    );
    let pod = capitalised(&pod_in_words(report));
    let _ = writeln!(
        page,
        "<p class=\"soft\">Load: <code>{}</code>. {}.</p>",
        escape(&load.text),
        escape(&pod)
    );
    page.push_str(&verdict(report));
    page.push_str(&tiles(report));
    page.push_str(&key(report, &variants));
    let charts = charts(report, &variants);
    for (number, chart) in charts.iter().enumerate() {
        page.push_str(&figure(chart, number));
    }
    page.push_str("<section>\n<h2>What each variant costs and gives</h2>\n");
    page.push_str(&table(&totals(report), true));
    page.push_str("</section>\n<details>\n<summary>Why</summary>\n");
    page.push_str(&answer(&report.answer));
    page.push_str("</details>\n<details>\n<summary>Every interval</summary>\n");
    for variant in &variants {
        let _ = write!(
            page,
            "<details><summary>{}</summary>\n{}</details>\n",
            escape(&variant.name),
            table(&intervals(report, variant.played), false)
        );
    }
    page.push_str("</details>\n<details>\n<summary>Where the figures are from</summary>\n");
    let _ = writeln!(
        page,
        "<p class=\"soft\">{}</p>\n</details>",
        escape(&origin(report))
    );
    let data = data(report, &variants, &charts)
        .to_string()
        .replace('<', "\\u003c");
    let _ = writeln!(
        page,
        "<script type=\"application/json\" id=\"data\">{data}</script>\n<script>\n{SCRIPT}</script>\n</body>\n</html>"
    );
    page
}

fn origin(report: &Report) -> String {
    let profile = &report.profile;
    format!(
        "Simulated by uninlu {}, seed {}, texts of {} characters. Measured: {} on {}, {}. The simulated pod has a P95 of {} at the measured rate, the real one had {}.",
        env!("CARGO_PKG_VERSION"),
        report.seed,
        report.load.characters,
        profile.image,
        profile.processor,
        profile.measured_at,
        time(report.pod.simulated_latency[1]),
        time(report.pod.measured_latency[1])
    )
}

/// A line is hidden where its box is not ticked, with no script.
fn switches(variants: &[Shown]) -> String {
    let switch = |line: usize| {
        format!(
            "body:has(#line-{line}:not(:checked)) [data-line=\"{line}\"] {{ display: none; }}\n"
        )
    };
    (0..variants.len()).map(switch).collect()
}

/// The stack in a sentence, and what would do better.
fn verdict(report: &Report) -> String {
    let Some(verdict) = &report.verdict else {
        return String::new();
    };
    let (class, mark) = match verdict.holds {
        true => (" holds", "✓"),
        false => ("", "✗"),
    };
    let mut html = format!(
        "<div class=\"verdict{class}\">\n<p><strong aria-hidden=\"true\">{mark}</strong> {}</p>\n",
        led(&verdict.text)
    );
    if let Some(better) = &report.better {
        let _ = writeln!(html, "<p>{}</p>", led(&better.text));
    }
    html.push_str("</div>\n");
    html
}

/// A sentence whose begin, up to the colon, is what it comes to.
fn led(text: &str) -> String {
    match text.split_once(": ") {
        Some((begin, rest)) => format!("<b>{}:</b> {}", with_code(begin), with_code(rest)),
        None => with_code(text),
    }
}

/// What stands between two backticks as code; a number and its unit stay on one line.
fn with_code(text: &str) -> String {
    let parts = UNITS.iter().fold(escape(text), |text, unit| {
        text.replace(&format!(" {unit}"), &format!("\u{a0}{unit}"))
    });
    let parts = parts.split('`').enumerate();
    parts
        .map(|(index, part)| match index % 2 {
            1 => format!("<code>{part}</code>"),
            _ => part.to_owned(),
        })
        .collect()
}

/// The figures that a reader looks for first.
fn tiles(report: &Report) -> String {
    let Some(stack) = report.played(Kind::Stack) else {
        return String::new();
    };
    let maximum = report.played(Kind::FixedMaximum);
    let bounds = match (replicas(stack), stack.maximum) {
        (_, None) => "pods, fixed".to_owned(),
        (pods, Some(most)) => format!("pods on average: {pods}, at most {most} allowed"),
    };
    let saved = |hours: f64| 100.0 - stack.replica_hours * 100.0 / hours;
    let fewer = maximum.map_or_else(
        || "pod-hours".to_owned(),
        |fleet| {
            let (saved, pods) = (saved(fleet.replica_hours), fleet.replicas[2]);
            format!("pod-hours: {saved:.0} % fewer than {pods} pods all the time")
        },
    );
    let worst = stack.worst_p95().map_or_else(|| "-".into(), time);
    let objective = time(report.objective);
    let offered = stack.total.offered;
    let mut tiles = vec![
        (format!("{:.1}", mean(report, stack)), bounds),
        (
            worst,
            format!("P95 in the worst interval; the objective is {objective}"),
        ),
        (
            percent(stack.refused_percent),
            format!("of {offered} requests refused", offered = grouped(offered)),
        ),
        (format!("{:.2}", stack.replica_hours), fewer),
    ];
    if let (Some(price), Some(cost)) = (report.price, stack.cost) {
        let beside = maximum.and_then(|fleet| {
            let cost = money(report, fleet.cost?);
            Some(format!(
                "; {cost} for {} pods all the time",
                fleet.replicas[2]
            ))
        });
        let beside = beside.unwrap_or_default();
        tiles.push((
            money(report, cost),
            format!("cost, at {price} for a pod-hour{beside}"),
        ));
    }
    let tile = |(figure, words): (String, String)| {
        format!(
            "<div><b>{}</b><span>{}</span></div>\n",
            escape(&figure),
            escape(&words)
        )
    };
    let tiles: String = tiles.into_iter().map(tile).collect();
    format!("<div class=\"tiles\">\n{tiles}</div>\n")
}

/// `57,378`
fn grouped(count: usize) -> String {
    let digits = count.to_string();
    let place = |(index, digit): (usize, char)| {
        let is_group = index > 0 && (digits.len() - index).is_multiple_of(3);
        is_group.then_some(',').into_iter().chain([digit])
    };
    digits.chars().enumerate().flat_map(place).collect()
}

/// Sentences, of which those with a dash are a list.
fn answer(sentences: &[String]) -> String {
    let mut html = String::from("<div class=\"answer\">\n");
    let mut is_list = false;
    for sentence in sentences {
        let item = sentence.strip_prefix("- ");
        if item.is_some() != is_list {
            html.push_str(if is_list { "</ul>\n" } else { "<ul>\n" });
            is_list = !is_list;
        }
        let _ = match item {
            Some(item) => writeln!(html, "<li>{}</li>", escape(item)),
            None => writeln!(html, "<p>{}</p>", escape(sentence)),
        };
    }
    if is_list {
        html.push_str("</ul>\n");
    }
    html.push_str("</div>\n");
    html
}

/// Its first row is the head, its first column names the rows; the second row may be the one that matters.
fn table(rows: &[Vec<String>], is_first_marked: bool) -> String {
    let mut html = String::from("<div class=\"scroll\"><table>\n");
    for (index, row) in rows.iter().enumerate() {
        let cell = |(column, text): (usize, &String)| {
            let text = escape(text);
            match (index, column) {
                (0, _) => format!("<th scope=\"col\">{text}</th>"),
                (_, 0) => format!("<th scope=\"row\">{text}</th>"),
                _ => format!("<td>{text}</td>"),
            }
        };
        let cells: String = row.iter().enumerate().map(cell).collect();
        let _ = match index {
            0 => writeln!(html, "<thead><tr>{cells}</tr></thead>\n<tbody>"),
            1 if is_first_marked => writeln!(html, "<tr class=\"first\">{cells}</tr>"),
            _ => writeln!(html, "<tr>{cells}</tr>"),
        };
    }
    html.push_str("</tbody></table></div>\n");
    html
}

/// The class of a variant's line.
fn class(kind: Kind) -> &'static str {
    match kind {
        Kind::Stack => "stack",
        Kind::CpuAlone => "cpu-alone",
        Kind::RequestsAlone => "requests-alone",
        Kind::RequestsAdded => "requests-added",
        Kind::Suggested => "suggested",
        Kind::FixedMinimum => "fixed-minimum",
        Kind::FixedMaximum => "fixed-maximum",
        Kind::FixedMean => "fixed-mean",
        Kind::FixedEnough => "fixed-enough",
    }
}

fn swatch(class: &str) -> String {
    format!(
        "<svg viewBox=\"0 0 28 8\" aria-hidden=\"true\"><path class=\"{class}\" d=\"M0 4H28\"/></svg>"
    )
}

/// Which line is which variant, with a box that hides it; and that the dashed one is the objective.
fn key(report: &Report, variants: &[Shown]) -> String {
    let entry = |(line, variant): (usize, &Shown)| {
        let class = format!("line {}", class(variant.played.kind));
        let first = if line == 0 { " class=\"first\"" } else { "" };
        format!(
            "<li{first}><label><input type=\"checkbox\" id=\"line-{line}\" checked>{}{}</label></li>\n",
            swatch(&class),
            escape(&variant.name)
        )
    };
    let entries: String = variants.iter().enumerate().map(entry).collect();
    let bound = escape(&format!("objective: P95 of {}", time(report.objective)));
    format!(
        "<ul class=\"key\">\n{entries}<li><label>{}{bound}</label></li>\n</ul>\n",
        swatch("bound")
    )
}

fn charts<'a>(report: &Report, variants: &[Shown]) -> Vec<Chart<'a>> {
    let chart = |title, unit, lines| Chart {
        title,
        unit,
        lines,
        bound: None,
        is_stepped: false,
        interval: report.interval,
        seconds: report.load.seconds,
    };
    let lines = |value: fn(&Interval) -> Option<f64>| lines(variants, value);
    let load = variants.first().map(|variant| Line {
        variant: None,
        class: "load".into(),
        values: variant
            .played
            .intervals
            .iter()
            .map(|one| Some(offered(report, one)))
            .collect(),
    });
    let objective = format!("objective {}", time(report.objective));
    vec![
        chart("Requests that come", Unit::Rate, load.into_iter().collect()),
        Chart {
            is_stepped: true,
            ..chart(
                "Pods that serve",
                Unit::Pods,
                lines(|one| Some(one.serving as f64)),
            )
        },
        Chart {
            bound: Some((report.objective, objective)),
            ..chart(
                "P95 of the answered requests",
                Unit::Latency,
                lines(|one| one.requests.latency.map(|all| all[1])),
            )
        },
        chart(
            "Requests refused with 429",
            Unit::Percent,
            lines(|one| Some(one.requests.refused_percent())),
        ),
    ]
}

/// The stack's own line comes last, and so lies on top.
fn lines(variants: &[Shown], value: fn(&Interval) -> Option<f64>) -> Vec<Line> {
    let line = |(index, variant): (usize, &Shown)| Line {
        variant: Some(index),
        class: class(variant.played.kind).into(),
        values: variant.played.intervals.iter().map(value).collect(),
    };
    variants.iter().enumerate().rev().map(line).collect()
}

/// What the script shows of each interval, in words already.
fn data(report: &Report, variants: &[Shown], charts: &[Chart]) -> Value {
    let count = variants
        .first()
        .map_or(0, |variant| variant.played.intervals.len());
    let moment = |at: f64| json!({ "at": at, "text": clock(at) });
    let intervals = (0..count).map(|index| {
        let from = report.interval * index as f64;
        let to = (from + report.interval).min(report.load.seconds);
        json!({ "from": moment(from), "to": moment(to) })
    });
    let line = |chart: &Chart, line: &Line| {
        let variant = line.variant.and_then(|index| variants.get(index));
        let words = |value: &Option<f64>| {
            value.map_or_else(|| "-".to_owned(), |value| written(chart.unit, value))
        };
        json!({
            "line": line.variant,
            "name": variant.map_or("requests per second", |variant| &variant.name),
            "swatch": line.class,
            "values": line.values.iter().map(words).collect::<Vec<_>>(),
        })
    };
    let of_chart = |chart: &Chart| -> Vec<Value> {
        chart
            .lines
            .iter()
            .rev()
            .map(|one| line(chart, one))
            .collect()
    };
    json!({
        "seconds": report.load.seconds,
        "interval": report.interval,
        "intervals": intervals.collect::<Vec<_>>(),
        "charts": charts.iter().map(of_chart).collect::<Vec<_>>(),
    })
}

fn written(unit: Unit, value: f64) -> String {
    match unit {
        Unit::Rate => format!("{value:.1}"),
        Unit::Pods => format!("{value:.0}"),
        Unit::Latency => time(value),
        Unit::Percent => percent(value),
    }
}

/// Requests per second of an interval, of which the last may be shorter.
fn offered(report: &Report, interval: &Interval) -> f64 {
    let length = report.interval.min(report.load.seconds - interval.at);
    interval.requests.offered as f64 / length
}

fn intervals(report: &Report, played: &Played) -> Vec<Vec<String>> {
    let head = [
        "from",
        "requests/s",
        "pods wanted",
        "serving",
        "P50",
        "P95",
        "P99",
        "refused",
    ];
    let mut rows = vec![head.map(String::from).to_vec()];
    rows.extend(played.intervals.iter().map(|one| {
        let [p50, p95, p99] = latencies(&one.requests);
        vec![
            clock(one.at),
            format!("{:.1}", offered(report, one)),
            one.replicas.to_string(),
            one.serving.to_string(),
            p50,
            p95,
            p99,
            percent(one.requests.refused_percent()),
        ]
    }));
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_grouped() {
        let shown = [0, 999, 1_000, 57_378, 1_234_567].map(grouped);
        assert_eq!(shown, ["0", "999", "1,000", "57,378", "1,234,567"]);
    }

    #[test]
    fn what_a_sentence_comes_to_stands_out() {
        assert_eq!(
            led("It holds: within 250 ms, `a < 1`"),
            "<b>It holds:</b> within 250\u{a0}ms, <code>a &lt; 1</code>"
        );
    }
}
