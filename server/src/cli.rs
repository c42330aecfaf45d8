//! The command line: `serve`, `health` and `inspect`.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::http::HeaderValue;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tch::Device;
use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use uninlu_settings::{Choice, InForce, LogLevel, Precision, duration, variables};

use crate::http::{self, ApiKey, App, BodyMemory, Routes, ScrapeCache, router};
use crate::inspect::inspect;
use crate::log::{self, Format};
use crate::metrics::Metrics;
use crate::settings;
use crate::traces::Traces;
use crate::worker::{self, Loaded, Plan, Threads, Worker};

/// Inference server of SiameseUniNLU
#[derive(Debug, Parser)]
#[command(name = "uninlu-server", version)]
struct Cli {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    serve: Serve,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Serves the model (what happens without a command too)
    Serve,
    /// Asks a running server on this machine whether it is alive; exits with 0 or 1
    Health,
    /// Prints, as JSON, under which user, with which rights and on what root file system it runs
    Inspect,
}

/// Files that are open besides connections: the model's, the log, the collector's, the reserve for probes.
const OTHER_FILES: u64 = 256;
/// Connections at once on the management port: a kubelet and some Prometheus servers.
const MANAGEMENT_CONNECTIONS: usize = 64;

#[derive(Debug, Clone, Args)]
struct Serve {
    /// Model folder: config.json, vocab.txt, and pytorch_model.bin or model.safetensors
    #[arg(
        long,
        env = variables::MODEL,
        default_value = variables::DEFAULT_MODEL,
        global = true
    )]
    model: PathBuf,
    /// Address to listen on
    #[arg(
        long,
        env = variables::LISTEN,
        default_value = variables::DEFAULT_LISTEN,
        global = true
    )]
    listen: SocketAddr,
    /// Address for /health, /ready and /metrics alone; without it they are answered with everything else
    #[arg(long, env = variables::MANAGEMENT_LISTEN, global = true)]
    management_listen: Option<SocketAddr>,
    /// Connections at once; beyond them only probes are answered, the rest gets 503. Lowered where the process may not
    /// open as many files
    #[arg(long, env = variables::MAX_CONNECTIONS, default_value = "1024", global = true, value_parser = clap::value_parser!(u32).range(1..))]
    max_connections: u32,
    /// Least severe events in the log; `log-level` of the hot settings stands over it, and RUST_LOG over both
    #[arg(
        long,
        env = variables::LOG_LEVEL,
        value_parser = choice::<LogLevel>(),
        default_value = LogLevel::default().name(),
        global = true
    )]
    log_level: LogLevel,
    /// How the log is written
    #[arg(
        long,
        env = variables::LOG_FORMAT,
        value_enum,
        default_value = "json",
        global = true
    )]
    log_format: Format,
    /// File of hot settings, watched: max-length = 10000, batch-tokens = 4096, max-wait = "1s", max-work = "5s" (the
    /// most predicted time of the whole pod that one request may take, else 422) and max-time = "30s" (the longest time
    /// until its answer, else 503); these are the defaults, and what an absent file means
    #[arg(
        long,
        env = variables::SETTINGS,
        default_value = variables::DEFAULT_SETTINGS,
        global = true
    )]
    settings: PathBuf,
    /// Text predicted once before the server is ready
    #[arg(long, env = variables::WARMUP, global = true)]
    warmup: Option<String>,
    /// Bound of the drain after SIGTERM
    #[arg(long, env = variables::DRAIN, default_value = variables::DEFAULT_DRAIN_TEXT, value_parser = duration::parse, global = true)]
    drain: Duration,
    /// Cores to use (default: what the cgroup grants)
    #[arg(long, env = variables::THREADS, global = true, value_parser = clap::value_parser!(u16).range(1..=512))]
    threads: Option<u16>,
    /// How the linears compute; anything but fp32 must answer some sentences as fp32 does, else the server does not start
    #[arg(
        long,
        env = variables::PRECISION,
        global = true,
        value_parser = choice::<Precision>(),
        default_value = Precision::default().name()
    )]
    precision: Precision,
    /// File with the key that callers must send, such as a mounted Secret's; without it everybody may ask
    #[arg(long, env = variables::API_KEY_FILE, global = true)]
    api_key_file: Option<PathBuf>,
    /// Origins whose pages may call the API from a browser, parted by commas
    #[arg(
        long,
        env = variables::CORS_ORIGINS,
        global = true,
        value_delimiter = ','
    )]
    cors_origins: Vec<HeaderValue>,
    /// Where the model runs: auto, cpu, or cuda:N; auto takes the first GPU that libtorch can use
    #[arg(long, env = variables::DEVICE, global = true, default_value = "auto", value_parser = device)]
    device: Device,
}

