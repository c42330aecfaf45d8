//! `uninlu status`

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use miette::Result;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::common::{StackArgs, exit};
use super::release::{Summary, before, changed, ended, reason, when, who};
use super::{fleet, interrupted, late};
use crate::cluster::{self, Connection, Releases, Trust};
use crate::document::{Body, Document, body};
use crate::interruption::GoingOn;
use crate::kinds::{self, Going, Kind, ObjectId, Progress};
use crate::plan::apply_set;
use crate::plan::outlook::Asked;
use crate::plan::release::{Release, newest};
use crate::stack::{self, Stack};
use crate::ui::{BOLD, DIM, GREEN, RED, Ui, Unwritable, YELLOW, paint};
use uninlu_text::table::lines;

/// Shows the stack's newest release, its objects, how far they are, and its pods
///
/// Exits with 4 when the stack is not deployed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  uninlu status --watch
  uninlu status uninlu.toml --env prod --json")]
pub struct Args {
    #[command(flatten)]
    stack: StackArgs,
    /// Prints the status as JSON
    #[arg(long)]
    json: bool,
    /// Goes on until it is interrupted: redraws the screen with the time; elsewhere prints again whenever something changed
    #[arg(long, short)]
    watch: bool,
}

/// What it prints with `--json`.
pub(super) const DOCUMENTS: &[Body] = &[body::<Report>];

/// Runs the command.
///
/// # Errors
/// Whatever keeps the cluster from being read.
pub async fn run(args: Args, ui: Ui) -> Result<u8> {
    let stack = stack::load(&args.stack.stack, args.stack.env.as_deref())?;
    let connection = cluster::connect(&stack.target(), &Trust::beside(&stack.source.file)).await?;
    if args.watch {
        let _going = GoingOn::new(interrupted::LOOKING_ON);
        return match ui.can_redraw() && !args.json {
            true => redraw(&stack, &connection, ui).await,
            false => follow(&stack, &connection, args.json, ui).await,
        };
    }
    let seen = look(&stack, &connection).await?;
    show(
        &stack,
        &seen,
        &late::see(&connection, ui).await,
        args.json,
        ui,
    )?;
    Ok(match seen.is_deployed() {
        true => exit::OK,
        false => exit::NOT_DEPLOYED,
    })
}

