//! Command line types and dispatch.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use clap::builder::FalseyValueParser;
use clap::error::{ContextKind, ContextValue};
use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser};

use crate::commands::Command;
use crate::commands::common::exit;
use crate::document::{Document, Failure, Place, Problem};
use crate::report;
use crate::ui::{self, Talk, Ui};
use crate::{cluster, commands, interruption};

/// Declarative deployer of a SiameseUniNLU inference service on Kubernetes.
#[derive(Debug, Parser)]
#[command(
    name = "uninlu",
    version,
    propagate_version = true,
    after_help = "Exit codes: 0 done or nothing to do, 1 error, 2 changes (--detailed-exitcode) or drift, 3 refused by the gate, 4 not deployed (status), 130 interrupted"
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

/// Runs the command line. What a command returns is its exit code; an error is reported once, here.
pub fn main() -> ExitCode {
    // Only one hook can be set, and this is the first.
    let _ = miette::set_hook(Box::new(|_| Box::new(report::Handler::new())));
    let (cli, command) = match parse() {
        Ok(parsed) => parsed,
        Err(stopped) => return ExitCode::from(answer(&stopped)),
    };
    let ui = Ui::new(cli.quiet, cli.progress);
    match run(cli) {
        Ok(code) => ExitCode::from(code),
        Err(report) => {
            if command.is_none() || ui.is_for_programs() {
                ui.error(&report);
            }
            if let Some(command) = command {
                fail(&command, report::problem(report.as_ref()), ui);
            }
            ExitCode::from(match interruption::was_interrupted() {
                true => interruption::EXIT,
                false => exit::ERROR,
            })
        }
    }
}

/// What was asked for, and which command it is where it prints JSON. Called by kubectl as its plugin, it says in its
/// help how it is called.
fn parse() -> Result<(Cli, Option<String>), clap::Error> {
    let is_plugin = std::env::args_os()
        .next()
        .is_some_and(|path| Path::new(&path).ends_with("kubectl-uninlu"));
    let command = match is_plugin {
        true => Cli::command().bin_name("kubectl uninlu"),
        false => Cli::command(),
    };
    let matches = command.try_get_matches().map_err(with_advice)?;
    Ok((Cli::from_arg_matches(&matches)?, json_command(&matches)))
}

/// What does here what these commands of other tools do. None is for what takes everything away.
const ELSEWHERE: [(&[&str], &str); 5] = [
    (
        &["install", "upgrade", "sync"],
        "`uninlu apply` creates and changes a stack",
    ),
    (&["new", "create"], "`uninlu init` writes a stack file"),
    (
        &["get", "list", "ps", "show"],
        "`uninlu status` shows what runs",
    ),
    (
        &["log", "logs"],
        "`kubectl logs` shows what the pods' servers write",
    ),
    (&["version"], "`uninlu --version` prints the version"),
];

/// A tip for a word that is another tool's; for another one, what clap finds similar, but never a command that takes
/// everything away.
fn with_advice(mut error: clap::Error) -> clap::Error {
    const KEY: ContextKind = ContextKind::SuggestedSubcommand;
    let similar = match error.remove(KEY) {
        Some(ContextValue::Strings(found)) => found,
        Some(ContextValue::String(found)) => vec![found],
        _ => Vec::new(),
    };
    if let Some(tip) = tip(&error) {
        error.insert(
            ContextKind::Suggested,
            ContextValue::StyledStrs(vec![tip.into()]),
        );
        return error;
    }
    let harmless = |name: &String| !["destroy", "down", "delete"].contains(&name.as_str());
    let similar: Vec<String> = similar.into_iter().filter(harmless).collect();
    if !similar.is_empty() {
        error.insert(KEY, ContextValue::Strings(similar));
    }
    error
}

fn tip(error: &clap::Error) -> Option<&'static str> {
    let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidSubcommand) else {
        return None;
    };
    let known = ELSEWHERE
        .iter()
        .find(|(words, _)| words.contains(&word.as_str()));
    known.map(|(_, tip)| *tip)
}

