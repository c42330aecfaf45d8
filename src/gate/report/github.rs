//! GitHub's workflow commands: each finding is shown at its line of the stack file.

use std::fmt::Write;

use super::Judgment;
use super::judgment::summary_of;
use crate::escape;

pub(super) fn write(judged: &Judgment) -> String {
    format!("{}{}\n", commands(judged), judged.summary())
}

pub(super) fn write_all(all: &[Judgment]) -> String {
    let of_one = |judged: &Judgment| {
        let line = escape::log(&format!("{}: {}", judged.what, judged.summary()));
        format!("{}{}\n", commands(judged), line.replace('\n', " "))
    };
    let text: String = all.iter().map(of_one).collect();
    format!("{text}{}\n", summary_of(all))
}

fn commands(judged: &Judgment) -> String {
    let mut text = String::new();
    for finding in &judged.verdicts.findings {
        let waiver = finding.waived.as_ref();
        let command = match waiver {
            Some(_) => "notice",
            None => finding.severity.word(),
        };
        let message = waiver.map_or_else(
            || finding.sentences(),
            |waiver| format!("{} ({waiver})", finding.message),
        );
        let _ = writeln!(
            text,
            "::{command} file={},line={},title={}::{}",
            property(judged.file),
            finding.line(),
            property(&finding.rule),
            data(&message)
        );
    }
    for (reason, rules) in judged.unknown() {
        let words = format!("skipped ({}): {reason}", rules.join(", "));
        let _ = writeln!(text, "::debug::{}", data(&words));
    }
    text
}

/// As the runner's own toolkit escapes it.
fn data(text: &str) -> String {
    escape::log(text)
        .replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
