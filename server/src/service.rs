//! The running server, from its start to the end of its drain.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use uninlu_settings::{InForce, LogLevel};

use crate::args::Serve;
use crate::http::{self, ApiKey, App, BodyMemory, Routes, ScrapeCache, router};
use crate::log;
use crate::metrics::Metrics;
use crate::settings;
use crate::sockets::{connections, listen};
use crate::traces::Traces;
use crate::worker::{self, Loaded, Plan, Threads, Worker};

/// Connections at once on the management port: a kubelet and some Prometheus servers.
const MANAGEMENT_CONNECTIONS: usize = 64;

/// Serves until the process is asked to stop.
///
/// # Errors
/// What keeps the server from starting.
pub(crate) fn serve(options: &Serve) -> Result<(), String> {
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
    let served = runtime(plan).and_then(|runtime| run(runtime, options, plan, log));
    if let Err(reason) = &served {
        tracing::error!(error = reason, "stopped");
    }
    served
}

fn runtime(plan: Plan) -> Result<Runtime, String> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        // They tokenize: more than cores would only keep memory.
        .max_blocking_threads(plan.workers * plan.threads)
        .on_thread_start(lower_priority)
        .build()
        .map_err(|error| format!("cannot start the runtime: {error}"))
}

fn run(runtime: Runtime, options: &Serve, plan: Plan, log: log::Control) -> Result<(), String> {
    let (service, threads) = runtime.block_on(Service::start(options, plan, log))?;
    let outcome = runtime.block_on(service.run_until_stopped(options));
    // Ends the connections that are left, and with them the callers that could still ask the model.
    runtime.shutdown_timeout(Duration::from_secs(1));
    threads.stop();
    outcome
}

/// Of the niceness 5 a thread has a quarter of a core that the model wants too: callers that send much cannot take it from
/// those that are being answered.
fn lower_priority() {
    const NICENESS: i32 = 5;
    // Linux takes it for the calling thread alone. Not `nice`: those that are started by such a thread inherit it.
    if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
        tracing::debug!(%error, "cannot lower the priority of a thread");
    }
}

/// Cores that the cgroup's quota and the affinity grant, not those of the machine.
fn granted_cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
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
        let (listener, management) = listeners(options)?;
        let model = model(options, plan);
        let (worker, threads, loaded) = Worker::start(model, settings.clone(), metrics.clone())
            .map_err(|error| format!("cannot start a model thread: {error}"))?;
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
        let service = Self {
            server: spawn(app, options, listener, management, stop.clone()),
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
                return Err(format!("cannot serve the model {}: {reason}", options.model.display()));
            }
            signal = asked_to_stop() => tracing::info!(signal, "draining"),
        }
        self.draining.store(true, Ordering::Release);
        // The endpoints' removal takes a moment to reach every proxy: callers that still send are still served.
        let still_accepting = (options.drain / 4).min(Duration::from_secs(5));
        tokio::time::sleep(still_accepting).await;
        self.stop.notify_one();
        let left = options.drain.saturating_sub(still_accepting);
        match tokio::time::timeout(left, self.server).await {
            Ok(_) => tracing::info!("drained"),
            Err(_) => tracing::warn!("the drain timed out; open requests are cut off"),
        }
        if let Some(traces) = self.traces {
            // On a thread of its own: it waits for the collector.
            let _ = tokio::task::spawn_blocking(move || traces.flush()).await;
        }
        Ok(())
    }
}

fn model(options: &Serve, plan: Plan) -> worker::Options {
    worker::Options {
        folder: options.model.clone(),
        precision: options.precision,
        device: options.device,
        warmup: options.warmup.clone(),
        plan,
    }
}

/// The listener of the API, and that of probes and metrics where they have their own.
fn listeners(options: &Serve) -> Result<(TcpListener, Option<TcpListener>), String> {
    let listener = listen(options.listen)?;
    let management = options.management_listen.map(listen).transpose()?;
    let address = |listener: &TcpListener| listener.local_addr().map_err(|error| error.to_string());
    if let Some(management) = &management {
        let address = address(management)?;
        tracing::info!(%address, "listening for probes and metrics");
    }
    let address = address(&listener)?;
    tracing::info!(%address, "listening");
    Ok((listener, management))
}

/// Serves the API until `stop`, and probes and metrics with it or, where they have a listener, until the process ends: a
/// pod that drains is asked too.
fn spawn(
    app: App,
    options: &Serve,
    listener: TcpListener,
    management: Option<TcpListener>,
    stop: Arc<Notify>,
) -> JoinHandle<()> {
    let routes = management.map_or(Routes::All, |listener| {
        let router = router(app.clone(), Routes::Management, &[]);
        let endless = std::future::pending();
        tokio::spawn(http::serve(
            listener,
            router,
            MANAGEMENT_CONNECTIONS,
            endless,
        ));
        Routes::Service
    });
    let router = router(app, routes, &options.cors_origins);
    let connections = connections(options.max_connections);
    let stopped = async move { stop.notified().await };
    tokio::spawn(http::serve(listener, router, connections, stopped))
}

/// Ends only when the load failed.
async fn load_error(loaded: Loaded) -> String {
    match loaded.await {
        Ok(Ok(())) => {
            tracing::info!("ready");
            std::future::pending().await
        }
        Ok(Err(error)) => error.to_string(),
        Err(_) => "the thread that loads it ended".into(),
    }
}

async fn asked_to_stop() -> &'static str {
    let (Ok(mut terminate), Ok(mut interrupt)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        tracing::warn!("cannot handle SIGTERM and SIGINT");
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    }
}