impl Serve {
    fn health_port(&self) -> u16 {
        self.management_listen.unwrap_or(self.listen).port()
    }
}

/// Runs the command line.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.action {
        Some(Action::Health) => health(cli.serve.health_port()),
        Some(Action::Inspect) => print_inspection(),
        None | Some(Action::Serve) => with_library_variables(|| serve(cli.serve)),
    }
}

/// All are read before `main`, when the libraries are loaded: threads that spin while they wait starve the others on a
/// busy core, OpenBLAS must not start a pool of its own beside them, and of oneDNN's kernels, one for each number of
/// tokens, the thousand that it and libtorch's binding of it would keep take 200 MB and save no measurable time.
const LIBRARY_VARIABLES: [(&str, &str); 4] = [
    ("OMP_WAIT_POLICY", "PASSIVE"),
    ("OPENBLAS_NUM_THREADS", "1"),
    ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64"),
    ("LRU_CACHE_CAPACITY", "64"),
];

fn with_library_variables(run: impl FnOnce() -> ExitCode) -> ExitCode {
    if LIBRARY_VARIABLES
        .iter()
        .all(|(name, _)| std::env::var_os(name).is_some())
    {
        return run();
    }
    let itself = std::env::current_exe().unwrap_or_else(|_| "uninlu-server".into());
    let error = Command::new(itself)
        .args(std::env::args_os().skip(1))
        .envs(LIBRARY_VARIABLES)
        .exec();
    let variables = LIBRARY_VARIABLES.map(|(name, value)| format!("{name}={value}"));
    tell(&format!(
        "cannot start again with {}: {error}",
        variables.join(" ")
    ))
}

fn health(port: u16) -> ExitCode {
    match ask_health(port) {
        Ok(answer) if answer.starts_with("HTTP/1.1 200") || answer.starts_with("HTTP/1.0 200") => {
            ExitCode::SUCCESS
        }
        Ok(answer) => tell(&format!(
            "not healthy: {}",
            answer.lines().next().unwrap_or_default()
        )),
        Err(error) => tell(&format!("no answer on port {port}: {error}")),
    }
}

fn ask_health(port: u16) -> std::io::Result<String> {
    let timeout = Some(Duration::from_secs(3));
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(timeout)?;
    stream.set_write_timeout(timeout)?;
    stream.write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn print_inspection() -> ExitCode {
    let printed = inspect().and_then(|inspection| {
        let text = serde_json::to_string(&inspection).map_err(|error| error.to_string())?;
        writeln!(std::io::stdout(), "{text}").map_err(|error| error.to_string())
    });
    match printed {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => tell(&reason),
    }
}

/// The one place that writes to stderr: what goes wrong before there is a log.
fn tell(message: &str) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "error: {message}");
    ExitCode::FAILURE
}

fn serve(options: Serve) -> ExitCode {
    let log = log::start(options.log_format, options.log_level);
    let plan = Plan::of_cores(
        options.threads.map_or_else(granted_cores, usize::from),
        options.precision,
    );
    tracing::info!(
        workers = plan.workers,
        threads = plan.threads,
        version = env!("CARGO_PKG_VERSION"),
        "starting"
    );
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        // They tokenize: more than cores would only keep memory.
        .max_blocking_threads(plan.workers * plan.threads)
        .on_thread_start(stand_back)
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return tell(&format!("cannot start the runtime: {error}")),
    };
    match run(runtime, &options, plan, log) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            tracing::error!(error = reason, "stopped");
            tell(&reason)
        }
    }
}

