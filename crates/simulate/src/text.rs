//! The report for people: a table, the course of the replicas, and the answer in words.

use std::fmt::Write;

use super::report::{Played, Report};
use super::run::Requests;
use super::variant::Kind;
use uninlu_text::table::table;

/// Rows of the course.
const ROWS: usize = 12;
/// Columns of the summary that say how requests are answered.
const SPEED: std::ops::Range<usize> = 3..9;

/// Three tables of at most 80 columns, and the answer, as plain text.
pub fn text(report: &Report) -> String {
    let mut text = format!(
        "{} under {} (seed {}): {}\n\n",
        report.stack,
        report.load.text,
        report.seed,
        pod_in_words(report)
    );
    let (size, speed) = halves(report);
    for rows in [size, speed] {
        text.push_str(&table(&rows));
        text.push('\n');
    }
    text.push_str("Over time: pods, P95, and the share of refused requests where there are any\n");
    text.push_str(&table(&course(report)));
    text.push('\n');
    let verdict = report.verdict.iter().map(|verdict| &verdict.text);
    let better = report.better.iter().map(|better| &better.text);
    for sentence in report.answer.iter().chain(verdict).chain(better) {
        let _ = writeln!(text, "{sentence}");
    }
    text
}

pub(super) fn pod_in_words(report: &Report) -> String {
    let pod = &report.pod;
    format!(
        "one pod was measured to carry {:.1} requests/s with 95 of 100 within {}, and a new one serves {:.0} s after the decision",
        pod.measured_requests_per_second,
        time(report.objective),
        pod.until_served
    )
}

/// The rows of the summary, its head first.
pub(super) fn totals(report: &Report) -> Vec<Vec<String>> {
    let head = [
        "variant",
        "pods",
        "mean",
        "P50",
        "P95",
        "P99",
        "worst P95",
        "refused",
        "in time",
        "pod-hours",
    ];
    let mut head = head.map(String::from).to_vec();
    head.extend(report.price.is_some().then(|| "cost".to_owned()));
    let mut rows = vec![head];
    rows.extend(shown(report).into_iter().map(|(name, played)| {
        let [p50, p95, p99] = latencies(&played.total);
        let mut row = vec![
            label(&name, played),
            replicas(played),
            format!("{:.1}", mean(report, played)),
            p50,
            p95,
            p99,
            played.worst_p95().map_or_else(|| "-".into(), time),
            percent(played.refused_percent),
            percent(played.in_time_percent),
            format!("{:.2}", played.replica_hours),
        ];
        row.extend(played.cost.map(|cost| money(report, cost)));
        row
    }));
    rows
}

/// The summary as a table of what the variants take, and one of how they answer, under their names without targets.
fn halves(report: &Report) -> (Vec<Vec<String>>, Vec<Vec<String>>) {
    let names = shown(report).into_iter().map(|(name, _)| name);
    let names = std::iter::once("variant".to_owned()).chain(names);
    let split = |(name, mut row): (String, Vec<String>)| {
        let mut size = row.split_off(SPEED.end);
        let speed = row.split_off(SPEED.start);
        row.append(&mut size);
        (row, std::iter::once(name).chain(speed).collect())
    };
    names.zip(totals(report)).map(split).unzip()
}

/// Every variant with its name, without its targets; fleets of the same number of pods once, by all their names.
pub(super) fn shown(report: &Report) -> Vec<(String, &Played)> {
    let size = |played: &Played| {
        (played.is_fixed() && played.kind != Kind::Stack).then(|| played.replicas[2])
    };
    let mut all: Vec<(String, &Played)> = Vec::new();
    for played in &report.variants {
        let same = all
            .iter_mut()
            .find(|(_, known)| size(played).is_some() && size(known) == size(played));
        match same {
            Some((name, _)) => *name = format!("{}, {name}", what(played.kind)),
            None => all.push((what(played.kind).to_owned(), played)),
        }
    }
    all
}

/// Pods on average, those that start or leave included.
pub(super) fn mean(report: &Report, played: &Played) -> f64 {
    played.replica_hours * 3_600.0 / report.load.seconds
}

/// P50, P95 and P99, or dashes where no request was answered.
pub(super) fn latencies(requests: &Requests) -> [String; 3] {
    requests
        .latency
        .map_or_else(|| ["-".into(), "-".into(), "-".into()], |all| all.map(time))
}

/// What it is called wherever it is shown.
pub(super) fn label(name: &str, played: &Played) -> String {
    format!("{name} ({})", played.name)
}

