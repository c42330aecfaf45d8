//! One file per verb: the only orchestration. A command reads its facts, calls pure code, and writes through
//! [`crate::ui`] or [`crate::cluster`].

/// The table of commands, in the order of the help: each name with its module. `cli` is the command line itself, for those
/// that print it.
macro_rules! every_command {
    ($then:ident) => {
        $then! {
            cli =>
            Init: init,
            Import: import,
            Validate: validate,
            Render: render,
            Build: build,
            Rehearse: rehearse,
            Plan: plan,
            Diff: diff,
            Explain: explain,
            Gate: gate,
            Apply: apply,
            Adopt: adopt,
            Status: status,
            Verify: verify,
            Drift: drift,
            History: history,
            Rollback: rollback,
            Destroy: destroy,
            Simulate: simulate,
            Schema: schema,
            Completions: completions(cli),
            Man: man(cli),
        }
    };
}

pub mod adopt;
pub mod apply;
pub mod build;
pub mod completions;
pub mod destroy;
pub mod diff;
pub mod drift;
pub mod explain;
pub mod gate;
pub mod history;
pub mod import;
pub mod init;
pub mod man;
pub mod plan;
pub mod rehearse;
pub mod render;
pub mod rollback;
pub mod schema;
pub mod simulate;
pub mod status;
pub mod validate;
pub mod verify;

pub mod common;
mod consent;
mod delivery;
mod discovery;
mod effect;
mod ending;
mod findings;
mod fleet;
mod interrupted;
mod late;
mod leave;
mod planning;
mod release;
mod saved;

use clap::Subcommand;

use crate::ui::Ui;

/// Makes the command line's subcommands of the table.
macro_rules! commands {
    ($cli:ident => $($name:ident: $module:ident $(($printed:ident))?,)+) => {
        /// What the command line can be asked for.
        #[derive(Debug, Subcommand)]
        pub(crate) enum Command {
            $($name($module::Args),)+
        }

        /// Runs a command; what it returns is its exit code.
        pub(crate) async fn dispatch(
            command: Command,
            $cli: clap::Command,
            ui: Ui,
        ) -> miette::Result<u8> {
            match command {
                $(Command::$name(args) => $module::run(args, $($printed,)? ui).await,)+
            }
        }
    };
}

every_command!(commands);
