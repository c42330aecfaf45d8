//! The Docker engine: build, look, push. The only file that knows `bollard::Docker`.

use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bollard::auth::DockerCredentials;
use bollard::errors::Error as EngineError;
use bollard::models::BuildInfoAux;
use bollard::query_parameters::{
    BuildImageOptions, BuildImageOptionsBuilder, BuilderVersion, PushImageOptionsBuilder,
};
use bollard::{Docker, body_try_stream};
use bytes::Bytes;
use futures::{Stream, StreamExt};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::archive::{self, Broken};
use super::context::Entry;
use super::error::{Error, io_kind, root_cause};
use super::progress::{Event, Failure, Progress};
use crate::ui::{DIM, Step, Ui, human_bytes, human_elapsed, paint};

/// Bound on one request until the engine begins to answer. Generous: an engine that unpacks a large context is busy.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(600);
/// Bound on the first contact.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Where an engine listens unless `DOCKER_HOST` says otherwise.
const DEFAULT_SOCKET: &str = "unix:///var/run/docker.sock";
/// How much of the archive is sent at a time, and how many such pieces may wait for the engine.
const CHUNK: usize = 256 * 1024;
const WAITING_CHUNKS: usize = 4;

/// An engine that answers.
pub struct Engine {
    docker: Docker,
}

/// An image that the engine has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalImage {
    /// `sha256:…` of its configuration.
    pub id: String,
    /// Size in bytes, unpacked.
    pub size: u64,
}

/// What to build.
pub struct Job {
    /// `repository:tag` that the result gets.
    pub reference: String,
    /// `os/architecture`.
    pub platform: &'static str,
    /// Path of the Dockerfile in the context.
    pub dockerfile: String,
    /// Stage to build.
    pub target: String,
    /// Build arguments.
    pub args: HashMap<String, String>,
    /// Labels of the result.
    pub labels: HashMap<String, String>,
    /// The context.
    pub entries: Vec<Entry>,
    /// Whether every step runs anew.
    pub no_cache: bool,
    /// Whether each line that a step writes is shown.
    pub verbose: bool,
    /// Credentials for base images and the like, by registry.
    pub credentials: HashMap<String, DockerCredentials>,
}

impl Engine {
    /// Connects to `DOCKER_HOST`, or to the default socket.
    ///
    /// # Errors
    /// [`Error::NoEngine`] with the mend for the cause: not installed, not running, or no right to the socket.
    pub async fn connect() -> Result<Self, Error> {
        super::install_crypto_provider();
        let connected = async {
            let docker = Docker::connect_with_defaults()?.with_timeout(CONNECT_TIMEOUT);
            docker.negotiate_version().await
        };
        match connected.await {
            Ok(docker) => Ok(Self {
                docker: docker.with_timeout(REQUEST_TIMEOUT),
            }),
            Err(error) => Err(no_engine(&error)),
        }
    }

    /// The image under the reference, if the engine has it.
    ///
    /// # Errors
    /// An engine that cannot say.
    pub async fn image(&self, reference: &str) -> Result<Option<LocalImage>, Error> {
        match self.docker.inspect_image(reference).await {
            Ok(image) => Ok(Some(LocalImage {
                id: image.id.unwrap_or_default(),
                size: image
                    .size
                    .and_then(|size| u64::try_from(size).ok())
                    .unwrap_or(0),
            })),
            Err(EngineError::DockerResponseServerError {
                status_code: 404, ..
            }) => Ok(None),
            Err(error) => Err(refused("look for the image", &error)),
        }
    }

    /// Builds the image with the engine's BuildKit and tells each step. Ctrl-C stops the build.
    ///
    /// # Errors
    /// [`Error::Build`] after the failing step's log was printed; [`Error::Changed`] when the context is not what was
    /// hashed; [`Error::Interrupted`].
    pub async fn build(&self, mut job: Job, ui: Ui) -> Result<(), Error> {
        let step = ui.step(format!("build {}", job.reference));
        let (archive, upload) = upload(std::mem::take(&mut job.entries));
        let credentials = std::mem::take(&mut job.credentials);
        let verbose = job.verbose;
        let messages = self.docker.build_image(
            options(job),
            Some(credentials),
            Some(body_try_stream(archive)),
        );
        let built = tokio::select! {
            built = follow(messages, &upload.sent, &step, ui, verbose) => built,
            _ = tokio::signal::ctrl_c() => Err(Fault::Interrupted),
        };
        match built {
            Ok(()) => {
                let sent = human_bytes(upload.sent.load(Ordering::Relaxed));
                step.done(paint(DIM, format_args!("context {sent}")));
                Ok(())
            }
            Err(fault) => {
                step.failed("");
                Err(explain(fault, upload).await)
            }
        }
    }

