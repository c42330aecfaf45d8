//! `uninlu man`

use std::path::PathBuf;

use miette::{IntoDiagnostic, Result, WrapErr};

use super::common::exit;
use crate::document::Body;
use crate::ui::Ui;

/// Prints the manual page, or writes it and one of each command into a folder
///
/// `uninlu man | man -l -` shows it; `uninlu man --out /usr/local/share/man/man1` installs all of them.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  uninlu man | man -l -
  uninlu man --out /usr/local/share/man/man1")]
pub struct Args {
    /// Folder for `uninlu.1`, `uninlu-plan.1` and so on
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// It has no `--json`.
pub(super) const DOCUMENTS: &[Body] = &[];

/// Runs the command.
///
/// # Errors
/// A folder that cannot be written.
pub async fn run(args: Args, command: clap::Command, ui: Ui) -> Result<u8> {
    match args.out {
        Some(folder) => std::fs::create_dir_all(&folder)
            .and_then(|()| clap_mangen::generate_to(command, &folder))
            .into_diagnostic()
            .wrap_err_with(|| {
                format!(
                    "cannot write the manual's pages into {}; name a folder that can be written with --out",
                    folder.display()
                )
            })?,
        None => {
            let mut page = Vec::new();
            clap_mangen::Man::new(command)
                .render(&mut page)
                .into_diagnostic()?;
            ui.file(&String::from_utf8_lossy(&page))?;
        }
    }
    Ok(exit::OK)
}
