//! Command line types and dispatch.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use clap::builder::FalseyValueParser;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

pub(crate) use crate::commands::common::duration;
pub use crate::commands::common::{StackArgs, StackOption, exit};
use crate::report;
use crate::ui::{self, Talk, Ui};
use crate::{cluster, commands};

/// Declarative deployer of a SiameseUniNLU inference service on Kubernetes.
#[derive(Debug, Parser)]
#[command(
    name = "uninlu",
    version,
    propagate_version = true,
    after_help = "Exit codes: 0 done or nothing to do, 1 error, 2 changes (--detailed-exitcode) or drift, 3 refused by the gate, 4 not deployed (status)"
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Says nothing but results and errors
    #[arg(long, short, global = true)]
    quiet: bool,
    /// How to talk on stderr: lines, or one JSON event a line
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        env = "UNINLU_PROGRESS"
    )]
    progress: Talk,
    /// Lets a kubeconfig inside of the stack's checkout run commands and use credentials that lie elsewhere
    #[arg(
        long,
        global = true,
        env = "UNINLU_ALLOW_EXEC",
        value_parser = FalseyValueParser::new()
    )]
    allow_exec: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    Init(commands::init::Args),
    Import(commands::import::Args),
    Validate(commands::validate::Args),
    Render(commands::render::Args),
    Build(commands::build::Args),
    Rehearse(commands::rehearse::Args),
    Plan(commands::plan::Args),
    Diff(commands::diff::Args),
    Explain(commands::explain::Args),
    Gate(commands::gate::Args),
    Apply(commands::apply::Args),
    Adopt(commands::adopt::Args),
    Status(commands::status::Args),
    Verify(commands::verify::Args),
    Drift(commands::drift::Args),
    History(commands::history::Args),
    Rollback(commands::rollback::Args),
    Destroy(commands::destroy::Args),
    Simulate(commands::simulate::Args),
    Schema(commands::schema::Args),
    Completions(commands::completions::Args),
    Man(commands::man::Args),
}

/// Runs the command line. What a command returns is its exit code; an error is told once, here.
pub fn main() -> ExitCode {
    // Only one hook can be set, and this is the first.
    let _ = miette::set_hook(Box::new(|_| Box::new(report::Handler::new())));
    let cli = match parse() {
        Ok(cli) => cli,
        Err(stopped) => return ExitCode::from(answer(&stopped)),
    };
    let ui = Ui::new(cli.quiet, cli.progress);
    match run(cli) {
        Ok(code) => ExitCode::from(code),
        Err(report) => {
            ui.error(&report);
            ExitCode::from(exit::ERROR)
        }
    }
}

/// Called by kubectl as its plugin, it says in its help how it is called.
fn parse() -> Result<Cli, clap::Error> {
    let is_plugin = std::env::args_os()
        .next()
        .is_some_and(|path| Path::new(&path).ends_with("kubectl-uninlu"));
    let command = match is_plugin {
        true => Cli::command().bin_name("kubectl uninlu"),
        false => Cli::command(),
    };
    Cli::from_arg_matches(&command.try_get_matches()?)
}

/// Help and version are data; what cannot be understood is an error like any other, and 2 means changes.
fn answer(stopped: &clap::Error) -> u8 {
    let text = stopped.render().ansi().to_string();
    if stopped.use_stderr() {
        let _ = write!(anstream::stderr().lock(), "{text}");
        return exit::ERROR;
    }
    match ui::write_data(anstream::stdout().lock(), text.as_bytes()) {
        Ok(()) => exit::OK,
        Err(error) => {
            Ui::new(false, Talk::Plain).error(&error.into());
            exit::ERROR
        }
    }
}

fn run(cli: Cli) -> miette::Result<u8> {
    let ui = Ui::new(cli.quiet, cli.progress);
    if cli.allow_exec {
        cluster::allow_exec();
    }
    let runtime = tokio::runtime::Runtime::new()
        .map_err(|error| miette::miette!("cannot start the asynchronous runtime: {error}"))?;
    runtime.block_on(dispatch(cli.command, ui))
}

async fn dispatch(command: Command, ui: Ui) -> miette::Result<u8> {
    match command {
        Command::Init(args) => commands::init::run(args, ui).await,
        Command::Import(args) => commands::import::run(args, ui).await,
        Command::Validate(args) => commands::validate::run(args, ui).await,
        Command::Render(args) => commands::render::run(args, ui).await,
        Command::Build(args) => commands::build::run(args, ui).await,
        Command::Rehearse(args) => commands::rehearse::run(args, ui).await,
        Command::Plan(args) => commands::plan::run(args, ui).await,
        Command::Diff(args) => commands::diff::run(args, ui).await,
        Command::Explain(args) => commands::explain::run(args, ui).await,
        Command::Gate(args) => commands::gate::run(args, ui).await,
        Command::Apply(args) => commands::apply::run(args, ui).await,
        Command::Adopt(args) => commands::adopt::run(args, ui).await,
        Command::Status(args) => commands::status::run(args, ui).await,
        Command::Verify(args) => commands::verify::run(args, ui).await,
        Command::Drift(args) => commands::drift::run(args, ui).await,
        Command::History(args) => commands::history::run(args, ui).await,
        Command::Rollback(args) => commands::rollback::run(args, ui).await,
        Command::Destroy(args) => commands::destroy::run(args, ui).await,
        Command::Simulate(args) => commands::simulate::run(args, ui).await,
        Command::Schema(args) => commands::schema::run(args, ui).await,
        Command::Completions(args) => commands::completions::run(args, Cli::command(), ui).await,
        Command::Man(args) => commands::man::run(args, Cli::command(), ui).await,
    }
}
