//! `uninlu completions`

use clap_complete::Shell;
use miette::Result;

use super::common::exit;
use crate::document::Body;
use crate::ui::Ui;

/// Prints the completions of a shell: `uninlu completions bash >/etc/bash_completion.d/uninlu`
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  uninlu completions bash
  uninlu completions zsh >_uninlu")]
pub struct Args {
    /// Which shell [default: the one of `SHELL`]
    #[arg(value_enum)]
    shell: Option<Shell>,
}

#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("no shell is named, and `SHELL` names none that is known")]
#[diagnostic(help("name one: `uninlu completions bash`, or elvish, fish, powershell, zsh"))]
struct NoShell;

/// It has no `--json`.
pub(super) const DOCUMENTS: &[Body] = &[];

/// Runs the command.
///
/// # Errors
/// No shell is named.
pub async fn run(args: Args, mut command: clap::Command, ui: Ui) -> Result<u8> {
    let shell = args.shell.or_else(Shell::from_env).ok_or(NoShell)?;
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, "uninlu", &mut script);
    ui.file(&String::from_utf8_lossy(&script))?;
    Ok(exit::OK)
}