const fn what(kind: Kind) -> &'static str {
    match kind {
        Kind::Stack => "the stack",
        Kind::CpuAlone => "CPU alone",
        Kind::RequestsAlone => "requests alone",
        Kind::RequestsAdded => "with requests",
        Kind::Suggested => "suggested",
        Kind::FixedMinimum => "the minimum",
        Kind::FixedMaximum => "the maximum",
        Kind::FixedMean => "the mean",
        Kind::FixedEnough => "enough",
    }
}

pub(super) fn replicas(played: &Played) -> String {
    let [_, low, high] = played.replicas;
    if low == high {
        low.to_string()
    } else {
        format!("{low} to {high}")
    }
}

/// Replicas over time, in some evenly spaced rows.
fn course(report: &Report) -> Vec<Vec<String>> {
    let mut head = vec!["time".to_owned(), "requests/s".to_owned()];
    let scaled: Vec<&Played> = report
        .variants
        .iter()
        .filter(|played| played.kind != Kind::RequestsAlone)
        .filter(|played| played.kind == Kind::Stack || !played.is_fixed())
        .collect();
    head.extend(scaled.iter().map(|played| what(played.kind).to_owned()));
    let Some(first) = report.variants.first() else {
        return vec![head];
    };
    let count = first.intervals.len();
    let every = count.div_ceil(ROWS).max(1);
    let mut rows = vec![head];
    for index in (0..count).filter(|index| (index + 1) % every == 0 || index + 1 == count) {
        let interval = &first.intervals[index];
        let end = (interval.at + report.interval).min(report.load.seconds);
        let rate = interval.requests.offered as f64 / (end - interval.at);
        let mut row = vec![clock(end), format!("{rate:.0}")];
        row.extend(scaled.iter().map(|played| {
            let interval = &played.intervals[index];
            let latency = interval
                .requests
                .latency
                .map_or_else(|| "-".into(), |all| time(all[1]));
            let refused = interval.requests.refused_percent();
            let refused = if refused >= 0.5 {
                format!(", {}", percent(refused))
            } else {
                String::new()
            };
            format!("{}, {latency}{refused}", interval.replicas)
        }));
        rows.push(row);
    }
    rows
}

/// What it comes to.
pub(super) fn answer(report: &Report) -> Vec<String> {
    let mut sentences = vec![format!(
        "From {} to {} requests/s:",
        rate(report.load.lowest),
        rate(report.load.highest)
    )];
    let stack = report.played(Kind::Stack);
    let (alone, together) = match report.played(Kind::CpuAlone) {
        Some(alone) => (Some(alone), stack),
        None => (stack, report.played(Kind::RequestsAdded)),
    };
    sentences.extend(alone.map(|played| fared(report, played)));
    sentences.extend(together.map(|played| fared(report, played)));
    if let (Some(alone), Some(together)) = (alone, together) {
        sentences.push(difference(alone, together));
    }
    sentences.extend(stack.and_then(|stack| against_fixed(report, stack)));
    sentences.extend(stack.and_then(|stack| against_maximum(report, stack)));
    sentences
}

fn against_maximum(report: &Report, stack: &Played) -> Option<String> {
    let maximum = report.played(Kind::FixedMaximum)?;
    let saved = 100.0 - stack.replica_hours * 100.0 / maximum.replica_hours;
    Some(format!(
        "Its maximum of {} pods all the time takes {:.2} pod-hours; the stack takes {saved:.0} % fewer.",
        maximum.replicas[2], maximum.replica_hours
    ))
}

/// How one variant fared, and why.
fn fared(report: &Report, played: &Played) -> String {
    let [first, _, high] = played.replicas;
    let size = match (played.first_rise, report.load.rises_at) {
        _ if high == first => format!("stays at {first} pods{}", at_maximum(played)),
        (Some(at), Some(rise)) if at >= rise => format!(
            "goes from {first} to {high} pods{}, the first time {} after the load begins to rise",
            at_maximum(played),
            clock(at - rise)
        ),
        _ => format!("goes from {first} to {high} pods{}", at_maximum(played)),
    };
    let holds = if played.intervals_missed == 0 {
        "the objective holds throughout".to_owned()
    } else {
        format!(
            "the objective is missed in {} of {} intervals",
            played.intervals_missed,
            played.intervals.len()
        )
    };
    format!(
        "- {}: {size}; P95 {}, {} refused, {holds}{}.",
        label(what(played.kind), played),
        played.p95().map_or_else(|| "-".into(), time),
        share(played.refused_percent),
        reason(played)
    )
}

/// Whether it may not go further.
fn at_maximum(played: &Played) -> &'static str {
    let [.., high] = played.replicas;
    if played.maximum == Some(high) {
        ", its maximum"
    } else {
        ""
    }
}

