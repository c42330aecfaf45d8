//! For a pull request's comment.

use std::fmt::Write;

use super::{Told, summary_of};

pub(super) fn write(told: &Told) -> String {
    let mut text = format!("### uninlu gate: {}\n\n**{}**\n", told.what, told.summary());
    if let Some(plan) = told.plan {
        let _ = writeln!(text, "\nplan: {plan}");
    }
    if !told.verdicts.findings.is_empty() {
        text.push_str("\n| | rule | where | what | mend |\n|---|---|---|---|---|\n");
    }
    for finding in &told.verdicts.findings {
        let mend = finding
            .words_of_waiver()
            .unwrap_or_else(|| finding.mend.clone());
        let cells = [
            finding.word(),
            &format!("`{}`", finding.rule),
            &cell(&finding.words_of_place(told.file)),
            &cell(&finding.message),
            &cell(&mend),
        ];
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
    for (reason, rules) in told.unknown() {
        let _ = writeln!(
            text,
            "\nNot looked at ({}): {}",
            rules.join(", "),
            cell(reason)
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
        "## uninlu gate: {folder}\n\n**{}**\n{stacks}",
        summary_of(all)
    )
}

/// Text in a cell: what would end it, or begin HTML, is escaped.
fn cell(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('|', "\\|")
        .replace('<', "&lt;")
        .replace('\n', " ")
}
