//! Why a pod is not ready: read from the pod and its events, since a Deployment's status does not tell.

use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::{
    ContainerStateTerminated, ContainerStatus, Event, Pod, PodStatus,
};

use super::Progress;

/// Restarts after which a crash loop is final, also where each run outlives the back-off.
const FINAL_RESTARTS: i32 = 3;

/// How far the pod is, and why. `events` are the pod's own.
///
/// A failure is final only where waiting cannot mend it; an unschedulable pod or an image that cannot be pulled is
/// told as a reason to wait, and the caller decides how long (see [`trouble`]).
pub fn explain(pod: &Pod, events: &[Event]) -> Progress {
    let Some(status) = &pod.status else {
        return Progress::Waiting("not scheduled yet".into());
    };
    if let Some(("False", message)) = condition(status, "PodScheduled") {
        return Progress::Waiting(format!("Unschedulable: {message}"));
    }
    if let Some(("True", _)) = condition(status, "Ready") {
        return Progress::Ready;
    }
    let container = status.container_statuses.iter().flatten().next();
    container
        .and_then(|container| explain_container(container, events))
        .unwrap_or_else(|| Progress::Waiting(starting(events)))
}

/// Status and message of the condition of that type.
fn condition<'a>(status: &'a PodStatus, kind: &str) -> Option<(&'a str, &'a str)> {
    let mut conditions = status.conditions.iter().flatten();
    let condition = conditions.find(|condition| condition.type_ == kind)?;
    let message = condition.message.as_deref().unwrap_or("no node takes it");
    Some((&condition.status, message))
}

fn explain_container(container: &ContainerStatus, events: &[Event]) -> Option<Progress> {
    let state = container.state.as_ref()?;
    if let Some(end) = &state.terminated {
        return Some(Progress::Waiting(crash(container, end, events)));
    }
    let waiting = state.waiting.as_ref()?;
    let reason = waiting.reason.as_deref().unwrap_or("Waiting");
    let last_end = container.last_state.as_ref();
    Some(
        match (reason, last_end.and_then(|last| last.terminated.as_ref())) {
            ("CrashLoopBackOff", Some(end)) if container.restart_count >= FINAL_RESTARTS => {
                Progress::Failed(crash(container, end, events))
            }
            ("CrashLoopBackOff", Some(end)) => Progress::Waiting(crash(container, end, events)),
            ("ContainerCreating" | "PodInitializing", _) => Progress::Waiting(creating(events)),
            _ => {
                let message = waiting.message.as_deref().unwrap_or_default();
                Progress::Waiting(format!("{reason}: {}", innermost(message)))
            }
        },
    )
}

/// Without the names of the programs that handed the message through.
fn innermost(message: &str) -> &str {
    message
        .rsplit_once(" desc = ")
        .map_or(message, |(_, cause)| cause)
}

fn crash(container: &ContainerStatus, end: &ContainerStateTerminated, events: &[Event]) -> String {
    let restarts = match container.restart_count {
        0 => "not restarted yet".to_owned(),
        1 => "restarted once".to_owned(),
        count => format!("restarted {count} times"),
    };
    let probe = latest(events, "Killing").and_then(|_| latest(events, "Unhealthy"));
    match (end.reason.as_deref(), probe) {
        (Some("OOMKilled"), _) => format!("OOMKilled: more memory than its limit, {restarts}"),
        (_, Some(probe)) => format!("CrashLoopBackOff: {}, {restarts}", message(probe)),
        (_, None) => format!("CrashLoopBackOff: exit code {}, {restarts}", end.exit_code),
    }
}

/// What holds up a container that does not exist yet: told by the pod's latest event alone, since an older one may be
/// overcome.
fn creating(events: &[Event]) -> String {
    let latest = events.iter().max_by_key(|event| moment(event));
    match latest.map(|event| (event.reason.as_deref().unwrap_or_default(), event)) {
        Some((reason, event)) if reason.starts_with("Failed") => {
            format!("{reason}: {}", message(event))
        }
        Some(("Pulling", _)) => "the image is being pulled".into(),
        _ => "the container is being created".into(),
    }
}

