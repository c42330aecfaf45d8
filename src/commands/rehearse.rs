//! `uninlu rehearse`

use std::path::PathBuf;
use std::pin::pin;
use std::time::Duration;

use jiff::Timestamp;
use miette::{IntoDiagnostic, Result};
use schemars::JsonSchema;
use serde::Serialize;

use super::common::{StackArgs, duration, exit};
use crate::document::{Body, Document, body};
use crate::image::container::{Machine, Spec};
use crate::image::docker::{Engine, LocalImage};
use crate::image::{self, Inputs};
use crate::interruption::Cleaning;
use crate::profile::{self, Profile, VERSION};
use crate::profile_file;
use crate::rehearse::measure::{Effort, Measured, measure};
use crate::rehearse::{Error, pod};
use crate::stack::{self, Image, Stack};
use crate::ui::{Ui, human_bytes, human_elapsed};

/// Lengths that are measured unless others are named: a sentence, a paragraph, a page.
const CHARACTERS: [usize; 3] = [50, 200, 1000];

/// Runs the built image under the stack's limits on this machine, measures it, and writes the profile
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  uninlu rehearse --objective 500ms
  uninlu rehearse uninlu.toml --env prod --model ./model")]
pub struct Args {
    #[command(flatten)]
    stack: StackArgs,
    /// What 95 of 100 requests must stay below, counted from the moment at which they are due
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = duration)]
    objective: Duration,
    /// Lengths of the texts in code points; the load is made of the shortest (default 50,200,1000)
    #[arg(long, value_name = "N,N,…", value_delimiter = ',', value_parser = length)]
    characters: Vec<usize>,
    /// How long one length, and one rate, is measured; a rate longer when that were too few requests
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    trial: Duration,
    /// The model's folder on this machine, when the stack takes it from a claim or from another machine
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
    /// File for the profile, instead of the one beside the stack file
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Prints the profile as JSON
    #[arg(long)]
    json: bool,
}

/// Shorter texts could be equal by chance, and equal ones are computed once.
const SHORTEST: usize = 10;

fn length(text: &str) -> std::result::Result<usize, String> {
    let found = text.parse().ok().filter(|length| *length >= SHORTEST);
    found.ok_or_else(|| format!("write numbers from {SHORTEST} on, such as 50,200"))
}

/// What it prints with `--json`.
pub(super) const DOCUMENTS: &[Body] = &[body::<Report>];

/// Runs the command.
///
/// # Errors
/// [`rehearse::Error`](crate::rehearse::Error) when nothing can be measured; a profile that cannot be written.
pub async fn run(args: Args, ui: Ui) -> Result<u8> {
    let env = args.stack.env.as_deref();
    let stack = stack::load(&args.stack.stack, env)?;
    let characters = lengths(&args.characters, &stack)?;
    let (reference, inputs) = named(&stack)?;
    let spec = pod::container(&stack, &reference, args.model.as_deref())?;
    let engine = Engine::connect().await.map_err(Error::from)?;
    let image = image(&engine, &stack, &reference, inputs.as_ref()).await?;
    let machine = engine.machine().await.map_err(Error::from)?;
    let cpu_limit = cpu_limit(&stack, &spec, machine)?;
    let effort = Effort {
        characters,
        objective: args.objective,
        trial: args.trial,
        startup_budget: stack.probes.startup.budget.seconds,
        memory_limit: spec.memory.unwrap_or(machine.memory),
    };
    let measured = in_container(&engine, &spec, &effort, ui).await?;
    let profile = profile(
        reference,
        &image,
        (cpu_limit, effort.memory_limit),
        measured,
    );
    let file = args.out.unwrap_or_else(|| profile::path(&stack, env));
    profile_file::write(&profile, &file)?;
    if args.json {
        let report = Report {
            file: file.display().to_string(),
            profile,
        };
        ui.json(&Document::new("rehearse", stack.target(), report))?;
    } else {
        ui.data(text(&profile))?;
    }
    ui.say(format_args!("wrote {}", file.display()));
    Ok(exit::OK)
}

/// What `rehearse --json` prints.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Report {
    /// The file that was written.
    file: String,
    /// What it holds.
    profile: Profile,
}

/// Ascending, and none that the server would refuse.
fn lengths(asked: &[usize], stack: &Stack) -> Result<Vec<usize>, Error> {
    let limit = stack.server.in_force().max_length;
    let fits = |length: &usize| u32::try_from(*length).is_ok_and(|length| length <= limit);
    if let Some(characters) = asked.iter().find(|length| !fits(length)) {
        let characters = *characters;
        return Err(Error::TooLong { characters, limit });
    }
    let mut lengths: Vec<usize> = match asked {
        [] => CHARACTERS.into_iter().filter(fits).collect(),
        asked => asked.to_vec(),
    };
    if lengths.is_empty() {
        lengths.extend(usize::try_from(limit));
    }
    lengths.sort_unstable();
    lengths.dedup();
    Ok(lengths)
}