/// The name of the command, where `--json` is given to it or to one below it.
fn json_command(matches: &ArgMatches) -> Option<String> {
    let (name, mut below) = matches.subcommand()?;
    while let Some((_, deeper)) = below.subcommand() {
        below = deeper;
    }
    let is_json = below.try_get_one::<bool>("json").ok().flatten();
    is_json
        .copied()
        .unwrap_or_default()
        .then(|| name.to_owned())
}

/// Prints an error as JSON; where stdout does not take it, as a line.
fn fail(command: &str, error: Problem, ui: Ui) {
    let failure = Failure { error };
    if let Err(unwritable) = ui.json(&Document::new(command, Place::NONE, failure)) {
        ui.error(&unwritable.into());
    }
}

/// Help and version are data; what cannot be understood is an error like any other, and 2 means changes.
fn answer(stopped: &clap::Error) -> u8 {
    let ui = Ui::new(false, Talk::Plain);
    let text = stopped.render().ansi().to_string();
    if stopped.use_stderr() {
        match misused() {
            Some(command) => fail(&command, usage(&stopped.render().to_string()), ui),
            None => drop(write!(anstream::stderr().lock(), "{text}")),
        }
        return exit::ERROR;
    }
    match ui::write_data(anstream::stdout().lock(), text.as_bytes()) {
        Ok(()) => exit::OK,
        Err(error) => {
            ui.error(&error.into());
            exit::ERROR
        }
    }
}

/// The command of a line that cannot be understood, where it has `--json`.
fn misused() -> Option<String> {
    let arguments: Vec<String> = std::env::args_os()
        .skip(1)
        .map(|argument| argument.to_string_lossy().into_owned())
        .take_while(|argument| argument != "--")
        .collect();
    let known = Cli::command();
    let command = arguments.iter().find_map(|it| known.find_subcommand(it));
    let is_json = arguments.iter().any(|argument| argument == "--json");
    command
        .filter(|_| is_json)
        .map(|command| command.get_name().to_owned())
}

/// clap's words: the error, and how it is called.
fn usage(text: &str) -> Problem {
    let text = text.strip_prefix("error: ").unwrap_or(text);
    let (message, help) = text.split_once("\n\n").unwrap_or((text, ""));
    Problem {
        message: message.trim().to_owned(),
        causes: Vec::new(),
        help: Some(help.trim().to_owned()),
        details: Vec::new(),
    }
}

