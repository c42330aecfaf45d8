//! What a person sees: the tool on a terminal of 80 columns, over an API server that answers from a list.

mod api;
mod commands;
mod init;
mod interruption;
mod releases;
pub(crate) mod terminal;

use std::path::Path;

/// A screen without what differs from run to run.
fn settings(home: &Path) -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.set_omit_expression(true);
    settings.set_prepend_module_to_snapshot(false);
    settings.add_filter(&home.display().to_string().replace('.', r"\."), "HOME");
    settings.add_filter(r"\(\d+\.\d s\)", "(0.0 s)");
    settings
}