    /// Pushes `repository:tag`.
    ///
    /// # Errors
    /// [`Error::Push`] with the mend for the cause.
    pub async fn push(
        &self,
        repository: &str,
        tag: &str,
        credentials: Option<DockerCredentials>,
        ui: Ui,
    ) -> Result<(), Error> {
        let reference = format!("{repository}:{tag}");
        let step = ui.step(format!("push {reference}"));
        let options = PushImageOptionsBuilder::default().tag(tag).build();
        let mut messages = self
            .docker
            .push_image(repository, Some(options), credentials);
        let pushed = async {
            while let Some(message) = messages.next().await {
                let message = message?;
                let detail = message.progress_detail.unwrap_or_default();
                if let (Some(status), Some(current), true) =
                    (message.status, detail.current, ui.is_interactive())
                {
                    let current = human_bytes(u64::try_from(current).unwrap_or(0));
                    step.update(format_args!("{} {current}", status.to_lowercase()));
                }
            }
            Ok::<(), EngineError>(())
        };
        let pushed = tokio::select! {
            pushed = pushed => pushed.map_err(|error| push_failed(&reference, &error)),
            _ = tokio::signal::ctrl_c() => Err(Error::Interrupted),
        };
        match &pushed {
            Ok(()) => step.done(""),
            Err(_) => step.failed(""),
        }
        pushed
    }
}

fn options(job: Job) -> BuildImageOptions {
    BuildImageOptionsBuilder::default()
        .t(&job.reference)
        .dockerfile(&job.dockerfile)
        .target(&job.target)
        .platform(job.platform)
        .buildargs(&job.args)
        .labels(&job.labels)
        .nocache(job.no_cache)
        .rm(true)
        .version(BuilderVersion::BuilderBuildKit)
        .session(&session_name())
        .build()
}

/// Two builds at once must not share a session.
fn session_name() -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    format!("uninlu-{}-{}", std::process::id(), now.as_nanos())
}

/// The archive on its way to the engine, written by a thread of its own.
struct Upload {
    sent: Arc<AtomicU64>,
    writer: JoinHandle<Result<(), Broken>>,
}

fn upload(entries: Vec<Entry>) -> (impl Stream<Item = io::Result<Bytes>>, Upload) {
    let (sender, mut receiver) = mpsc::channel(WAITING_CHUNKS);
    let sent = Arc::new(AtomicU64::new(0));
    let mut sink = Sink {
        sender,
        sent: Arc::clone(&sent),
    };
    let writer = tokio::task::spawn_blocking(move || {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let buffered = io::BufWriter::with_capacity(CHUNK, &mut sink);
        let written = archive::write(&entries, now.as_secs(), buffered);
        if written.is_err() {
            // An archive that merely ends would be built as it is, under a tag that promises more.
            let _ = sink
                .sender
                .blocking_send(Err(io::Error::other("the build context is not complete")));
        }
        written
    });
    let stream = futures::stream::poll_fn(move |context| receiver.poll_recv(context));
    (stream, Upload { sent, writer })
}

struct Sink {
    sender: mpsc::Sender<io::Result<Bytes>>,
    sent: Arc<AtomicU64>,
}

