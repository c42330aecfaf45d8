//! What commands have in common: which stack, durations, exit codes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use super::effect::is_typed;

/// The stack file that a command takes when none is named.
pub(super) const FILE: &str = "uninlu.toml";

/// The stack file as a next command names it, behind a space; nothing for [`FILE`].
pub(super) fn stack_argument(file: &Path) -> String {
    match file.to_string_lossy() {
        file if file == FILE => String::new(),
        file => format!(" {}", in_shell(&file)),
    }
}

/// A word as a shell reads it.
pub(super) fn in_shell(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "/._-:@=+,".contains(c);
    match word.chars().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

/// Which stack file, and which of its environments.
#[derive(Debug, Clone, Args)]
pub struct StackArgs {
    /// Stack file, or a folder that holds `uninlu.toml`
    #[arg(default_value = "uninlu.toml", value_name = "STACK")]
    pub stack: PathBuf,
    /// Environment `[env.NAME]` to merge into the file
    #[arg(long, short, env = ENVIRONMENT, value_name = "NAME")]
    pub env: Option<String>,
}

/// Where the environment may stand.
const ENVIRONMENT: &str = "UNINLU_ENV";

impl StackArgs {
    /// Whether `--env` was typed: the variable may stand for other commands.
    pub(super) fn is_environment_typed(&self) -> bool {
        is_typed(self.env.as_deref(), ENVIRONMENT)
    }

    /// As they were given, so that the next command means the same stack.
    pub(super) fn given(&self) -> String {
        given(&self.stack, self.env.as_deref())
    }
}

/// Stack file and environment as a command names them, behind a space; nothing for [`FILE`] alone.
pub(super) fn given(file: &Path, environment: Option<&str>) -> String {
    let environment = environment.map(|name| format!(" --env {}", in_shell(name)));
    stack_argument(file) + &environment.unwrap_or_default()
}

/// The same for a command with one more argument, which may stand alone: `history 3`.
#[derive(Debug, Clone, Args)]
pub struct StackFirst {
    /// Stack file, or a folder that holds `uninlu.toml` [default: uninlu.toml]
    #[arg(value_name = "STACK")]
    stack: Option<PathBuf>,
    /// The earlier form
    #[arg(long = "stack", hide = true, value_name = "STACK")]
    option: Option<PathBuf>,
    /// Environment `[env.NAME]` to merge into the file
    #[arg(long, short, env = ENVIRONMENT, value_name = "NAME")]
    pub env: Option<String>,
}

/// Two stacks, of which only one can be meant.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("STACK is given twice: {} and --stack {}", one.display(), other.display())]
#[diagnostic(help("nothing was changed. Give it once, as the first argument"))]
pub(crate) struct Twice {
    one: PathBuf,
    other: PathBuf,
}

impl StackFirst {
    /// The stack file, and the other argument: `read` says whether what stands in STACK's place is that one.
    ///
    /// # Errors
    /// [`Twice`]
    pub(crate) fn and<T>(
        &self,
        other: Option<T>,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<(PathBuf, Option<T>), Twice> {
        let alone = self.stack.as_deref().filter(|_| other.is_none());
        match alone.and_then(Path::to_str).and_then(read) {
            Some(other) => Ok((stack_file(None, self.option.as_ref())?, Some(other))),
            None => Ok((
                stack_file(self.stack.as_ref(), self.option.as_ref())?,
                other,
            )),
        }
    }
}

/// STACK, or what the earlier `--stack` names, or the one in the present folder.
///
/// # Errors
/// [`Twice`]
pub(crate) fn stack_file(
    first: Option<&PathBuf>,
    option: Option<&PathBuf>,
) -> Result<PathBuf, Twice> {
    match (first, option) {
        (Some(one), Some(other)) => Err(Twice {
            one: one.clone(),
            other: other.clone(),
        }),
        (Some(file), None) | (None, Some(file)) => Ok(file.clone()),
        (None, None) => Ok(PathBuf::from("uninlu.toml")),
    }
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
