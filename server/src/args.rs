//! The arguments of the command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use axum::http::HeaderValue;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};
use tch::Device;
use uninlu_settings::{Choice, LogLevel, Precision, duration, variables};

use crate::log::Format;

/// Inference server for SiameseUniNLU
#[derive(Debug, Parser)]
#[command(name = "uninlu-server", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) action: Option<Action>,
    #[command(flatten)]
    pub(crate) serve: Serve,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Serves the model; the default command
    Serve,
    /// Asks the server on this machine whether it is alive; exits with 0 or 1
    Health,
    /// Prints as JSON the user, the capabilities and the root file system that the server runs with
    Inspect,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Serve {
    /// Model folder: config.json, vocab.txt, and pytorch_model.bin or model.safetensors
    #[arg(
        long,
        env = variables::MODEL,
        value_name = "DIR",
        default_value = variables::DEFAULT_MODEL,
        global = true
    )]
    pub(crate) model: PathBuf,
    /// Address to listen on
    #[arg(
        long,
        env = variables::LISTEN,
        value_name = "ADDRESS",
        default_value = variables::DEFAULT_LISTEN,
        global = true
    )]
    pub(crate) listen: SocketAddr,
    /// Address that alone answers /health, /ready and /metrics (default: --listen answers them too)
    #[arg(long, env = variables::MANAGEMENT_LISTEN, value_name = "ADDRESS", global = true)]
    pub(crate) management_listen: Option<SocketAddr>,
    /// Most connections at once; beyond them only probes are answered, everything else gets 503. Lowered if the process
    /// may not open as many files
    #[arg(
        long,
        env = variables::MAX_CONNECTIONS,
        value_name = "N",
        default_value = "1024",
        global = true,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    pub(crate) max_connections: u32,
    /// Lowest level of events in the log; the hot setting `log-level` overrides it, and RUST_LOG overrides both
    #[arg(
        long,
        env = variables::LOG_LEVEL,
        value_name = "LEVEL",
        value_parser = choice::<LogLevel>(),
        default_value = LogLevel::default().name(),
        global = true
    )]
    pub(crate) log_level: LogLevel,
    /// Format of the log
    #[arg(
        long,
        env = variables::LOG_FORMAT,
        value_name = "FORMAT",
        value_enum,
        default_value = "json",
        global = true
    )]
    pub(crate) log_format: Format,
    /// File of hot settings, reloaded when it changes. Defaults, also without a file: max-length = 10000 (longest text in
    /// characters, else 413), batch-tokens = 4096 (tokens of one forward pass), max-wait = "1s" (longest predicted wait,
    /// else 429), max-work = "5s" (most predicted work of a request, in seconds of the whole pod, else 422), max-time =
    /// "30s" (longest time until the answer, else 503), and log-level
    #[arg(
        long,
        env = variables::SETTINGS,
        value_name = "FILE",
        default_value = variables::DEFAULT_SETTINGS,
        global = true
    )]
    pub(crate) settings: PathBuf,
    /// Text to predict once before the server is ready
    #[arg(long, env = variables::WARMUP, value_name = "TEXT", global = true)]
    pub(crate) warmup: Option<String>,
    /// Longest time from SIGTERM to the end of the process
    #[arg(
        long,
        env = variables::DRAIN,
        value_name = "DURATION",
        default_value = variables::DEFAULT_DRAIN_TEXT,
        value_parser = duration::parse,
        global = true
    )]
    pub(crate) drain: Duration,
    /// Cores to use (default: the CPU quota of the cgroup)
    #[arg(
        long,
        env = variables::THREADS,
        value_name = "N",
        global = true,
        value_parser = clap::value_parser!(u16).range(1..=512)
    )]
    pub(crate) threads: Option<u16>,
    /// Precision of the linear layers. The server starts with another one than fp32 only if it answers six test sentences
    /// as fp32 does
    #[arg(
        long,
        env = variables::PRECISION,
        value_name = "PRECISION",
        global = true,
        value_parser = choice::<Precision>(),
        default_value = Precision::default().name()
    )]
    pub(crate) precision: Precision,
    /// File with the key that callers must send, such as a mounted Secret (default: all callers are answered)
    #[arg(long, env = variables::API_KEY_FILE, value_name = "FILE", global = true)]
    pub(crate) api_key_file: Option<PathBuf>,
    /// Origins whose pages may call the API from a browser, separated by commas
    #[arg(
        long,
        env = variables::CORS_ORIGINS,
        value_name = "ORIGIN",
        global = true,
        value_delimiter = ','
    )]
    pub(crate) cors_origins: Vec<HeaderValue>,
    /// Device of the model: auto, cpu, or cuda:N; auto takes the first GPU that libtorch can use, else the CPU
    #[arg(
        long,
        env = variables::DEVICE,
        value_name = "DEVICE",
        global = true,
        default_value = "auto",
        value_parser = device
    )]
    pub(crate) device: Device,
}

impl Serve {
    pub(crate) fn health_port(&self) -> u16 {
        self.management_listen.unwrap_or(self.listen).port()
    }
}

/// Reads one of the names that a choice has, and lists them in the help.
fn choice<T: Choice + Send + Sync>() -> impl TypedValueParser<Value = T> {
    let names = T::ALL
        .iter()
        .map(|choice| PossibleValue::new(choice.name()).help(choice.meaning()));
    let unknown = |name: String| T::named(&name).ok_or("it is not one of the names");
    PossibleValuesParser::new(names).try_map(unknown)
}

fn device(value: &str) -> Result<Device, String> {
    match value {
        "auto" => Ok(gpu(0).unwrap_or(Device::Cpu)),
        "cpu" => Ok(Device::Cpu),
        other => match other.strip_prefix("cuda:").map(str::parse) {
            Some(Ok(index)) => gpu(index),
            _ => Err("write auto, cpu, or cuda:N".into()),
        },
    }
}

fn gpu(index: usize) -> Result<Device, String> {
    let found = usize::try_from(tch::Cuda::device_count()).unwrap_or(0);
    if index < found {
        return Ok(Device::Cuda(index));
    }
    Err(format!(
        "libtorch finds {found} GPUs; fix: run the image's target `gpu` on a node with a GPU, or --device cpu"
    ))
}