fn run(runtime: Runtime, options: &Serve, plan: Plan, log: log::Control) -> Result<(), String> {
    let (service, threads) = runtime.block_on(Service::start(options, plan, log))?;
    let outcome = runtime.block_on(service.run_until_stopped(options));
    // Ends the connections that are left, and with them whoever could still ask the model.
    runtime.shutdown_timeout(Duration::from_secs(1));
    threads.stop();
    outcome
}

/// Of the niceness 5 a thread has a quarter of a core that the model wants too: callers that send much cannot take it from
/// those that are being answered.
fn stand_back() {
    const NICENESS: i32 = 5;
    // Linux takes it for the calling thread alone. Not `nice`: those that are started by such a thread inherit it.
    if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
        tracing::debug!(%error, "this thread keeps its priority");
    }
}

/// Cores that the cgroup's quota and the affinity grant, not those of the machine.
fn granted_cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
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
    let gpu = |index: usize| {
        let known = usize::try_from(tch::Cuda::device_count()).unwrap_or(0);
        if index < known {
            Ok(Device::Cuda(index))
        } else {
            Err(format!(
                "libtorch sees {known} GPUs; fix: use the image's target `gpu` on a node with one, or --device cpu"
            ))
        }
    };
    match value {
        "auto" => Ok(gpu(0).unwrap_or(Device::Cpu)),
        "cpu" => Ok(Device::Cpu),
        other => match other.strip_prefix("cuda:").map(str::parse) {
            Some(Ok(index)) => gpu(index),
            _ => Err("write auto, cpu, or cuda:N".into()),
        },
    }
}

/// How many connections there may be. The files that may be open bound them: without a descriptor for it, not even a
/// probe is answered.
fn connections(asked: u32) -> usize {
    let mut limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if setrlimit(Resource::Nofile, raised).is_ok() {
        limit = getrlimit(Resource::Nofile);
    }
    let files = limit.current.unwrap_or(u64::MAX);
    let most = usize::try_from(files.saturating_sub(OTHER_FILES)).unwrap_or(usize::MAX);
    let asked = usize::try_from(asked).unwrap_or(usize::MAX);
    if most < asked {
        tracing::warn!(
            asked,
            connections = most,
            files,
            "fewer connections are taken: the limit of open files (ulimit -n) is low"
        );
    }
    asked.min(most).max(1)
}

/// What a level was set to follows the hot settings.
async fn follow_level(
    mut settings: watch::Receiver<InForce>,
    otherwise: LogLevel,
    log: log::Control,
) {
    loop {
        let level = settings.borrow_and_update().log_level;
        log.set(level.unwrap_or(otherwise));
        if settings.changed().await.is_err() {
            break;
        }
    }
}

/// Bytes of a connection that the system keeps, each way. By itself it takes up to 10 MB, which are the pod's memory, for
/// any caller who sends what is not read or does not read what is sent.
const SOCKET_BUFFER: u32 = 128 << 10;
/// Connections that wait to be accepted.
const BACKLOG: u32 = 1_024;

