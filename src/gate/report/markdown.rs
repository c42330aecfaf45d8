//! For a pull request's comment.

use std::fmt::Write;

use super::{Told, summary_of};
use crate::escape::{cell, code, markdown};

pub(super) fn write(told: &Told) -> String {
    let what = markdown(told.what);
    let mut text = format!("### uninlu gate: {what}\n\n**{}**\n", told.summary());
    if let Some(plan) = told.plan {
        let _ = writeln!(text, "\nplan: {}", markdown(plan));
    }
    if !told.verdicts.findings.is_empty() {
        text.push_str("\n| | rule | where | what | fix |\n|---|---|---|---|---|\n");
    }
    for finding in &told.verdicts.findings {
        let waived = finding.waived.as_ref().map(ToString::to_string);
        let fix = waived.unwrap_or_else(|| finding.fix.clone());
        let cells = [
            finding.word(),
            &code(&finding.rule).replace('|', "\\|"),
            &cell(&finding.words_of_place(told.file)),
            &cell(&finding.message),
            &cell(&fix),
        ];
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
    for (reason, rules) in told.unknown() {
        let _ = writeln!(
            text,
            "\nSkipped ({}): {}",
            rules.join(", "),
            markdown(reason)
        );
    }
    text
}

pub(super) fn write_all(folder: &str, all: &[Told]) -> String {
    let stacks: String = all
        .iter()
        .map(|told| format!("\n{}", write(told)))
        .collect();
    format!(
        "## uninlu gate: {}\n\n**{}**\n{stacks}",
        markdown(folder),
        summary_of(all)
    )
}
