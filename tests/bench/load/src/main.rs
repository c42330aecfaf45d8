//! Load generator for the inference server.
//!
//! ```text
//! arrivals ──▶ open_loop ──▶ client ──▶ server      latency counts from the scheduled arrival
//!    workload ──┘   └──▶ samples ──▶ report
//! ```
//!
//! Arrivals never wait for answers: a generator that does would send less while the server stalls, and would not see
//! the very latencies that callers suffer (coordinated omission).

mod arrivals;
mod capacity;
mod client;
mod endpoints;
mod health;
mod open_loop;
mod report;
mod workload;

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use serde::Serialize;

use crate::arrivals::{Spacing, arrivals};
use crate::capacity::Search;
use crate::client::Client;
use crate::endpoints::Endpoints;
use crate::health::HealthWatch;
use crate::open_loop::{Objective, Plan};
use crate::report::{Counts, Report};
use crate::workload::{Workload, bodies};

/// Load generator for SiameseUniNLU services: `POST /api/predict`
#[derive(Debug, Parser)]
#[command(name = "uninlu-load", version)]
struct Cli {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Sends requests at a rate, whatever the server does; prints latencies, codes, and how late it was itself
    Run(Run),
    /// Searches the highest rate at which 95 of 100 requests are answered with 200 within the objective
    Capacity(Capacity),
    /// Sends a number of requests, a few at a time, until each is taken; prints codes only (latencies of a closed loop
    /// would flatter)
    Drive(Drive),
    /// Prints request bodies, one a line
    Bodies(Bodies),
}

#[derive(Debug, Args)]
struct Bodies {
    /// What is asked
    #[arg(long, value_enum, default_value_t = Workload::Short)]
    workload: Workload,
    /// Seed of the texts
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many
    #[arg(long)]
    requests: usize,
}

#[derive(Debug, Args)]
struct Target {
    /// Address of the server, such as http://127.0.0.1:7860; several: each request goes to one whose /ready says yes
    #[arg(long = "url", required = true)]
    urls: Vec<String>,
    /// What is asked
    #[arg(long, value_enum, default_value_t = Workload::Short)]
    workload: Workload,
    /// Seed of texts and arrivals: the same seed sends the same requests
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Seconds after which a request counts as failed
    #[arg(long, default_value = "120", value_parser = seconds)]
    timeout: Duration,
}

#[derive(Debug, Args)]
struct Run {
    #[command(flatten)]
    target: Target,
    /// Requests a second
    #[arg(long)]
    rate: f64,
    /// For how many seconds requests arrive
    #[arg(long = "seconds", default_value = "20", value_parser = seconds)]
    length: Duration,
    /// How arrivals are spaced
    #[arg(long, value_enum, default_value_t = Spacing::Poisson)]
    arrivals: Spacing,
    /// A new connection for each request: a Service chooses the pod by the connection
    #[arg(long)]
    new_connections: bool,
    /// Every Nth shed request comes back once, when its `Retry-After` says; 0: none
    #[arg(long, default_value_t = 0)]
    return_every: usize,
    /// Asks /health every 20 ms meanwhile, from a thread and connections of its own
    #[arg(long)]
    watch_health: bool,
    /// Prints every request too
    #[arg(long)]
    samples: bool,
}

#[derive(Debug, Args)]
struct Capacity {
    #[command(flatten)]
    target: Target,
    /// Milliseconds within which 95 of 100 requests must be answered with 200
    #[arg(long, value_parser = milliseconds)]
    objective: Duration,
    /// Rate to begin with, requests a second
    #[arg(long, default_value_t = 1.0)]
    from: f64,
    /// For how many seconds requests of one trial arrive; longer when fewer than 60 would
    #[arg(long = "seconds", default_value = "15", value_parser = seconds)]
    length: Duration,
}

