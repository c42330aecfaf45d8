//! Running the tool, for all tests that do.

use std::path::Path;
use std::process::{Command, Stdio};

/// The binary in that folder, without anything of the user's: no kubeconfig, no environment, no terminal.
pub(crate) fn uninlu(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_uninlu"));
    command
        .current_dir(folder)
        .env_clear()
        .env("HOME", folder)
        .env("NO_COLOR", "1")
        .stdin(Stdio::null());
    command
}
