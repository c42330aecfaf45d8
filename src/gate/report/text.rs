//! For people.

use std::fmt::Write;

use super::Judgment;
use super::judgment::{is_refused, summary_of};
use crate::gate::{Finding, Severity};
use crate::ui::{BOLD, DIM, GREEN, RED, YELLOW, paint};

pub(super) fn write(judged: &Judgment) -> String {
    let mut text = format!("{}\n", paint(BOLD, judged.what));
    if let Some(plan) = judged.plan {
        let _ = writeln!(text, "plan: {plan}");
    }
    for finding in &judged.verdicts.findings {
        paragraph(&mut text, judged.file, finding);
    }
    for (reason, rules) in judged.unknown() {
        let line = format_args!("skipped ({}): {reason}", rules.join(", "));
        let _ = writeln!(text, "{}", paint(DIM, line));
    }
    let style = if judged.is_refused() { RED } else { GREEN };
    let _ = writeln!(text, "{}", paint(style, judged.summary()));
    text
}

pub(super) fn write_all(all: &[Judgment]) -> String {
    let text: String = all.iter().map(|judged| write(judged) + "\n").collect();
    let style = if is_refused(all) { RED } else { GREEN };
    format!("{text}{}\n", paint(style, summary_of(all)))
}

fn paragraph(text: &mut String, file: &str, finding: &Finding) {
    let style = match (&finding.waived, finding.severity) {
        (Some(_), _) => DIM,
        (None, Severity::Error) => RED,
        (None, Severity::Warning) => YELLOW,
    };
    let (word, rule) = (paint(style, finding.word()), &finding.rule);
    let _ = writeln!(
        text,
        "{word} {rule} ({}): {}",
        finding.words_of_place(file),
        finding.message
    );
    if let Some(waiver) = finding.waived.as_ref() {
        let _ = writeln!(text, "    {waiver}");
        return;
    }
    let _ = writeln!(text, "    why: {}", finding.why);
    let _ = writeln!(text, "    fix: {}", finding.fix);
}
