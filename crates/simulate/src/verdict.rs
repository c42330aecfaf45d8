//! Whether the stack holds its objective, and what would do better.

use super::report::{Better, Played, Report, Verdict};
use super::text::{mean, money, percent, rate, time};
use super::variant::Kind;

/// Share of pod-hours below which a variant that holds as well is worth a change.
const CHEAPER: f64 = 0.95;

/// The stack in one sentence.
pub(super) fn verdict(report: &Report) -> Option<Verdict> {
    let stack = report.played(Kind::Stack)?;
    let holds = stack.intervals_missed == 0;
    let objective = format!(
        "95 of 100 requests are answered within {}",
        time(report.objective)
    );
    let found = if holds {
        let refused = match stack.total.refused {
            0 => "none is refused".to_owned(),
            _ => format!("{} of them are refused", percent(stack.refused_percent)),
        };
        format!("The stack holds its objective: in every interval {objective}, and {refused}")
    } else {
        let refused = match stack.total.refused {
            0 => "no request is refused".to_owned(),
            _ => format!(
                "{} of all requests are refused",
                percent(stack.refused_percent)
            ),
        };
        let worst = stack.worst_p95().map_or(String::new(), |worst| {
            format!("P95 of the answered ones goes to {}, ", time(worst))
        });
        format!(
            "The stack does not hold its objective: in {} of {} intervals fewer than {objective}; {worst}{refused}",
            stack.intervals_missed,
            stack.intervals.len()
        )
    };
    let cost = stack.cost.map_or(String::new(), |cost| {
        format!(", and costs {}", money(report, cost))
    });
    Some(Verdict {
        holds,
        text: format!("{found}. It takes {}{cost}.", pods(report, stack)),
    })
}

/// `4 to 8 pods (6.4 on average)`
fn pods(report: &Report, played: &Played) -> String {
    let [_, low, high] = played.replicas;
    let maximum = match played.maximum {
        Some(most) if most == high && low != high => "its maximum; ",
        _ => "",
    };
    match (low, high) {
        (1, 1) => "1 pod".to_owned(),
        _ if low == high => format!("{low} pods"),
        _ => format!(
            "{low} to {high} pods ({maximum}{:.1} on average)",
            mean(report, played)
        ),
    }
}

/// The variant that does best, where that is better than the stack.
pub(super) fn better(report: &Report) -> Option<Better> {
    let stack = report.played(Kind::Stack)?;
    let can_be_written = |played: &&Played| match played.kind {
        Kind::RequestsAdded | Kind::Suggested => true,
        Kind::FixedEnough => stack.is_fixed(),
        _ => false,
    };
    let candidates = report.variants.iter().filter(can_be_written);
    let best = candidates.min_by(|one, other| {
        let hours = one.replica_hours.total_cmp(&other.replica_hours);
        one.intervals_missed
            .cmp(&other.intervals_missed)
            .then(hours)
    })?;
    let holds_more = best.intervals_missed < stack.intervals_missed;
    let holds_as_well = best.intervals_missed == stack.intervals_missed;
    let is_cheaper = best.replica_hours < stack.replica_hours * CHEAPER;
    if !(holds_more || holds_as_well && is_cheaper) {
        return None;
    }
    let settings = settings(stack, best);
    Some(Better {
        kind: best.kind,
        text: words(report, stack, best, &settings),
        settings,
    })
}

/// What to write into the stack file.
fn settings(stack: &Played, best: &Played) -> Vec<String> {
    let [.., most] = best.replicas;
    if best.is_fixed() {
        return vec![format!("replicas = {most}")];
    }
    let requests = best
        .requests_per_second
        .filter(|_| best.requests_per_second != stack.requests_per_second);
    let requests = requests.map(|target| format!("requests-per-second = {target}"));
    let bounds = (best.minimum, best.maximum);
    let replicas = (bounds != (stack.minimum, stack.maximum)).then(|| {
        let [min, max] = [bounds.0, bounds.1].map(Option::unwrap_or_default);
        format!("replicas = {{ min = {min}, max = {max} }}")
    });
    let keys = requests.into_iter().chain(replicas);
    keys.map(|key| format!("autoscaling.{key}")).collect()
}

fn words(report: &Report, stack: &Played, best: &Played, settings: &[String]) -> String {
    let measured = best.requests_per_second.map_or(String::new(), |target| {
        let share = f64::from(target) / report.pod.requests_per_second * 100.0;
        format!(
            " ({share:.0} % of the {} requests/s that one pod was measured to carry)",
            rate(report.pod.requests_per_second)
        )
    });
    let instead = match best.is_fixed() == stack.is_fixed() {
        true => String::new(),
        false => format!(" instead of `replicas = {}`", stack.replicas[2]),
    };
    let held = match (best.intervals_missed, stack.intervals_missed) {
        (0, 0) => "it holds the objective as well".to_owned(),
        (0, _) => "it holds the objective in every interval".to_owned(),
        (left, before) => {
            format!("it misses the objective in {left} intervals instead of {before}")
        }
    };
    let price = match (best.cost, stack.cost) {
        (Some(cost), Some(before)) => format!(
            "costs {} instead of {}",
            money(report, cost),
            money(report, before)
        ),
        _ => format!(
            "takes {:.2} pod-hours instead of {:.2}",
            best.replica_hours, stack.replica_hours
        ),
    };
    format!(
        "Better: `{}`{instead}{measured}: {held}, and {price}.",
        settings.join("` and `")
    )
}
