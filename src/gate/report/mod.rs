//! The gate's word in the forms that people and CI systems read.

mod github;
mod json;
mod judgment;
mod junit;
mod markdown;
mod sarif;
mod text;

use clap::ValueEnum;

pub use json::{Report, Reports};
pub use judgment::{Judgment, errors, not_judged};

use crate::escape;

/// In which form the gate speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// For people
    #[default]
    Text,
    /// For programs
    Json,
    /// JUnit XML: each rule is a test case
    Junit,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// For a pull request's comment
    Markdown,
    /// Workflow commands: GitHub shows them at the stack file's lines
    Github,
}

/// Everything in that form, with a line's end.
pub fn write(format: Format, judged: &Judgment) -> String {
    match format {
        Format::Text => text::write(judged),
        Format::Json => json::write(judged),
        Format::Junit => junit::write_all(&[*judged]),
        Format::Sarif => escape::json(&sarif::write(judged)),
        Format::Markdown => markdown::write(judged),
        Format::Github => github::write(judged),
    }
}

/// The stacks of a folder in that form, as one document.
pub fn write_all(format: Format, folder: &str, all: &[Judgment]) -> String {
    match format {
        Format::Text => text::write_all(all),
        Format::Json => json::write_all(all),
        Format::Junit => junit::write_all(all),
        Format::Sarif => escape::json(&sarif::write_all(folder, all)),
        Format::Markdown => markdown::write_all(folder, all),
        Format::Github => github::write_all(all),
    }
}
