//! The question before something is written.

use miette::Diagnostic;

use crate::ui::Ui;

/// A question, and what its refusal says.
pub(super) struct Question<'a> {
    /// What is asked.
    pub(super) words: &'a str,
    /// The only answer that consents.
    pub(super) consent: &'a str,
    /// What stands above the question: `plan`.
    pub(super) shown: &'static str,
    /// What was not done to anything: `changed`.
    pub(super) undone: &'static str,
}

/// Why there is no consent.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub(super) enum NoConsent {
    #[error("there is no terminal to ask on")]
    #[diagnostic(help("read the {0} above, then run again with --yes"))]
    CannotAsk(&'static str),
    #[error("not confirmed; nothing was {0}")]
    NotConfirmed(&'static str),
}

impl Question<'_> {
    pub(super) fn ask(&self, ui: Ui) -> Result<(), NoConsent> {
        if !ui.can_ask() {
            Err(NoConsent::CannotAsk(self.shown))
        } else if ui.confirm(self.words, self.consent) {
            Ok(())
        } else {
            Err(NoConsent::NotConfirmed(self.undone))
        }
    }
}