fn run(cli: Cli) -> miette::Result<u8> {
    let ui = Ui::new(cli.quiet, cli.progress);
    if cli.allow_exec {
        cluster::allow_exec();
    }
    let runtime = tokio::runtime::Runtime::new()
        .map_err(|error| miette::miette!("cannot start the asynchronous runtime: {error}"))?;
    let context = runtime.enter();
    let interrupts =
        interruption::watch(ui).map_err(|error| miette::miette!("cannot catch Ctrl-C: {error}"))?;
    runtime.spawn(interrupts);
    drop(context);
    runtime.block_on(commands::dispatch(cli.command, Cli::command(), ui))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::common::{StackFirst, Twice};

    /// Every command with the path to it: `uninlu import helm`.
    fn every(command: &clap::Command, path: &str, found: &mut Vec<(String, clap::Command)>) {
        for below in command.get_subcommands() {
            let path = format!("{path} {}", below.get_name());
            found.push((path.clone(), below.clone()));
            every(below, &path, found);
        }
    }

    fn commands() -> Vec<(String, clap::Command)> {
        let mut found = Vec::new();
        every(&Cli::command(), "uninlu", &mut found);
        found
    }

    #[test]
    fn each_command_has_two_examples_that_parse() {
        for (path, command) in commands() {
            let help = command.get_after_help().map(ToString::to_string);
            let help = help.unwrap_or_default();
            let examples: Vec<&str> = help
                .lines()
                .filter_map(|line| line.strip_prefix("  "))
                .collect();
            assert_eq!(examples.len(), 2, "{path}: {help}");
            for example in examples {
                assert!(example.starts_with(&path), "{path}: {example}");
                // What follows is the shell's.
                let words = example.split_whitespace();
                let words = words.take_while(|word| !word.starts_with(['>', '|']));
                if let Err(error) = Cli::try_parse_from(words) {
                    panic!("{example}: {error}");
                }
            }
        }
    }

    #[test]
    fn the_stack_is_the_first_argument_of_each_command_that_takes_one() {
        for (path, command) in commands() {
            let mut positionals = command.get_positionals();
            let first = positionals.next().and_then(clap::Arg::get_value_names);
            let takes = |argument: &clap::Arg| {
                let names = argument.get_value_names().unwrap_or_default();
                names.iter().any(|name| *name == "STACK")
            };
            let is_first =
                first.is_some_and(|names| names.first().is_some_and(|it| *it == "STACK"));
            let visible = command
                .get_arguments()
                .filter(|argument| !argument.is_hide_set());
            for argument in visible.filter(|argument| takes(argument)) {
                assert!(is_first && argument.is_positional(), "{path}: {argument}");
            }
        }
    }

    fn stack_and_number(arguments: &[&str]) -> Result<(String, Option<i64>), Twice> {
        #[derive(Parser)]
        struct Line {
            #[command(flatten)]
            stack: StackFirst,
            number: Option<i64>,
        }
        let line = Line::parse_from([&["line"], arguments].concat());
        let (file, number) = line.stack.and(line.number, |text| text.parse().ok())?;
        Ok((file.display().to_string(), number))
    }

    #[test]
    fn a_number_may_stand_alone_and_the_earlier_form_is_read() {
        for (arguments, file, number) in [
            (&[][..], "uninlu.toml", None),
            (&["3"], "uninlu.toml", Some(3)),
            (&["a.toml"], "a.toml", None),
            (&["./3"], "./3", None),
            (&["a.toml", "3"], "a.toml", Some(3)),
            (&["3", "--stack", "a.toml"], "a.toml", Some(3)),
            (&["--stack", "a.toml"], "a.toml", None),
        ] {
            let read = stack_and_number(arguments).expect("one stack at most");
            assert_eq!(read, (file.to_owned(), number), "{arguments:?}");
        }
        assert!(stack_and_number(&["a.toml", "--stack", "b.toml"]).is_err());
        assert!(stack_and_number(&["a.toml", "3", "--stack", "b.toml"]).is_err());
    }

    #[test]
    fn words_of_other_tools_are_known() {
        for (word, name) in [
            ("deploy", "apply"),
            ("up", "apply"),
            ("down", "destroy"),
            ("delete", "destroy"),
            ("lint", "validate"),
            ("check", "validate"),
            ("template", "render"),
        ] {
            let matches = Cli::command().try_get_matches_from(["uninlu", word, "uninlu.toml"]);
            let matches = matches.unwrap_or_else(|error| panic!("{word}: {error}"));
            assert_eq!(matches.subcommand_name(), Some(name), "{word}");
        }
    }

    #[test]
    fn destroy_is_never_suggested() {
        let said = |word: &str| {
            let error = Cli::try_parse_from(["uninlu", word]).expect_err("no command");
            with_advice(error).to_string()
        };
        for word in ["destory", "destro", "delet", "dow", "deploi"] {
            let said = said(word);
            let (message, _usage) = said.split_once("Usage").expect("a usage line");
            for name in ["'destroy'", "'down'", "'delete'"] {
                assert!(!message.contains(name), "{word}: {said}");
            }
        }
        assert!(said("deploi").contains("'deploy'"), "{}", said("deploi"));
        assert!(said("histroy").contains("'history'"), "{}", said("histroy"));
        for (word, tip) in [
            ("upgrade", "tip: `uninlu apply` "),
            ("version", "tip: `uninlu --version` "),
        ] {
            let said = said(word);
            assert!(said.contains(tip) && !said.contains("similar"), "{said}");
        }
    }
}
