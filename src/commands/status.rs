//! `uninlu status`

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use miette::Result;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::common::{StackArgs, exit};
use super::late;
use crate::cluster::{self, Connection, Trust};
use crate::document::Document;
use crate::kinds::{self, Going, Kind, ObjectId, Progress};
use crate::plan::apply_set;
use crate::plan::outlook::Asked;
use crate::stack::{self, Stack};
use crate::ui::{GREEN, RED, Ui, YELLOW, paint};

/// Shows the stack's objects, how far they are, and its pods
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
    /// Goes on, and prints again whenever something changed, until it is interrupted
    #[arg(long, short)]
    watch: bool,
}

/// Runs the command.
///
/// # Errors
/// Whatever keeps the cluster from being read.
pub async fn run(args: Args, ui: Ui) -> Result<u8> {
    let stack = stack::load(&args.stack.stack, args.stack.env.as_deref())?;
    let connection = cluster::connect(&stack.target(), &Trust::beside(&stack.source.file)).await?;
    let mut said = None;
    loop {
        let now = look(&stack, &connection, args.json).await?;
        let is_deployed = now.is_deployed;
        if said.as_ref() != Some(&now) {
            if said.is_some() && !args.json {
                ui.data("\n")?;
            }
            match &now.json {
                Some(document) => ui.json(document)?,
                None => ui.data(&now.text)?,
            }
            said = Some(now);
            late::see(&connection, ui).await;
        }
        if !args.watch {
            let code = if is_deployed {
                exit::OK
            } else {
                exit::NOT_DEPLOYED
            };
            return Ok(code);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Between two looks of `--watch`.
const PAUSE: Duration = Duration::from_secs(2);

/// What was seen of the stack.
#[derive(PartialEq)]
struct Seen {
    is_deployed: bool,
    text: String,
    /// In place of the text, where it is asked for.
    json: Option<Document<Report>>,
}

async fn look(stack: &Stack, connection: &Connection, is_json: bool) -> Result<Seen> {
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
        is_deployed: !objects.is_empty(),
        json: is_json.then(|| {
            let report = as_json(&objects, &pods, &namespace);
            Document::new("status", stack.target(), report)
        }),
        text: namespace_line(stack, namespace) + &as_text(stack, &objects, &pods),
    })
}

/// A namespace of somebody else is told when it goes, or when that is not known.
fn namespace_line(stack: &Stack, going: Asked<Option<Going>>) -> String {
    let namespace = &stack.namespace;
    match going {
        Ok(None) => String::new(),
        Ok(Some(going)) => {
            let mark = paint(RED, "✗");
            format!("{mark} Namespace {namespace} {}\n", going.words())
        }
        Err(reason) => format!("? Namespace {namespace}: whether it is being deleted: {reason}\n"),
    }
}

fn as_text(stack: &Stack, objects: &BTreeMap<ObjectId, Value>, pods: &[Pod]) -> String {
    if objects.is_empty() {
        return format!(
            "{} is not deployed in namespace {} of context {}\n",
            stack.name, stack.namespace, stack.cluster.context
        );
    }
    let mut lines: Vec<String> = objects
        .iter()
        .map(|(id, live)| {
            format!(
                "{} {id}{}",
                mark(&kinds::progress(id.kind, live)),
                detail(id.kind, live)
            )
        })
        .collect();
    lines.extend(pods.iter().map(|pod| {
        let progress = kinds::pod::explain(pod, &[]);
        format!(
            "  {} Pod {}, {} restarts{}",
            mark(&progress),
            pod_name(pod),
            restarts(pod),
            reason(&progress)
        )
    }));
    lines.push(String::new());
    lines.join("\n")
}

fn mark(progress: &Progress) -> String {
    match progress {
        Progress::Ready => paint(GREEN, "✓"),
        Progress::Waiting(_) => paint(YELLOW, "…"),
        Progress::Failed(_) => paint(RED, "✗"),
    }
}

fn reason(progress: &Progress) -> String {
    match progress {
        Progress::Ready => String::new(),
        Progress::Waiting(reason) | Progress::Failed(reason) => format!(": {reason}"),
    }
}

fn detail(kind: Kind, live: &Value) -> String {
    let status = |key: &str| live["status"][key].as_i64().unwrap_or(0);
    let facts = match kind {
        Kind::Deployment => {
            let image = live["spec"]["template"]["spec"]["containers"][0]["image"]
                .as_str()
                .unwrap_or_default();
            format!(
                ": {} of {} pods ready, image {image}",
                status("readyReplicas"),
                live["spec"]["replicas"]
            )
        }
        Kind::HorizontalPodAutoscaler => {
            format!(
                ": {} pods, {} wanted",
                status("currentReplicas"),
                status("desiredReplicas")
            )
        }
        _ => String::new(),
    };
    let progress = kinds::progress(kind, live);
    let pause = (kind == Kind::Deployment && !matches!(progress, Progress::Failed(_)))
        .then(|| kinds::pause(live))
        .flatten()
        .map_or(String::new(), |words| format!("; {words}"));
    format!("{facts}{}{pause}", reason(&progress))
}

fn pod_name(pod: &Pod) -> &str {
    pod.metadata.name.as_deref().unwrap_or_default()
}

fn restarts(pod: &Pod) -> i32 {
    let statuses = pod
        .status
        .as_ref()
        .and_then(|status| status.container_statuses.as_ref());
    statuses
        .into_iter()
        .flatten()
        .map(|container| container.restart_count)
        .sum()
}

/// What `status --json` prints.
#[derive(Debug, PartialEq, Serialize, JsonSchema)]
pub(super) struct Report {
    /// What keeps a namespace that is being deleted, or why that is not known; else null.
    namespace_being_deleted: Option<String>,
    objects: Vec<Object>,
    pods: Vec<PodReport>,
}

#[derive(Debug, PartialEq, Serialize, JsonSchema)]
struct Object {
    kind: &'static str,
    name: String,
    progress: Reached,
    /// Why a rollout is paused.
    paused: Option<String>,
}

#[derive(Debug, PartialEq, Serialize, JsonSchema)]
struct PodReport {
    name: String,
    restarts: i32,
    progress: Reached,
}

/// How far something is.
#[derive(Debug, PartialEq, Serialize, JsonSchema)]
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

fn as_json(
    objects: &BTreeMap<ObjectId, Value>,
    pods: &[Pod],
    namespace: &Asked<Option<Going>>,
) -> Report {
    let objects = objects.iter().map(|(id, live)| Object {
        kind: id.kind.name(),
        name: id.name.clone(),
        progress: kinds::progress(id.kind, live).into(),
        paused: (id.kind == Kind::Deployment)
            .then(|| kinds::pause(live))
            .flatten(),
    });
    let pods = pods.iter().map(|pod| PodReport {
        name: pod_name(pod).to_owned(),
        restarts: restarts(pod),
        progress: kinds::pod::explain(pod, &[]).into(),
    });
    Report {
        namespace_being_deleted: match namespace {
            Ok(going) => going.as_ref().map(Going::words),
            Err(reason) => Some(format!("not known: {reason}")),
        },
        objects: objects.collect(),
        pods: pods.collect(),
    }
}