#[derive(Debug, Args)]
struct Drive {
    #[command(flatten)]
    target: Target,
    /// How many requests
    #[arg(long)]
    requests: usize,
    /// How many at a time
    #[arg(long, default_value_t = 4)]
    concurrency: usize,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text
        .parse()
        .map_err(|_| format!("{text:?} is not a number of seconds"))?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

fn milliseconds(text: &str) -> Result<Duration, String> {
    seconds(text).map(|duration| duration / 1_000)
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&format!("cannot start the runtime: {error}")),
    };
    let done = runtime.block_on(async {
        match cli.action {
            Action::Run(options) => print(&run(options).await?),
            Action::Capacity(options) => print(&capacity(options).await?),
            Action::Drive(options) => print(&drive(options).await?),
            Action::Bodies(options) => print_bodies(&options),
        }
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => failed(&fault),
    }
}

/// stdout is data: one JSON object.
fn print(value: &impl Serialize) -> Result<(), String> {
    let text = serde_json::to_string_pretty(value).map_err(|error| error.to_string())?;
    writeln!(std::io::stdout(), "{text}").map_err(|error| error.to_string())
}

fn print_bodies(options: &Bodies) -> Result<(), String> {
    let mut lines = bodies(options.workload, options.seed, options.requests).join(&b"\n"[..]);
    lines.push(b'\n');
    let written = std::io::stdout().write_all(&lines);
    written.map_err(|error| error.to_string())
}

/// stderr is talk.
pub(crate) fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

fn failed(fault: &str) -> ExitCode {
    say(&format!("error: {fault}"));
    ExitCode::FAILURE
}

async fn run(options: Run) -> Result<Report, String> {
    let Target {
        urls,
        workload,
        seed,
        timeout,
    } = options.target;
    let endpoints = Endpoints::parse(&urls)?;
    let arrivals = arrivals(options.arrivals, options.rate, options.length, seed);
    let mut client = Client::new(
        endpoints.watched(),
        bodies(workload, seed, arrivals.len()),
        timeout,
    );
    if options.new_connections {
        client = client.without_kept_connections();
    }
    let health = options
        .watch_health
        .then(|| HealthWatch::start(endpoints.first().clone()))
        .transpose()?;
    let plan = Plan {
        arrivals,
        return_every: options.return_every,
        objective: None,
    };
    let samples = open_loop::run(plan, move |number| client.clone().predict(number)).await;
    let mut report = Report::of(&samples, options.rate);
    report.samples = options.samples.then(|| report::listed(&samples));
    report.health = health.map(HealthWatch::stop).transpose()?;
    say(&report.to_string());
    Ok(report)
}

async fn capacity(options: Capacity) -> Result<Search, String> {
    let Target {
        urls,
        workload,
        seed,
        timeout,
    } = options.target;
    let endpoints = Endpoints::parse(&urls)?.watched();
    capacity::search(options.from, async |rate| {
        let length = options.length.max(Duration::from_secs_f64(60.0 / rate));
        let arrivals = arrivals(Spacing::Poisson, rate, length, seed);
        let client = Client::new(
            endpoints.clone(),
            bodies(workload, seed, arrivals.len()),
            timeout,
        );
        let plan = Plan {
            objective: Some(Objective {
                latency: options.objective,
                misses: arrivals.len() / 20,
            }),
            arrivals,
            return_every: 0,
        };
        let samples = open_loop::run(plan, move |number| client.clone().predict(number)).await;
        let report = Report::of(&samples, rate);
        say(&report.to_string());
        report.meets(options.objective)
    })
    .await
}

async fn drive(options: Drive) -> Result<Counts, String> {
    let Target {
        urls,
        workload,
        seed,
        timeout,
    } = options.target;
    let endpoints = Endpoints::parse(&urls)?.watched();
    // Bodies are made anew from a moving seed, so that a hundred thousand of them need no memory.
    let block = 1_000;
    let mut counts = Counts::default();
    for start in (0..options.requests).step_by(block) {
        let many = block.min(options.requests - start);
        let bodies = bodies(workload, seed.wrapping_add(start as u64), many);
        let client = Client::new(endpoints.clone(), bodies, timeout);
        counts.add(client.drive(many, options.concurrency).await);
    }
    Ok(counts)
}