/// Prints again whenever something changed.
async fn follow(stack: &Stack, connection: &Connection, as_json: bool, ui: Ui) -> Result<u8> {
    let mut said = None;
    loop {
        let now = look(stack, connection).await?;
        if said.as_ref() != Some(&now) {
            if said.is_some() && !as_json {
                ui.data("\n")?;
            }
            show(stack, &now, &late::see(connection, ui).await, as_json, ui)?;
            said = Some(now);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Draws the present state over the earlier one, with the time, so that a screen that stands still is no riddle.
async fn redraw(stack: &Stack, connection: &Connection, ui: Ui) -> Result<u8> {
    let (mut seen, mut releases, mut drawn) = (None, Releases::default(), 0);
    loop {
        let now = look(stack, connection).await?;
        if seen.as_ref() != Some(&now) {
            // What it records stands in the release's line; a line between two drawings would be torn.
            releases = late::see(connection, fleet::SILENT).await;
        }
        let time = Timestamp::now().strftime("%F %T");
        let head = format!("{time} UTC, again every {} s until Ctrl-C", PAUSE.as_secs());
        let text = format!("{}\n{}", paint(DIM, head), in_words(stack, &now, &releases));
        drawn = ui.redraw(text, drawn)?;
        seen = Some(now);
        tokio::time::sleep(PAUSE).await;
    }
}

fn show(
    stack: &Stack,
    seen: &Seen,
    releases: &[Release],
    as_json: bool,
    ui: Ui,
) -> Result<(), Unwritable> {
    if !as_json {
        return ui.data(in_words(stack, seen, releases));
    }
    let last = newest(releases);
    let report = Report {
        release: last.map(|last| Summary::of(last, before(releases, last.number))),
        seen: seen.clone(),
    };
    ui.json(&Document::new("status", stack.target(), report))
}

fn in_words(stack: &Stack, seen: &Seen, releases: &[Release]) -> String {
    let last = newest(releases);
    let line = last.map(|last| release_line(last, before(releases, last.number)));
    text(stack, seen, &line.unwrap_or_default())
}

/// Between two looks of `--watch`.
const PAUSE: Duration = Duration::from_secs(2);

/// What `status --json` prints.
#[derive(Debug, PartialEq, Serialize, JsonSchema)]
pub(super) struct Report {
    /// The newest release; null where there is none, or where this user may not list them.
    release: Option<Summary>,
    #[serde(flatten)]
    seen: Seen,
}

/// What was seen of the stack.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
struct Seen {
    /// What keeps a namespace that is being deleted, or why that is not known; else null.
    namespace_being_deleted: Option<String>,
    /// The image that the Deployment names.
    image: Option<String>,
    objects: Vec<Object>,
    pods: Vec<PodReport>,
    /// The namespace in a line, for people.
    #[serde(skip)]
    namespace: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
struct Object {
    kind: &'static str,
    name: String,
    progress: Reached,
    /// How many pods there are, where the object counts them.
    facts: Option<String>,
    /// Why a rollout is paused.
    paused: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
struct PodReport {
    name: String,
    /// The node that it is on.
    node: Option<String>,
    restarts: i32,
    progress: Reached,
}

/// How far something is.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(tag = "state", rename_all = "snake_case")]
enum Reached {
    Ready,
    Waiting { reason: String },
    Failed { reason: String },
}

impl From<Progress> for Reached {
    fn from(progress: Progress) -> Self {
        match progress {
            Progress::Ready => Reached::Ready,
            Progress::Waiting(reason) => Reached::Waiting { reason },
            Progress::Failed(reason) => Reached::Failed { reason },
        }
    }
}

async fn look(stack: &Stack, connection: &Connection) -> Result<Seen> {
    let kinds = Kind::all(stack.cluster.create_namespace);
    let mut objects = cluster::ours(connection, &kinds).await?;
    // The bookkeeping is of no interest, unless it goes.
    let parent = apply_set::parent_id(&connection.target);
    objects.retain(|id, live| *id != parent || Going::of(live).is_some());
    let pods = cluster::pods(connection).await?;
    let namespace = if stack.cluster.create_namespace {
        Ok(None)
    } else {
        cluster::namespace_going(connection).await
    };
    Ok(Seen {
        namespace: namespace_line(&stack.namespace, &namespace),
        namespace_being_deleted: match &namespace {
            Ok(going) => going.as_ref().map(Going::words),
            Err(reason) => Some(format!("not known: {reason}")),
        },
        image: objects.iter().find_map(|(id, live)| image(id.kind, live)),
        objects: objects.iter().map(|(id, live)| object(id, live)).collect(),
        pods: pods.iter().map(pod).collect(),
    })
}

/// Another user's namespace is shown when it goes, or when that is not known.
fn namespace_line(namespace: &str, going: &Asked<Option<Going>>) -> Option<String> {
    match going {
        Ok(None) => None,
        Ok(Some(going)) => {
            let mark = paint(RED, "✗");
            Some(format!("{mark} Namespace {namespace} {}", going.words()))
        }
        Err(reason) => Some(format!(
            "? Namespace {namespace}: whether it is being deleted: {reason}"
        )),
    }
}

fn object(id: &ObjectId, live: &Value) -> Object {
    let is_deployment = id.kind == Kind::Deployment;
    Object {
        kind: id.kind.name(),
        name: id.name.clone(),
        progress: kinds::progress(id.kind, live).into(),
        facts: facts(id.kind, live),
        paused: is_deployment.then(|| kinds::pause(live)).flatten(),
    }
}

fn facts(kind: Kind, live: &Value) -> Option<String> {
    let status = |key: &str| live["status"][key].as_i64().unwrap_or(0);
    match kind {
        Kind::Deployment => Some(format!(
            "{} of {} pods ready",
            status("readyReplicas"),
            live["spec"]["replicas"]
        )),
        Kind::HorizontalPodAutoscaler => Some(format!(
            "{} pods, {} wanted",
            status("currentReplicas"),
            status("desiredReplicas")
        )),
        _ => None,
    }
}

fn image(kind: Kind, live: &Value) -> Option<String> {
    let image = &live["spec"]["template"]["spec"]["containers"][0]["image"];
    let is_deployment = kind == Kind::Deployment;
    is_deployment.then(|| image.as_str().map(str::to_owned))?
}

fn pod(pod: &Pod) -> PodReport {
    let status = pod.status.as_ref();
    let statuses = status.and_then(|status| status.container_statuses.as_ref());
    let restarts = statuses.into_iter().flatten().map(|it| it.restart_count);
    let spec = pod.spec.as_ref();
    PodReport {
        name: pod.metadata.name.clone().unwrap_or_default(),
        node: spec.and_then(|spec| spec.node_name.clone()),
        restarts: restarts.sum(),
        progress: kinds::pod::explain(pod, &[]).into(),
    }
}

impl Seen {
    fn is_deployed(&self) -> bool {
        !self.objects.is_empty()
    }
}

/// `release 3, 2026-11-24 05:00 UTC, by admin: image; ready in 9 s`, and why it failed.
fn release_line(release: &Release, earlier: Option<&Release>) -> String {
    let reason = reason(&release.outcome);
    let reason = reason.map_or(String::new(), |reason| format!("  {reason}\n"));
    format!(
        "release {}, {} UTC, by {}: {}; {}\n{reason}",
        release.number,
        when(&release.record),
        who(&release.record),
        changed(release, earlier),
        ended(&release.outcome)
    )
}

/// What is not ready has its reason on a line of its own, in full.
fn text(stack: &Stack, seen: &Seen, release: &str) -> String {
    let Stack {
        name, namespace, ..
    } = stack;
    let context = &stack.cluster.context;
    let going = seen
        .namespace
        .clone()
        .map_or(String::new(), |line| line + "\n");
    if !seen.is_deployed() {
        return format!(
            "{going}{name} is not deployed in namespace {namespace} of context {context}\n"
        );
    }
    let place = format!("{name} in namespace {namespace} of context {context}");
    let image = seen.image.as_ref();
    let image = image.map_or(String::new(), |image| format!("image {image}\n"));
    let objects = seen.objects.iter().map(|object| {
        let state = object.facts.clone();
        let row = vec![
            mark(&object.progress),
            format!("{} {}", object.kind, object.name),
            state.unwrap_or_else(|| word(&object.progress).to_owned()),
        ];
        (row, reasons(&object.progress, object.paused.as_deref()))
    });
    let pods = seen.pods.iter().map(|pod| {
        let row = vec![
            mark(&pod.progress),
            pod.name.clone(),
            word(&pod.progress).to_owned(),
            pod.restarts.to_string(),
            pod.node.clone().unwrap_or_else(|| "-".to_owned()),
        ];
        (row, reasons(&pod.progress, None))
    });
    let mut text = format!("{}\n{going}{release}{image}", paint(BOLD, place));
    text += &table(&["", "OBJECT", "STATE"], objects);
    if !seen.pods.is_empty() {
        text += &table(&["", "POD", "STATE", "RESTARTS", "NODE"], pods);
    }
    text
}

fn table(head: &[&str], rows: impl Iterator<Item = (Vec<String>, Vec<String>)>) -> String {
    let (rows, reasons): (Vec<_>, Vec<_>) = rows.unzip();
    let head: Vec<String> = head.iter().map(ToString::to_string).collect();
    let mut lines = lines(&[vec![head], rows].concat()).into_iter();
    let mut text = paint(BOLD, lines.next().unwrap_or_default()) + "\n";
    for (line, reasons) in lines.zip(reasons) {
        text += &(line + "\n");
        for reason in reasons {
            text += &format!("     {reason}\n");
        }
    }
    text
}

fn mark(progress: &Reached) -> String {
    match progress {
        Reached::Ready => paint(GREEN, "✓"),
        Reached::Waiting { .. } => paint(YELLOW, "…"),
        Reached::Failed { .. } => paint(RED, "✗"),
    }
}

const fn word(progress: &Reached) -> &'static str {
    match progress {
        Reached::Ready => "ready",
        Reached::Waiting { .. } => "waiting",
        Reached::Failed { .. } => "failed",
    }
}

/// Why it is not ready, and why its rollout is paused, where a failure does not say so already.
fn reasons(progress: &Reached, paused: Option<&str>) -> Vec<String> {
    match progress {
        Reached::Ready => paused.map(str::to_owned).into_iter().collect(),
        Reached::Waiting { reason } => std::iter::once(reason.as_str())
            .chain(paused)
            .map(str::to_owned)
            .collect(),
        Reached::Failed { reason } => vec![reason.clone()],
    }
}