/// The latest probe failure, or that the pod is starting.
fn starting(events: &[Event]) -> String {
    latest(events, "Unhealthy").map_or_else(|| "starting".into(), |event| message(event).into())
}

fn latest<'a>(events: &'a [Event], reason: &str) -> Option<&'a Event> {
    let of_reason = events
        .iter()
        .filter(|event| event.reason.as_deref() == Some(reason));
    of_reason.max_by_key(|event| moment(event))
}

fn moment(event: &Event) -> Option<jiff::Timestamp> {
    event.last_timestamp.as_ref().map(|time| time.0)
}

fn message(event: &Event) -> &str {
    event.message.as_deref().unwrap_or("no reason is given")
}

/// Why a ReplicaSet cannot create its pods: a quota or a policy refuses them. Its events tell it too, but stay for an
/// hour after the pods could be created.
pub fn explain_creation(set: &ReplicaSet) -> Option<String> {
    let conditions = set.status.as_ref()?.conditions.as_ref()?;
    conditions
        .iter()
        .find(|condition| condition.type_ == "ReplicaFailure" && condition.status == "True")
        .and_then(|condition| condition.message.clone())
}

/// A known kind of reason, and what to do about it.
#[derive(Debug)]
pub struct Trouble {
    /// Words that tell it.
    words: &'static [&'static str],
    /// Whether it may go away by itself at any time; if not, and it has stood for a while, waiting on is of no use.
    pub passes: bool,
    /// What to do.
    pub mend: &'static str,
}

/// What to do about pods that a quota or a policy refuses.
pub const MEND_CREATION: &str = "the message names the quota or policy that refuses the pods: ask for less in `[resources]`, or whoever set it for more";

const MEND_PROBE: &str = "give it more time with `[probes] startup.budget`, or mend what keeps it from answering: `kubectl logs` of the pod";

/// The first whose words occur decides.
const TROUBLES: [Trouble; 10] = [
    Trouble {
        words: &["persistentvolumeclaim", "PersistentVolumeClaim"],
        passes: false,
        mend: "mend the claim that `[model] source` names, or its name: `kubectl get pvc` shows the namespace's claims",
    },
    Trouble {
        words: &["Unschedulable"],
        passes: false,
        mend: "ask for less in `[resources]`, or give the cluster a node with room",
    },
    Trouble {
        words: &["ErrImagePull", "ImagePullBackOff", "InvalidImageName"],
        passes: false,
        mend: "push the image (`uninlu build --push`) or mend `[image]`; a registry that wants a login needs `[image] pull-secrets`",
    },
    Trouble {
        words: &["hostPath type check failed"],
        passes: false,
        mend: "put the model folder on every node, or mend the path in `[model] source`",
    },
    Trouble {
        words: &["FailedMount", "FailedAttachVolume"],
        passes: true,
        mend: "the message names the volume; the model's is `[model] source`",
    },
    Trouble {
        words: &["CreateContainer", "RunContainerError"],
        passes: false,
        mend: "the message names what the container lacks; the model folder is `[model] source`, the program the image's",
    },
    Trouble {
        words: &["OOMKilled"],
        passes: false,
        mend: "raise `[resources] memory.limit`",
    },
    Trouble {
        words: &["CrashLoopBackOff: Startup probe"],
        passes: false,
        mend: MEND_PROBE,
    },
    Trouble {
        words: &["CrashLoopBackOff"],
        passes: false,
        mend: "the server's last lines say why it ends; mend that",
    },
    Trouble {
        words: &["probe failed"],
        passes: true,
        mend: MEND_PROBE,
    },
];

/// The kind of a reason that [`explain`] gave; one kind may have several names, between which the kubelet alternates.
pub fn trouble(reason: &str) -> Option<&'static Trouble> {
    TROUBLES
        .iter()
        .find(|trouble| trouble.words.iter().any(|words| reason.contains(words)))
}