/// What the controller saw, against what it was told to hold.
fn reason(played: &Played) -> String {
    let cpu = played.cpu.zip(played.highest_cpu).map(|(target, seen)| {
        format!("CPU use was at most {seen:.0} % of the request, and pods are added above 1.1 × {target} %")
    });
    let requests = played
        .requests_per_second
        .zip(played.highest_requests)
        .map(|(target, seen)| {
            format!(
                "requests were at most {seen:.1}/s and pod, and pods are added above 1.1 × {target}"
            )
        });
    let words: Vec<String> = cpu.into_iter().chain(requests).collect();
    if words.is_empty() {
        String::new()
    } else {
        format!(" ({})", words.join("; "))
    }
}

fn difference(alone: &Played, together: &Played) -> String {
    let most = |played: &Played| played.replicas[2];
    if most(alone) == most(together)
        && alone.intervals_missed == together.intervals_missed
        && alone.total == together.total
    {
        return "The second metric changes nothing here.".into();
    }
    let p95 = |played: &Played| played.worst_p95().map_or_else(|| "-".into(), time);
    format!(
        "The second metric: at most {} instead of {} pods, P95 in the worst interval {} instead of {}, {} instead of {} intervals that miss the objective, {} refused instead of {}; for {:.2} instead of {:.2} pod-hours.",
        most(together),
        most(alone),
        p95(together),
        p95(alone),
        together.intervals_missed,
        alone.intervals_missed,
        share(together.refused_percent),
        share(alone.refused_percent),
        together.replica_hours,
        alone.replica_hours
    )
}

fn against_fixed(report: &Report, stack: &Played) -> Option<String> {
    let Some(enough) = report.played(Kind::FixedEnough) else {
        return Some(format!(
            "No fixed number of pods holds {} in every interval: texts of this length take longer, or chance does.",
            time(report.objective)
        ));
    };
    let saved = 100.0 - stack.replica_hours * 100.0 / enough.replica_hours;
    let compared = if saved >= 0.0 {
        format!("{saved:.0} % fewer")
    } else {
        format!("{:.0} % more", -saved)
    };
    let missed = match stack.intervals_missed {
        0 => String::new(),
        count => format!(", and misses the objective in {count} intervals"),
    };
    Some(format!(
        "The smallest fixed fleet that holds the objective throughout has {} pods; the stack takes {compared} pod-hours than that ({:.2} against {:.2}){missed}.",
        enough.replicas[2], stack.replica_hours, enough.replica_hours
    ))
}

/// `84 ms`, `1.20 s`.
pub(super) fn time(seconds: f64) -> String {
    if seconds < 1.0 {
        format!("{:.0} ms", seconds * 1_000.0)
    } else {
        format!("{seconds:.2} s")
    }
}

/// An amount in the price's currency, with as many decimals as the report's others: two, or so many that the smallest
/// has two digits.
pub(super) fn money(report: &Report, amount: f64) -> String {
    let costs = report.variants.iter().filter_map(|played| played.cost);
    let decimals = decimals(costs.fold(f64::INFINITY, f64::min));
    format!("{amount:.decimals$}")
}

fn decimals(smallest: f64) -> usize {
    match smallest {
        smallest if smallest <= 0.0 || smallest >= 0.1 => 2,
        smallest => (1.0 - smallest.log10().floor()) as usize,
    }
}

/// A share in a sentence.
fn share(percentage: f64) -> String {
    if percentage > 0.0 {
        percent(percentage)
    } else {
        "none".into()
    }
}

/// A share is never rounded to none or to all that is not.
pub(super) fn percent(share: f64) -> String {
    if share > 0.0 && share < 0.1 {
        "<0.1 %".into()
    } else if share < 100.0 && share > 99.9 {
        ">99.9 %".into()
    } else {
        format!("{share:.1} %")
    }
}

pub(super) fn rate(rate: f64) -> String {
    let text = format!("{rate:.1}");
    text.strip_suffix(".0").map(String::from).unwrap_or(text)
}

/// `4:30`, `1:04:30`.
pub(super) fn clock(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes}:{seconds:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_amount_is_not_rounded_to_nothing() {
        for (amount, shown) in [
            (0.0, "0.00"),
            (0.00048, "0.00048"),
            (0.06, "0.060"),
            (0.1, "0.10"),
            (1.2, "1.20"),
            (1_234.567, "1234.57"),
        ] {
            assert_eq!(format!("{amount:.*}", decimals(amount)), shown);
        }
    }
}
