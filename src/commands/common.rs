//! What commands have in common: which stack, durations, exit codes.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

/// Which stack file, and which of its environments.
#[derive(Debug, Clone, Args)]
pub struct StackArgs {
    /// Stack file, or a folder that holds `uninlu.toml`
    #[arg(default_value = "uninlu.toml", value_name = "STACK")]
    pub stack: PathBuf,
    /// Environment `[env.NAME]` to lay over the file
    #[arg(long, short, env = "UNINLU_ENV", value_name = "NAME")]
    pub env: Option<String>,
}

/// The same for commands whose argument is something else.
#[derive(Debug, Clone, Args)]
pub struct StackOption {
    /// Stack file, or a folder that holds `uninlu.toml`
    #[arg(long, default_value = "uninlu.toml", value_name = "STACK")]
    pub stack: PathBuf,
    /// Environment `[env.NAME]` to lay over the file
    #[arg(long, short, env = "UNINLU_ENV", value_name = "NAME")]
    pub env: Option<String>,
}

/// Reads an option's duration.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let found = uninlu_settings::duration::parse(text).ok();
    let found = found.filter(|duration| !duration.is_zero());
    found.ok_or_else(|| "write a number with a unit, such as \"250ms\" or \"2s\"".to_owned())
}

/// Exit codes, as `uninlu help` documents them.
pub mod exit {
    /// Done, or nothing to do.
    pub const OK: u8 = 0;
    /// An error; nothing was lost.
    pub const ERROR: u8 = 1;
    /// There are changes (only with `--detailed-exitcode`), or there is drift.
    pub const CHANGES: u8 = 2;
    /// Refused by the gate.
    pub const REFUSED: u8 = 3;
    /// `status` of a stack that is not deployed.
    pub const NOT_DEPLOYED: u8 = 4;
}
