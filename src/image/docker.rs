//! The Docker engine: build, look, push. With `container.rs` the only file that knows `bollard::Docker`.

use std::collections::HashMap;
use std::io;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bollard::auth::DockerCredentials;
use bollard::errors::Error as EngineError;
use bollard::models::{BuildInfoAux, PushImageInfo};
use bollard::query_parameters::{
    BuildImageOptions, BuildImageOptionsBuilder, BuilderVersion, PushImageOptionsBuilder,
};
use bollard::{Docker, body_try_stream};
use futures::{Stream, StreamExt};
use serde_json::json;

use super::context::Entry;
use super::error::{Error, io_kind};
use super::mend;
use super::progress::{Event, Failure, Progress, short};
use super::upload::{Sent, Upload, upload};
use crate::report::innermost;
use crate::ui::{DIM, Step, Ui, human_bytes, human_elapsed, paint};

/// Bound on one request until the engine begins to answer. Generous: an engine that unpacks a large context is busy.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(600);
/// Bound on the first contact.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Where an engine listens unless `DOCKER_HOST` says otherwise.
const DEFAULT_SOCKET: &str = "unix:///var/run/docker.sock";

/// An engine that answers.
pub struct Engine {
    pub(super) docker: Docker,
}

/// An image that the engine has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalImage {
    /// `sha256:…` of its configuration.
    pub id: String,
    /// Size in bytes, unpacked.
    pub size: u64,
    /// Labels of its configuration.
    pub labels: HashMap<String, String>,
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
        super::tls::install_crypto_provider();
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
                labels: image
                    .config
                    .and_then(|config| config.labels)
                    .unwrap_or_default(),
            })),
            Err(EngineError::DockerResponseServerError {
                status_code: 404, ..
            }) => Ok(None),
            Err(error) => Err(refused("look for the image", &error)),
        }
    }

    /// Builds the image with the engine's BuildKit and tells each step. When this process ends, the build stops.
    ///
    /// # Errors
    /// [`Error::Build`] after the failing step's log was printed; [`Error::Changed`] when the context is not what was
    /// hashed.
    pub async fn build(&self, mut job: Job, ui: Ui) -> Result<(), Error> {
        let step = ui.step(format!("build {}", job.reference));
        let (archive, upload) = upload(std::mem::take(&mut job.entries));
        let credentials = std::mem::take(&mut job.credentials);
        let verbose = job.verbose;
        let dockerfile = job.dockerfile.clone();
        let messages = self.docker.build_image(
            options(job),
            Some(credentials),
            Some(body_try_stream(archive)),
        );
        match follow(messages, &upload.sent, &step, ui, verbose).await {
            Ok(()) => {
                let sent = human_bytes(upload.sent.bytes());
                step.done(paint(DIM, format_args!("context {sent}")));
                Ok(())
            }
            Err(fault) => {
                step.failed("");
                Err(explain(fault, upload, dockerfile, ui).await)
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
        let messages = self
            .docker
            .push_image(repository, Some(options), credentials);
        let pushed = follow_push(messages, &step, ui).await.map_err(|error| {
            let cause = words(&error);
            let help = mend::push(&reference, &cause);
            Error::Push {
                reference,
                cause,
                help,
            }
        });
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
        .session(&unique("uninlu"))
        .build()
}

/// A name of its own: two builds at once must not share a session, nor two rehearsals a container.
pub(super) fn unique(prefix: &str) -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    format!("{prefix}-{}-{}", std::process::id(), now.as_nanos())
}

/// Why a build ended without an image.
struct Fault {
    error: EngineError,
    failure: Option<Failure>,
}

async fn follow(
    messages: impl Stream<Item = Result<bollard::models::BuildInfo, EngineError>>,
    sent: &Sent,
    step: &Step,
    ui: Ui,
    verbose: bool,
) -> Result<(), Fault> {
    let (mut progress, started) = (Progress::default(), Instant::now());
    let mut redraw = tokio::time::interval(Duration::from_millis(200));
    tokio::pin!(messages);
    loop {
        tokio::select! {
            message = messages.next() => match message {
                None => return Ok(()),
                Some(Err(error)) => {
                    let failure = progress.failure();
                    return Err(Fault { error, failure });
                }
                Some(Ok(info)) => {
                    if let Some(BuildInfoAux::BuildKit(status)) = info.aux {
                        for event in progress.fold(&status, started.elapsed()) {
                            tell(&event, step, verbose);
                        }
                    }
                }
            },
            _ = redraw.tick() => match ui.is_interactive() {
                true => step.update(running(&progress, sent)),
                false => report_slow(progress.slow(started.elapsed()), step, verbose),
            },
        }
    }
}

async fn follow_push(
    messages: impl Stream<Item = Result<PushImageInfo, EngineError>>,
    step: &Step,
    ui: Ui,
) -> Result<(), EngineError> {
    tokio::pin!(messages);
    while let Some(message) = messages.next().await {
        let message = message?;
        let current = message.progress_detail.and_then(|detail| detail.current);
        if let (Some(status), Some(current), true) = (message.status, current, ui.is_interactive())
        {
            let current = human_bytes(u64::try_from(current).unwrap_or(0));
            step.update(format_args!("{} {current}", status.to_lowercase()));
        }
    }
    Ok(())
}

/// What a terminal shows below the running step.
fn running(progress: &Progress, sent: &Sent) -> String {
    let steps: Vec<String> = progress.running().map(short).collect();
    if steps.is_empty() {
        return format!("sent {}", human_bytes(sent.bytes()));
    }
    steps.join(" · ")
}

/// Each step is one line, when it ends.
fn tell(event: &Event, step: &Step, verbose: bool) {
    match event {
        Event::Finished { step: name, .. } if is_internal(name) && !verbose => {}
        Event::Finished {
            step: name,
            elapsed,
        } => {
            let how = elapsed.map_or("cached".to_owned(), human_elapsed);
            let line = format!("{}  {}", short(name), paint(DIM, how));
            let seconds = elapsed.map(|elapsed| elapsed.as_secs_f64());
            step.log_facts(line, json!({ "build_step": name, "seconds": seconds }));
        }
        Event::Output { line, .. } if verbose => step.log(format_args!("  {line}")),
        Event::Output { .. } => {}
    }
}

fn report_slow(steps: Vec<String>, step: &Step, verbose: bool) {
    let shown = |name: &String| verbose || !is_internal(name);
    for name in steps.into_iter().filter(shown) {
        let line = format!("{}  {}", short(&name), paint(DIM, "is running"));
        step.log_facts(line, json!({ "build_step": name }));
    }
}

/// BuildKit's own steps, which no Dockerfile names.
fn is_internal(step: &str) -> bool {
    step.starts_with("[internal]") || step == "copy /context /"
}

/// Which of the two sides broke it: a fault of the context explains everything that the engine says after it.
async fn explain(fault: Fault, upload: Upload, dockerfile: String, ui: Ui) -> Error {
    let Fault { error, failure } = fault;
    if let Some(error) = upload.fault().await {
        return error;
    }
    match (failure, &error) {
        (Some(failure), _) => {
            tell_log(&failure, ui);
            Error::Build {
                help: mend::build(&failure.error),
                step: failure.step,
                cause: failure.error,
            }
        }
        // No step was reached: the Dockerfile itself is at fault.
        (None, EngineError::DockerStreamError { error }) => Error::Build {
            help: mend::build(error),
            step: dockerfile,
            cause: without_preamble(error).to_owned(),
        },
        (None, error) => refused("build the image", error),
    }
}

/// `failed to solve with frontend dockerfile.v0: failed to create LLB definition: ` says nothing to a user.
fn without_preamble(cause: &str) -> &str {
    cause
        .rsplit("failed to create LLB definition: ")
        .next()
        .unwrap_or(cause)
}

/// The log is part of the error: `--quiet` does not take it away.
fn tell_log(failure: &Failure, ui: Ui) {
    if failure.log.is_empty() {
        return;
    }
    let ui = ui.loud();
    ui.say(format_args!("the log of `{}` ends so:", failure.step));
    for line in &failure.log {
        ui.say(format_args!("    {line}"));
    }
}

/// What the engine said, without what the library puts around it.
fn words(error: &EngineError) -> String {
    match error {
        EngineError::DockerStreamError { error } => error.clone(),
        EngineError::DockerResponseServerError { message, .. } => message.clone(),
        other => innermost(other),
    }
}

pub(super) fn refused(task: &str, error: &EngineError) -> Error {
    let cause = words(error);
    Error::Engine {
        task: task.to_owned(),
        help: mend::space(&cause).unwrap_or_else(|| {
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
        (_, other) => innermost(other),
    };
    Error::NoEngine {
        endpoint,
        cause,
        help: mend::engine(kind).to_owned(),
    }
}