fn listen(address: SocketAddr) -> Result<TcpListener, String> {
    let bound = || {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        socket.set_reuseaddr(true)?;
        // Those of each connection are its listener's.
        socket.set_recv_buffer_size(SOCKET_BUFFER)?;
        socket.set_send_buffer_size(SOCKET_BUFFER)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    bound().map_err(|error: std::io::Error| format!("cannot listen on {address}: {error}"))
}

/// The server at work.
struct Service {
    server: JoinHandle<()>,
    loaded: Loaded,
    draining: Arc<AtomicBool>,
    stop: Arc<Notify>,
    traces: Option<Traces>,
}

impl Service {
    async fn start(
        options: &Serve,
        plan: Plan,
        log: log::Control,
    ) -> Result<(Self, Threads), String> {
        let api_key = options.api_key_file.clone().map(ApiKey::in_file);
        let api_key = api_key.transpose()?;
        let traces = Traces::from_environment()?;
        let metrics = Arc::new(Metrics::default());
        let settings = settings::watch(options.settings.clone(), metrics.clone());
        tokio::spawn(follow_level(settings.clone(), options.log_level, log));
        let listener = listen(options.listen)?;
        let management = options.management_listen.map(listen).transpose()?;
        let address = listener.local_addr().map_err(|error| error.to_string())?;
        if let Some(management) = &management {
            let address = management.local_addr().map_err(|error| error.to_string())?;
            tracing::info!(%address, "listening for probes and metrics");
        }
        tracing::info!(%address, "listening");
        let (worker, threads, loaded) = Worker::start(
            worker::Options {
                folder: options.model.clone(),
                precision: options.precision,
                device: options.device,
                warmup: options.warmup.clone(),
                plan,
            },
            settings.clone(),
            metrics.clone(),
        )
        .map_err(|error| format!("cannot start the model's threads: {error}"))?;
        let draining = Arc::new(AtomicBool::new(false));
        let app = App {
            worker,
            settings,
            metrics,
            draining: draining.clone(),
            api_key,
            traces: traces.clone(),
            body_memory: BodyMemory::default(),
            scrapes: ScrapeCache::default(),
        };
        let stop = Arc::new(Notify::new());
        let stopped = stop.clone();
        let stopped = async move { stopped.notified().await };
        let routes = match management {
            None => Routes::All,
            Some(listener) => {
                // Until the process ends: a pod that drains is asked too.
                let router = router(app.clone(), Routes::Management, &[]);
                tokio::spawn(http::serve(
                    listener,
                    router,
                    MANAGEMENT_CONNECTIONS,
                    std::future::pending(),
                ));
                Routes::Service
            }
        };
        let router = router(app, routes, &options.cors_origins);
        let connections = connections(options.max_connections);
        let server = http::serve(listener, router, connections, stopped);
        let service = Self {
            server: tokio::spawn(server),
            loaded,
            draining,
            stop,
            traces,
        };
        Ok((service, threads))
    }

    async fn run_until_stopped(self, options: &Serve) -> Result<(), String> {
        tokio::select! {
            reason = load_error(self.loaded) => {
                return Err(format!("the model {} cannot be served: {reason}", options.model.display()));
            }
            signal = asked_to_stop() => tracing::info!(signal, "draining"),
        }
        self.draining.store(true, Ordering::Release);
        // The endpoints' removal takes a moment to reach every proxy: whoever still sends is still served.
        let still_accepting = (options.drain / 4).min(Duration::from_secs(5));
        tokio::time::sleep(still_accepting).await;
        self.stop.notify_one();
        let left = options.drain.saturating_sub(still_accepting);
        match tokio::time::timeout(left, self.server).await {
            Ok(_) => tracing::info!("drained"),
            Err(_) => tracing::warn!("the drain's time is over; what is left is cut off"),
        }
        if let Some(traces) = self.traces {
            // On a thread of its own: it waits for the collector.
            let _ = tokio::task::spawn_blocking(move || traces.flush()).await;
        }
        Ok(())
    }
}

/// Ends only when the load failed.
async fn load_error(loaded: Loaded) -> String {
    match loaded.await {
        Ok(Ok(())) => {
            tracing::info!("ready");
            std::future::pending().await
        }
        Ok(Err(error)) => error.to_string(),
        Err(_) => "its thread ended".into(),
    }
}

async fn asked_to_stop() -> &'static str {
    let (Ok(mut terminate), Ok(mut interrupt)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        tracing::warn!("signals cannot be watched; the process can only be killed");
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    }
}
