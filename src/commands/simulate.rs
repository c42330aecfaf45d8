//! `uninlu simulate`

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum;
use miette::{Diagnostic, Result};

use super::common::{StackArgs, duration, exit};
use crate::document::{Body, Document, body};
use crate::profile::{self, Profile};
use crate::profile_file;
use crate::simulate::{self, Load, Options, page, report, text};
use crate::stack::{self, Stack};
use crate::ui::{Ui, json_text};

/// Replays a load through the stack's autoscaler with the measured profile: pods, latency, refusals, cost, and what would
/// do better
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  uninlu simulate --load ramp:5..40/10m
  uninlu simulate uninlu.toml --load peak.csv --price 0.12 --format html --out report.html")]
pub struct Args {
    #[command(flatten)]
    stack: StackArgs,
    /// Requests per second over time: shapes such as `ramp:50..120/10m`, joined by `+`, or a file `….csv` with lines
    /// `seconds,requests_per_second`
    #[arg(long, value_name = "SHAPE|FILE.csv")]
    load: String,
    /// What `uninlu rehearse` measured; absent means the file beside the stack file
    #[arg(long, value_name = "FILE")]
    profile: Option<PathBuf>,
    /// Length of the texts in characters; absent means the length that the profile's highest rate was searched with
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    characters: Option<u32>,
    /// Length of an interval of the report, from 1s on; absent means the shortest that gives at most 120 of them
    #[arg(long, value_name = "DURATION", value_parser = interval)]
    interval: Option<Duration>,
    /// Another number draws other arrivals; the same one gives the same result
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    /// What one pod costs for an hour, a number in any currency: adds what each variant costs
    #[arg(long, value_name = "NUMBER", value_parser = price)]
    price: Option<f64>,
    /// In which form
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Prints JSON on stdout: short for `--format json`
    #[arg(long, conflicts_with_all = ["format", "out"])]
    json: bool,
    /// File to write instead of stdout
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

fn interval(text: &str) -> std::result::Result<Duration, String> {
    match duration(text)? {
        given if given.as_secs() == 0 => Err("an interval has a second at least".to_owned()),
        given => Ok(given),
    }
}

fn price(text: &str) -> std::result::Result<f64, String> {
    let given = text.parse().ok();
    let given = given.filter(|price: &f64| price.is_finite() && *price > 0.0);
    given.ok_or_else(|| "write a number above 0 without a currency, such as 0.12".to_owned())
}

/// In which form it is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Tables and an answer in words
    Table,
    /// One JSON document (docs/simulate.md)
    Json,
    /// One page with charts, which needs no other file
    Html,
}

#[derive(Debug, thiserror::Error, Diagnostic)]
enum Stop {
    #[error("there is no profile at {}: nothing is known of what a pod carries", .0.display())]
    #[diagnostic(help(
        "measure it on this machine with `uninlu rehearse`, or name a measured one with `--profile FILE`"
    ))]
    NoProfile(PathBuf),
    #[error("the profile was measured under a CPU limit of {measured}m, the stack's is {wanted}m")]
    #[diagnostic(help(
        "measure again with `uninlu rehearse`, or name another profile with `--profile FILE`"
    ))]
    OtherLimit { measured: i64, wanted: i128 },
    #[error("the profile {} has no figures to calculate with: {what}", file.display())]
    #[diagnostic(help("measure again with `uninlu rehearse`"))]
    Hollow { file: PathBuf, what: &'static str },
    #[error("cannot read {}: {reason}", file.display())]
    #[diagnostic(help("name a file with lines `seconds,requests_per_second`"))]
    Load {
        file: PathBuf,
        reason: std::io::Error,
    },
    #[error("cannot write {}: {reason}", file.display())]
    #[diagnostic(help("is there room, and may you write there?"))]
    Write {
        file: PathBuf,
        reason: std::io::Error,
    },
}

/// What it prints with `--json`.
pub(super) const DOCUMENTS: &[Body] = &[body::<simulate::Report>];

/// Runs the command.
///
/// # Errors
/// An invalid stack file or load; no profile, or one of another CPU limit; a file that cannot be written.
pub async fn run(args: Args, ui: Ui) -> Result<u8> {
    let stack = stack::load(&args.stack.stack, args.stack.env.as_deref())?;
    let load = load(&args.load)?;
    let profile = measured(&stack, &args)?;
    let options = Options {
        characters: args.characters.map(|count| count as usize),
        interval: args.interval,
        seed: args.seed,
        price: args.price,
    };
    let report = report(&stack, &profile, &load, &args.load, options);
    let format = match args.json {
        true => Format::Json,
        false => args.format,
    };
    let made = match format {
        Format::Table => text(&report),
        Format::Json => json_text(&Document::new("simulate", stack.target(), report)),
        Format::Html => page(&report),
    };
    match args.out {
        None if matches!(format, Format::Table) => ui.data(made)?,
        None => ui.file(&made)?,
        Some(file) => {
            std::fs::write(&file, made).map_err(|reason| Stop::Write {
                file: file.clone(),
                reason,
            })?;
            ui.say(format_args!("written: {}", file.display()));
        }
    }
    Ok(exit::OK)
}

fn load(given: &str) -> Result<Load> {
    let file = Path::new(given);
    if file.extension().is_none_or(|extension| extension != "csv") {
        return Ok(Load::parse(given)?);
    }
    let points = std::fs::read_to_string(file).map_err(|reason| Stop::Load {
        file: file.to_owned(),
        reason,
    })?;
    Ok(Load::from_csv(given, &points)?)
}

fn measured(stack: &Stack, args: &Args) -> Result<Profile> {
    let beside = || profile::path(stack, args.stack.env.as_deref());
    let file = args.profile.clone().unwrap_or_else(beside);
    let Some(profile) = profile_file::read(&file)? else {
        return Err(Stop::NoProfile(file).into());
    };
    if let Some(what) = hollow(&profile) {
        return Err(Stop::Hollow { file, what }.into());
    }
    if let Some(limit) = &stack.resources.cpu.limit
        && limit.milli != i128::from(profile.cpu_limit)
    {
        return Err(Stop::OtherLimit {
            measured: profile.cpu_limit,
            wanted: limit.milli,
        }
        .into());
    }
    Ok(profile)
}

/// What would be divided by, and is not there.
fn hollow(profile: &Profile) -> Option<&'static str> {
    let saturation = &profile.saturation;
    let is_served =
        |service: &profile::Service| service.latency[0] > 0.0 && service.cpu_seconds > 0.0;
    let is_ascending = profile
        .service
        .is_sorted_by(|one, next| one.characters < next.characters);
    if profile.service.is_empty() || !profile.service.iter().all(is_served) || !is_ascending {
        Some("`service` needs lengths in ascending order, with times above 0")
    } else if saturation.requests_per_second <= 0.0 || saturation.cpu_seconds <= 0.0 {
        Some("`saturation` needs a rate and a CPU time above 0")
    } else if profile.cpu_limit <= 0 {
        Some("`cpu_limit` is 0")
    } else {
        None
    }
}