/// The image's reference, and what it is built of where it is built here.
fn named(stack: &Stack) -> Result<(String, Option<Inputs>), Error> {
    Ok(match &stack.image {
        Image::Reference { reference, .. } => (reference.clone(), None),
        Image::Build(_) => {
            let inputs = image::inputs(stack)?;
            (inputs.reference(), Some(inputs))
        }
    })
}

async fn image(
    engine: &Engine,
    stack: &Stack,
    reference: &str,
    inputs: Option<&Inputs>,
) -> Result<LocalImage, Error> {
    let found = match inputs {
        Some(inputs) => image::own(engine, inputs).await?,
        None => engine.image(reference).await?,
    };
    found.ok_or_else(|| Error::NoImage {
        reference: reference.to_owned(),
        help: match &stack.image {
            Image::Build(_) => format!("`uninlu build {}` makes it", stack.source.file.display()),
            Image::Reference { .. } => format!("`docker pull {reference}` fetches it"),
        },
    })
}

/// In millicores; a limit that this machine cannot reach would be measured as another one.
fn cpu_limit(stack: &Stack, spec: &Spec, machine: Machine) -> Result<i64, Error> {
    match (spec.cpu, &stack.resources.cpu.limit) {
        (Some(limit), Some(written)) if limit > machine.cpu => Err(Error::TooFewCpus {
            limit: written.text.clone(),
            cpus: machine.cpu / 1000,
        }),
        (limit, _) => Ok(limit.unwrap_or(machine.cpu)),
    }
}

/// Until a signal asks this process to end. It is caught from the call on.
#[cfg(unix)]
fn stopped() -> Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt()).into_diagnostic()?;
    let mut terminate = signal(SignalKind::terminate()).into_diagnostic()?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => (),
            _ = terminate.recv() => (),
        }
    })
}

/// Until Ctrl-C. It is caught from the call on.
#[cfg(windows)]
fn stopped() -> Result<impl Future<Output = ()>> {
    let mut interrupt = tokio::signal::windows::ctrl_c().into_diagnostic()?;
    Ok(async move {
        interrupt.recv().await;
    })
}

/// The container is removed whatever happens; of two errors, the measurement's is told.
async fn in_container(engine: &Engine, spec: &Spec, effort: &Effort, ui: Ui) -> Result<Measured> {
    // From here on a signal ends the measurement and not the tool, also while the engine creates the container.
    let _cleaning = Cleaning::new();
    let mut stop = pin!(stopped()?);
    let container = engine.create(spec).await?;
    let measured = tokio::select! {
        measured = measure(&container, effort, ui) => measured,
        () = &mut stop => Err(Error::Interrupted),
    };
    let removed = container.remove().await;
    let measured = measured?;
    removed?;
    Ok(measured)
}

/// `limits` are the CPU's in millicores and the memory's in bytes.
fn profile(image: String, local: &LocalImage, limits: (i64, i64), measured: Measured) -> Profile {
    let bytes = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
    Profile {
        format_version: VERSION,
        image,
        measured_at: Timestamp::now().strftime("%FT%TZ").to_string(),
        processor: processor(),
        cpu_limit: limits.0,
        memory_limit: limits.1,
        image_size: bytes(local.size),
        startup: measured.startup,
        memory_ready: bytes(measured.memory_ready),
        memory_peak: bytes(measured.memory_peak),
        service: measured.service,
        saturation: measured.saturation,
    }
}

/// As the kernel names it; where it does not, the architecture.
fn processor() -> String {
    let known = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = known.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == "model name").then(|| value.trim().to_owned())
    });
    name.unwrap_or_else(|| std::env::consts::ARCH.to_owned())
}

fn text(profile: &Profile) -> String {
    let bytes = |bytes: i64| human_bytes(u64::try_from(bytes).unwrap_or(0));
    let time = |seconds: f64| match seconds {
        0.0..1.0 => format!("{:.1} ms", seconds * 1e3),
        _ => human_elapsed(Duration::from_secs_f64(seconds)),
    };
    let percentiles = |latency: [f64; 3]| {
        let [p50, p95, p99] = latency.map(time);
        format!("P50 {p50}, P95 {p95}, P99 {p99}")
    };
    let Profile { saturation, .. } = profile;
    let mut lines = vec![
        format!(
            "image       {} ({})",
            profile.image,
            bytes(profile.image_size)
        ),
        format!(
            "limits      {} CPU of {}, {}",
            profile.cpu_limit as f64 / 1000.0,
            profile.processor,
            bytes(profile.memory_limit)
        ),
        format!("start-up    {}", time(profile.startup)),
        format!(
            "memory      {} when ready, {} at most",
            bytes(profile.memory_ready),
            bytes(profile.memory_peak)
        ),
    ];
    lines.extend(profile.service.iter().map(|service| {
        format!(
            "text        {} characters alone: {}; {} of CPU",
            service.characters,
            percentiles(service.latency),
            time(service.cpu_seconds)
        )
    }));
    lines.push(format!(
        "saturation  {:.1} requests/s of {} characters within {}: {}; {} of CPU each",
        saturation.requests_per_second,
        saturation.characters,
        time(saturation.objective),
        percentiles(saturation.latency),
        time(saturation.cpu_seconds)
    ));
    lines.join("\n") + "\n"
}
