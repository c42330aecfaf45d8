//! The report as one HTML page that needs nothing else: no script, no other file, no host.

use std::fmt::Write;

use super::chart::{Chart, Line, escape, svg};
use super::report::{Played, Report};
use super::run::Interval;
use super::text::{clock, label, latencies, percent, pod_in_words, time, totals};
use uninlu_text::words::capitalised;

const STYLE: &str = include_str!("page.css");

/// The whole page.
pub fn page(report: &Report) -> String {
    let title = format!("{} under {}", report.stack, report.load.text);
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n",
        title = escape(&title)
    );
    let pod = pod_in_words(report);
    let _ = writeln!(page, "<p>{}.</p>", escape(&capitalised(&pod)));
    let _ = writeln!(page, "<p class=\"soft\">{}</p>", escape(&origin(report)));
    page.push_str(&answer(&report.answer));
    page.push_str(&table(&totals(report)));
    page.push_str(&key(report));
    page.push_str(&charts(report));
    page.push_str("<h2>Every interval</h2>\n");
    for played in &report.variants {
        let _ = write!(
            page,
            "<details><summary>{}</summary>\n{}</details>\n",
            escape(&label(played)),
            table(&intervals(report, played))
        );
    }
    page.push_str("</body>\n</html>\n");
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

/// Its first row is the head, its first column names the rows.
fn table(rows: &[Vec<String>]) -> String {
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
            _ => writeln!(html, "<tr>{cells}</tr>"),
        };
    }
    html.push_str("</tbody></table></div>\n");
    html
}

/// Which line is which variant, and that the dashed one is the objective.
fn key(report: &Report) -> String {
    let mut html = String::from("<ul class=\"key\">\n");
    let mut entry = |class: &str, name: &str| {
        let _ = writeln!(
            html,
            "<li><svg viewBox=\"0 0 28 8\" aria-hidden=\"true\"><path class=\"{class}\" d=\"M0 4H28\"/></svg>{}</li>",
            escape(name)
        );
    };
    for (index, played) in report.variants.iter().enumerate() {
        entry(&format!("line v{index}"), &label(played));
    }
    entry("bound", &format!("objective: {}", time(report.objective)));
    html.push_str("</ul>\n");
    html
}

fn charts(report: &Report) -> String {
    let load = Line {
        class: "load".into(),
        values: report
            .variants
            .first()
            .map(|played| {
                played
                    .intervals
                    .iter()
                    .map(|one| Some(offered(report, one)))
                    .collect()
            })
            .unwrap_or_default(),
    };
    let all = [
        chart(
            report,
            "Requests per second that come",
            vec![load],
            |value| format!("{value:.0}"),
        ),
        Chart {
            is_stepped: true,
            ..chart(
                report,
                "Pods that get requests",
                lines(report, |one| Some(one.serving as f64)),
                |value| format!("{value:.0}"),
            )
        },
        Chart {
            bound: Some(report.objective),
            ..chart(
                report,
                "P95 of those that are answered",
                lines(report, |one| one.requests.latency.map(|all| all[1])),
                time,
            )
        },
        chart(
            report,
            "Refused with 429, in percent",
            lines(report, |one| Some(one.requests.refused_percent())),
            |value| format!("{value:.0} %"),
        ),
    ];
    let figure = |chart: &Chart| {
        format!(
            "<h2>{}</h2>\n<figure>\n{}</figure>\n",
            escape(chart.title),
            svg(chart)
        )
    };
    all.iter().map(figure).collect()
}

fn lines(report: &Report, value: impl Fn(&Interval) -> Option<f64>) -> Vec<Line> {
    let line = |(index, played): (usize, &Played)| Line {
        class: format!("v{index}"),
        values: played.intervals.iter().map(&value).collect(),
    };
    report.variants.iter().enumerate().map(line).collect()
}

fn chart<'a>(
    report: &Report,
    title: &'a str,
    lines: Vec<Line>,
    unit: fn(f64) -> String,
) -> Chart<'a> {
    let intervals = lines.first().map_or(0, |line| line.values.len());
    let is_load = lines.len() == 1 && lines.iter().all(|line| line.class == "load");
    let names: Vec<String> = if is_load {
        vec!["all".into()]
    } else {
        report.variants.iter().map(label).collect()
    };
    let hint = |index: usize| {
        let at = clock(report.interval * index as f64);
        let values = names.iter().zip(&lines).map(|(name, line)| {
            let value = line.values.get(index).copied().flatten();
            format!("{name}: {}", value.map_or_else(|| "-".into(), unit))
        });
        std::iter::once(at)
            .chain(values)
            .collect::<Vec<String>>()
            .join("\n")
    };
    Chart {
        title,
        description: "every value is in the tables below".into(),
        hints: (0..intervals).map(hint).collect(),
        lines,
        bound: None,
        is_stepped: false,
        interval: report.interval,
        seconds: report.load.seconds,
        unit,
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
        "replicas",
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
