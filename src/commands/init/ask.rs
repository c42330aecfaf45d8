//! Questions on a terminal: an answer that is refused is asked for again, with the reason.

use miette::Diagnostic;

use super::check::Refusal;
use crate::ui::{RED, Ui, paint};

/// The input ended in the middle of the questions.
#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("the input ended before an answer to: {question}")]
#[diagnostic(help(
    "no file was written. Answer the questions, or give flags: `uninlu init --help`"
))]
pub(super) struct Ended {
    question: String,
}

/// What Enter alone means: how it is shown, and the answer that it stands for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Proposal<'a> {
    pub(super) shown: &'a str,
    pub(super) answer: &'a str,
}

impl<'a> Proposal<'a> {
    pub(super) fn of(answer: &'a str) -> Self {
        Self {
            shown: answer,
            answer,
        }
    }
}

/// Asks until an answer can be read.
///
/// # Errors
/// [`Ended`]
pub(super) fn ask<T>(
    question: &str,
    proposal: Option<Proposal>,
    read: impl Fn(&str) -> Result<T, Refusal>,
    ui: Ui,
) -> Result<T, Ended> {
    let shown = proposal.map_or(String::new(), |it| format!(" [{}]", it.shown));
    loop {
        let Some(answer) = ui.answer(&format!("{question}{shown}:")) else {
            return Err(Ended {
                question: question.to_owned(),
            });
        };
        let answer = match (answer.is_empty(), proposal) {
            (true, Some(proposal)) => proposal.answer,
            (true, None) => {
                refuse(
                    &Refusal::new("an answer is needed", "Ctrl-C ends `init`"),
                    ui,
                );
                continue;
            }
            (false, _) => &answer,
        };
        match read(answer) {
            Ok(read) => return Ok(read),
            Err(refusal) => refuse(&refusal, ui),
        }
    }
}

/// Says why, also when quiet: the question that follows would make no sense without it.
pub(super) fn refuse(refusal: &Refusal, ui: Ui) {
    let mark = paint(RED, "✗");
    let Refusal { message, help } = refusal;
    ui.loud()
        .say(format_args!("  {mark} {message}\n    {help}"));
}