impl Write for &mut Sink {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.sender
            .blocking_send(Ok(Bytes::copy_from_slice(buffer)))
            .map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        self.sent.fetch_add(buffer.len() as u64, Ordering::Relaxed);
        Ok(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Why a build ended without an image.
enum Fault {
    Engine(EngineError, Option<Failure>),
    Interrupted,
}

async fn follow(
    messages: impl Stream<Item = Result<bollard::models::BuildInfo, EngineError>>,
    sent: &AtomicU64,
    step: &Step,
    ui: Ui,
    verbose: bool,
) -> Result<(), Fault> {
    let mut progress = Progress::default();
    let mut redraw = tokio::time::interval(Duration::from_millis(200));
    tokio::pin!(messages);
    loop {
        tokio::select! {
            message = messages.next() => match message {
                None => return Ok(()),
                Some(Err(error)) => return Err(Fault::Engine(error, progress.failure())),
                Some(Ok(info)) => {
                    if let Some(BuildInfoAux::BuildKit(status)) = info.aux {
                        for event in progress.fold(&status) {
                            tell(&event, step, ui, verbose);
                        }
                    }
                }
            },
            _ = redraw.tick(), if ui.is_interactive() => step.update(running(&progress, sent)),
        }
    }
}

/// What the terminal's one moving line says.
fn running(progress: &Progress, sent: &AtomicU64) -> String {
    let steps: Vec<&str> = progress.running().collect();
    if steps.is_empty() {
        return format!("sent {}", human_bytes(sent.load(Ordering::Relaxed)));
    }
    steps.join(" · ")
}

fn tell(event: &Event, step: &Step, ui: Ui, verbose: bool) {
    match event {
        // On a terminal the moving line says what runs; in a log, a line must say what hangs.
        Event::Started { step: name } if !ui.is_interactive() => step.log(name),
        Event::Started { .. } => {}
        Event::Finished {
            step: name,
            elapsed,
        } => {
            let how = elapsed.map_or("cached".to_owned(), human_elapsed);
            step.log(format_args!("{name} {}", paint(DIM, how)));
        }
        Event::Output { line, .. } if verbose => step.log(format_args!("  {line}")),
        Event::Output { .. } => {}
    }
}

/// Which of the two sides broke it: a fault of the context explains everything that the engine says after it.
async fn explain(fault: Fault, upload: Upload) -> Error {
    let (error, failure) = match fault {
        Fault::Interrupted => return Error::Interrupted,
        Fault::Engine(error, failure) => (error, failure),
    };
    if upload.writer.is_finished()
        && let Ok(Err(Broken::Source(error))) = upload.writer.await
    {
        return error;
    }
    let Some(failure) = failure else {
        return refused("build the image", &error);
    };
    if !failure.log.is_empty() {
        tell_log(&failure);
    }
    Error::Build {
        help: build_help(&failure.error),
        step: failure.step,
        cause: failure.error,
    }
}

/// The log is part of the error: `--quiet` does not take it away.
fn tell_log(failure: &Failure) {
    let ui = Ui::new(false);
    ui.say(format_args!("the log of `{}` ends so:", failure.step));
    for line in &failure.log {
        ui.say(format_args!("    {line}"));
    }
}

fn build_help(cause: &str) -> String {
    if let Some(help) = space_help(cause) {
        return help;
    }
    let is_base_image = cause.contains("resolve source metadata")
        || cause.contains("pull access denied")
        || (cause.contains("failed to do request") && cause.contains("/manifests/"));
    if is_base_image {
        return "the base image could not be fetched: without a way to its registry, make it known to the engine (`docker pull`, `docker load` or `docker import`) and build again".to_owned();
    }
    if cause.contains("certificate signed by unknown authority") {
        return "a proxy opens the traffic: name its certificate in `[image] ca-certificates`"
            .to_owned();
    }
    "the log above says why; `uninlu build --verbose` shows every line of every step. Behind a proxy that opens TLS, `[image] ca-certificates` names its certificate".to_owned()
}

fn space_help(cause: &str) -> Option<String> {
    cause
        .contains("no space left on device")
        .then(|| "the engine's disk is full: `docker system df` says with what, `docker builder prune` and `docker image prune` free it".to_owned())
}

fn refused(task: &str, error: &EngineError) -> Error {
    let cause = match error {
        EngineError::DockerStreamError { error } => error.clone(),
        EngineError::DockerResponseServerError { message, .. } => message.clone(),
        other => root_cause(other).to_string(),
    };
    Error::Engine {
        task: task.to_owned(),
        help: space_help(&cause).unwrap_or_else(|| {
            "the engine's own log knows more: `journalctl -u docker`".to_owned()
        }),
        cause,
    }
}

fn no_engine(error: &EngineError) -> Error {
    let endpoint = std::env::var("DOCKER_HOST").unwrap_or_else(|_| DEFAULT_SOCKET.to_owned());
    let kind = match error {
        EngineError::SocketNotFoundError(_) => Some(io::ErrorKind::NotFound),
        other => io_kind(other),
    };
    let cause = match (kind, error) {
        (Some(io::ErrorKind::NotFound), _) => "there is no such socket".to_owned(),
        (Some(io::ErrorKind::PermissionDenied), _) => "permission denied".to_owned(),
        (Some(io::ErrorKind::ConnectionRefused), _) => "nothing listens there".to_owned(),
        (_, EngineError::RequestTimeoutError) => {
            format!("no answer within {} s", CONNECT_TIMEOUT.as_secs())
        }
        (_, other) => root_cause(other).to_string(),
    };
    Error::NoEngine {
        endpoint,
        cause,
        help: engine_help(kind).to_owned(),
    }
}

fn engine_help(kind: Option<io::ErrorKind>) -> &'static str {
    match kind {
        Some(io::ErrorKind::NotFound) => {
            "Docker is not installed or not running. Debian and Ubuntu: `sudo apt-get install docker.io`; macOS and Windows: start Docker Desktop; installed but stopped: `sudo systemctl start docker`. An engine elsewhere is named by DOCKER_HOST"
        }
        Some(io::ErrorKind::PermissionDenied) => {
            "this user may not use the engine's socket: `sudo usermod -aG docker $USER`, then log in again"
        }
        Some(io::ErrorKind::ConnectionRefused) => {
            "the engine is not running: `sudo systemctl start docker`, or start Docker Desktop"
        }
        _ => {
            "DOCKER_HOST names the engine as `unix:///path` or `tcp://host:port`; `docker version` tells whether it answers"
        }
    }
}

fn push_failed(reference: &str, error: &EngineError) -> Error {
    let refused = refused("push", error);
    let Error::Engine { cause, .. } = refused else {
        return refused;
    };
    Error::Push {
        reference: reference.to_owned(),
        help: push_help(reference, &cause),
        cause,
    }
}

fn push_help(reference: &str, cause: &str) -> String {
    let registry = reference.split('/').next().unwrap_or(reference);
    let says = |words: &[&str]| words.iter().any(|word| cause.contains(word));
    if says(&["unauthorized", "denied", "no basic auth credentials", "401"]) {
        format!(
            "`docker login {registry}` with a user who may push there; some registries want the repository to be made first"
        )
    } else if says(&[
        "connection refused",
        "no such host",
        "i/o timeout",
        "network is unreachable",
    ]) {
        format!(
            "is {registry} right (`[image] repository`), running, and reachable from the Docker engine?"
        )
    } else if says(&["server gave HTTP response to HTTPS client"]) {
        format!(
            "{registry} speaks plain HTTP, which the engine allows on localhost only: give the registry TLS, or list it under `insecure-registries` in the engine's daemon.json"
        )
    } else if says(&["certificate signed by unknown authority"]) {
        format!(
            "the engine does not know the registry's certificate authority: put it into /etc/docker/certs.d/{registry}/ca.crt on the engine's machine"
        )
    } else {
        "the finished layers are there already: the same command goes on from there".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_push_tells_its_mend() {
        let cases = [
            (
                "unauthorized: authentication required",
                "docker login registry.example.com",
            ),
            (
                "Get \"https://registry.example.com/v2/\": dial tcp 10.0.0.1:443: connect: connection refused",
                "reachable",
            ),
            (
                "http: server gave HTTP response to HTTPS client",
                "insecure-registries",
            ),
            ("x509: certificate signed by unknown authority", "certs.d"),
        ];
        for (cause, mend) in cases {
            let help = push_help("registry.example.com/ai/server:1", cause);
            assert!(help.contains(mend), "{cause}: the help is `{help}`");
        }
    }

    #[test]
    fn a_full_disk_tells_how_to_free_it() {
        let help = build_help("failed to copy files: write /var/lib/x: no space left on device");
        assert!(
            help.contains("docker builder prune"),
            "the help is `{help}`"
        );
    }
}
