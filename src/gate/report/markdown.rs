//! For a pull request's comment.

use std::fmt::Write;

use super::Judgment;
use super::judgment::summary_of;
use crate::escape::{cell, code, markdown};

pub(super) fn write(judged: &Judgment) -> String {
    let what = markdown(judged.what);
    let mut text = format!("### uninlu gate: {what}\n\n**{}**\n", judged.summary());
    if let Some(plan) = judged.plan {
        let _ = writeln!(text, "\nplan: {}", markdown(plan));
    }
    if !judged.verdicts.findings.is_empty() {
        text.push_str("\n| | rule | where | what | fix |\n|---|---|---|---|---|\n");
    }
    for finding in &judged.verdicts.findings {
        let waived = finding.waived.as_ref().map(ToString::to_string);
        let fix = waived.unwrap_or_else(|| finding.fix.clone());
        let cells = [
            finding.word(),
            &code(&finding.rule).replace('|', "\\|"),
            &cell(&finding.words_of_place(judged.file)),
            &cell(&finding.message),
            &cell(&fix),
        ];
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
    for (reason, rules) in judged.unknown() {
        let _ = writeln!(
            text,
            "\nSkipped ({}): {}",
            rules.join(", "),
            markdown(reason)
        );
    }
    text
}

pub(super) fn write_all(folder: &str, all: &[Judgment]) -> String {
    let stacks: String = all
        .iter()
        .map(|judged| format!("\n{}", write(judged)))
        .collect();
    format!(
        "## uninlu gate: {}\n\n**{}**\n{stacks}",
        markdown(folder),
        summary_of(all)
    )
}
