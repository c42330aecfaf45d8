//! Why a pod is not ready: read from the pod and its events, since a Deployment's status does not tell.

use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::{
    ContainerStateTerminated, ContainerStatus, Event, Pod, PodCondition, PodStatus,
};

use serde_json::json;

use super::labels::CONTAINER;
use super::{Going, Progress};

/// Restarts after which a crash loop is final, also where each run outlives the back-off.
const FINAL_RESTARTS: i32 = 3;

/// How far the pod is, and why. `events` are the pod's own.
///
/// A failure is final only where waiting cannot fix it; an unschedulable pod or an image that cannot be pulled is
/// told as a reason to wait, and the caller decides how long (see [`trouble`]).
pub fn explain(pod: &Pod, events: &[Event]) -> Progress {
    // One that goes is ready until its container ends, and never ends on a node that does not answer.
    let going = serde_json::to_value(&pod.metadata).ok();
    let going = going.and_then(|metadata| Going::of(&json!({ "metadata": metadata })));
    if let Some(going) = going {
        return Progress::Waiting(going.words());
    }
    let Some(status) = &pod.status else {
        return Progress::Waiting("not scheduled yet".into());
    };
    if let Some(reason) = unscheduled(status) {
        return Progress::Waiting(reason);
    }
    if let Some(condition) = condition(status, "Ready")
        && condition.status == "True"
    {
        return Progress::Ready;
    }
    let first = status.init_container_statuses.iter().flatten();
    let first = first.filter(|container| !has_done_its_part(container));
    let containers = status.container_statuses.iter().flatten();
    let told = first
        .chain(containers)
        .filter_map(|container| explain_container(container, events));
    // Admission may add containers: the one that keeps the others waiting is told, not the first by its name.
    told.min_by_key(urgency)
        .unwrap_or_else(|| Progress::Waiting(starting(events)))
}

/// An init container that has ended well, or a sidecar that runs.
fn has_done_its_part(container: &ContainerStatus) -> bool {
    let ended = container
        .state
        .as_ref()
        .and_then(|it| it.terminated.as_ref());
    ended.is_some_and(|end| end.exit_code == 0)
}

fn urgency(progress: &Progress) -> u8 {
    match progress {
        Progress::Failed(_) => 0,
        Progress::Waiting(reason) if trouble(reason).is_some() => 1,
        _ => 2,
    }
}

/// `Unschedulable: 0/3 nodes are available: …`, or the scheduler's other reasons: `SchedulerError`, `SchedulingGated`
/// (`PodReason…` in k8s.io/api/core/v1). An error in a plugin is no word on nodes, whatever reason it comes with.
fn unscheduled(status: &PodStatus) -> Option<String> {
    let condition = condition(status, "PodScheduled").filter(|it| it.status == "False")?;
    let message = condition.message.as_deref().unwrap_or("no node takes it");
    let reason = match condition.reason.as_deref() {
        _ if SCHEDULER_ERRORS.iter().any(|words| message.contains(words)) => SCHEDULER_ERROR,
        Some(reason) if !reason.is_empty() => reason,
        _ => UNSCHEDULABLE,
    };
    Some(format!("{reason}: {message}"))
}

/// Why the condition `PodScheduled` is false.
const UNSCHEDULABLE: &str = "Unschedulable";
const SCHEDULER_ERROR: &str = "SchedulerError";

/// How the scheduler words what it tries again by itself (its framework's `runtime` and `volumebinding` packages).
const SCHEDULER_ERRORS: [&str; 5] = [
    "running PreFilter plugin",
    "running PreBind plugin",
    "running \"VolumeBinding\"",
    "binding volumes:",
    "timed out waiting for the condition",
];

fn condition<'a>(status: &'a PodStatus, kind: &str) -> Option<&'a PodCondition> {
    let mut conditions = status.conditions.iter().flatten();
    conditions.find(|condition| condition.type_ == kind)
}

/// Whether a node will come for a pod that none has room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Supply {
    /// Something brings one, or makes room.
    Coming,
    /// Nothing is known of it.
    Possible,
    /// The cluster autoscaler adds none for this pod.
    Refused,
}

/// What the pod and its own events say of a node for it; an autoscaler's latest word counts.
///
/// `TriggeredScaleUp` and `NotTriggerScaleUp` are the cluster autoscaler's, `Nominated` is Karpenter's. A claim whose
/// volume waits for the pod (`WaitForFirstConsumer`) may bring its node too.
pub fn supply(pod: &Pod, events: &[Event], of_claims: &[Event]) -> Supply {
    let status = pod.status.as_ref();
    if status.is_some_and(|status| status.nominated_node_name.is_some()) {
        return Supply::Coming;
    }
    let words = events
        .iter()
        .filter_map(|event| Some((moment(event), supply_of(event)?)));
    let latest = words.max_by_key(|(moment, supply)| (*moment, *supply == Supply::Coming));
    match latest {
        Some((_, supply)) => supply,
        None if waits_for_volume(pod, of_claims) => Supply::Coming,
        None => Supply::Possible,
    }
}

fn supply_of(event: &Event) -> Option<Supply> {
    match event.reason.as_deref()? {
        "TriggeredScaleUp" | "Nominated" => Some(Supply::Coming),
        NOT_TRIGGERED if PASSING.iter().any(|words| message(event).contains(words)) => {
            Some(Supply::Possible)
        }
        NOT_TRIGGERED => Some(Supply::Refused),
        _ => None,
    }
}

const NOT_TRIGGERED: &str = "NotTriggerScaleUp";

/// Whether the event ends the wait for a node: one from before the wait may be about a cluster that is changed since.
pub fn refuses_node(event: &Event) -> bool {
    supply_of(event) == Some(Supply::Refused)
}

/// Node groups that the cluster autoscaler leaves out for now (its `skippedReasons`).
const PASSING: [&str; 2] = ["in backoff after failed scale-up", "not ready for scale-up"];

/// Whether a claim of the pod said, since the pod exists, that its volume is made where the pod goes.
fn waits_for_volume(pod: &Pod, of_claims: &[Event]) -> bool {
    let volumes = pod
        .spec
        .iter()
        .flat_map(|spec| spec.volumes.iter().flatten());
    let claims: Vec<&str> = volumes
        .filter_map(|volume| volume.persistent_volume_claim.as_ref())
        .map(|claim| claim.claim_name.as_str())
        .collect();
    let since = pod.metadata.creation_timestamp.as_ref().map(|time| time.0);
    of_claims.iter().any(|event| {
        let object = &event.involved_object;
        event.reason.as_deref() == Some("WaitForFirstConsumer")
            && object.kind.as_deref() == Some("PersistentVolumeClaim")
            && claims.contains(&object.name.as_deref().unwrap_or_default())
            && moment(event) >= since
    })
}

/// The server's without its name: it is the pod's reason to be.
fn explain_container(container: &ContainerStatus, events: &[Event]) -> Option<Progress> {
    let progress = explain_state(container, events)?;
    let named = |reason: String| match &*container.name {
        "" | CONTAINER => reason,
        name if trouble(&reason).is_some() => format!("container {name}: {reason}"),
        _ => reason,
    };
    Some(match progress {
        Progress::Ready => Progress::Ready,
        Progress::Waiting(reason) => Progress::Waiting(named(reason)),
        Progress::Failed(reason) => Progress::Failed(named(reason)),
    })
}

fn explain_state(container: &ContainerStatus, events: &[Event]) -> Option<Progress> {
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

/// When it was last seen: clients of `events.k8s.io` (the scheduler) write other fields than those of the core group.
fn moment(event: &Event) -> Option<jiff::Timestamp> {
    let series = event.series.as_ref();
    let repeated = series.and_then(|series| series.last_observed_time.as_ref());
    let times = [
        event.last_timestamp.as_ref().map(|time| time.0),
        repeated.map(|time| time.0),
        event.event_time.as_ref().map(|time| time.0),
    ];
    let known = times.into_iter().flatten().max();
    known.or_else(|| {
        event
            .metadata
            .creation_timestamp
            .as_ref()
            .map(|time| time.0)
    })
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

/// Seconds between two looks of a probe that does not say it, as Kubernetes has it.
pub const PROBE_PERIOD: u32 = 10;
/// Failures in a row until such a probe counts as failed.
pub const PROBE_FAILURES: u32 = 3;
/// Seconds until such a probe's look counts as failed.
pub const PROBE_TIMEOUT: u32 = 1;

/// A known kind of reason, and what to do about it.
#[derive(Debug)]
pub struct Trouble {
    /// Words that tell it.
    words: &'static [&'static str],
    /// Whether it may go away by itself at any time; if not, and it has stood for a while, waiting on is of no use.
    pub passes: bool,
    /// What to do.
    pub fix: &'static str,
}

/// What to do about pods that a quota or a policy refuses.
pub const FIX_CREATION: &str = "the message names the quota or policy that refuses the pods: ask for less in `[resources]`, or the cluster's administrators for more";

/// The words of Kubernetes' LimitRanger (`plugin/pkg/admission/limitranger`) begin a clause with these.
const LIMIT_RANGES: [&str; 3] = ["minimum ", "maximum ", "max limit to request ratio per "];

/// What to do about pods that a LimitRange refuses.
const FIX_LIMITS: &str = "a LimitRange of the namespace sets these bounds (`kubectl get limitrange -o yaml`): set requests and limits in `[resources]` within them";

/// What to do about pods that the API server refuses with that message.
pub fn fix_creation(message: &str) -> &'static str {
    let is_limit = LIMIT_RANGES.iter().any(|words| message.contains(words))
        && [" per Container ", " per Pod "]
            .iter()
            .any(|words| message.contains(words));
    if is_limit { FIX_LIMITS } else { FIX_CREATION }
}

/// What to do about a pod that has no room only because an old one still runs.
pub const FIX_SURGE: &str = "the new pod has no room beside the old ones: `[rollout] max-surge = 0, max-unavailable = 1` stops an old pod first and puts the new one in its place (with one pod that is an outage meanwhile); or ask for less in `[resources]`, or give the cluster a node with room";

/// What to do where the cluster autoscaler adds no node.
pub const FIX_REFUSED: &str = "the cluster autoscaler adds no node for it (its event NotTriggerScaleUp says why): ask for less in `[resources]`, raise a node group's maximum, or give the cluster a node with room";

const FIX_NODE: &str = "ask for less in `[resources]`, or give the cluster a node with room";

const FIX_PROBE: &str = "give it more time with `[probes] startup.budget`, or fix what keeps it from answering: `kubectl logs` of the pod";

/// The first whose words occur decides.
const TROUBLES: [Trouble; 13] = [
    Trouble {
        words: &["SchedulerError"],
        passes: true,
        fix: "the scheduler tries again by itself; its message names the volume or the plugin that it waits for",
    },
    Trouble {
        words: &["SchedulingGated"],
        passes: true,
        fix: "the pod's `schedulingGates` name the controller that must let it go: look at that one",
    },
    Trouble {
        words: &["unbound immediate PersistentVolumeClaims"],
        passes: true,
        fix: "the claim that `[model] source` names has no volume yet: `kubectl describe pvc` says what it waits for",
    },
    Trouble {
        words: &["persistentvolumeclaim", "PersistentVolumeClaim"],
        passes: false,
        fix: "fix the claim that `[model] source` names, or its name: `kubectl get pvc` shows the namespace's claims",
    },
    Trouble {
        words: &[UNSCHEDULABLE],
        passes: false,
        fix: FIX_NODE,
    },
    Trouble {
        words: &["ErrImagePull", "ImagePullBackOff", "InvalidImageName"],
        passes: false,
        fix: "push the image (`uninlu build --push`) or fix `[image]`; a registry that requires a login needs `[image] pull-secrets`",
    },
    Trouble {
        words: &["hostPath type check failed"],
        passes: false,
        fix: "put the model folder on every node, or fix the path in `[model] source`",
    },
    Trouble {
        words: &["FailedMount", "FailedAttachVolume"],
        passes: true,
        fix: "the message names the volume; the model's is `[model] source`",
    },
    Trouble {
        words: &["CreateContainer", "RunContainerError"],
        passes: false,
        fix: "the message names what the container lacks; the model folder is `[model] source`, the program the image's",
    },
    Trouble {
        words: &["OOMKilled"],
        passes: false,
        fix: "raise `[resources] memory.limit`",
    },
    Trouble {
        words: &["CrashLoopBackOff: Startup probe"],
        passes: false,
        fix: FIX_PROBE,
    },
    Trouble {
        words: &["CrashLoopBackOff"],
        passes: false,
        fix: "the server's last lines say why it ends; fix that",
    },
    Trouble {
        words: &["probe failed"],
        passes: true,
        fix: FIX_PROBE,
    },
];

/// Whether [`explain`] says that no node takes the pod, and a further node might.
pub fn lacks_node(reason: &str) -> bool {
    reason.starts_with(UNSCHEDULABLE) && trouble(reason).is_some_and(|it| it.fix == FIX_NODE)
}

/// Whether it is room that the nodes lack, and not only a node that takes the pod.
pub fn lacks_room(reason: &str) -> bool {
    lacks_node(reason) && (reason.contains("Insufficient ") || reason.contains("Too many pods"))
}

/// The kind of a reason that [`explain`] gave; one kind may have several names, between which the kubelet alternates.
pub fn trouble(reason: &str) -> Option<&'static Trouble> {
    TROUBLES
        .iter()
        .find(|trouble| trouble.words.iter().any(|words| reason.contains(words)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn a_pod_that_goes_is_not_ready() {
        let pod = json!({ "metadata": { "deletionTimestamp": "2026-11-29T10:00:00Z", "finalizers": ["a/b"] },
            "status": { "conditions": [{ "type": "Ready", "status": "True" }] } });
        let words = "is being deleted since 2026-11-29T10:00:00Z, held by finalizer a/b";
        let pod = serde_json::from_value(pod).expect("a pod");
        assert_eq!(explain(&pod, &[]), Progress::Waiting(words.into()));
    }

    fn told(first: &[Value], containers: &[Value]) -> Progress {
        let pod = json!({ "status": { "initContainerStatuses": first, "containerStatuses": containers } });
        explain(&serde_json::from_value(pod).expect("a pod"), &[])
    }

    fn container(name: &str, state: Value, restarts: u8) -> Value {
        json!({ "name": name, "image": "i", "imageID": "", "ready": false, "restartCount": restarts, "state": state,
            "lastState": { "terminated": { "exitCode": 3 } } })
    }

    fn waiting(name: &str, reason: &str) -> Value {
        container(name, json!({ "waiting": { "reason": reason } }), 4)
    }

    /// A mesh's sidecar comes first by its name and runs; its init container ends before all others begin.
    #[test]
    fn the_container_that_keeps_the_pod_is_told_whichever_it_is() {
        let running = container("istio-proxy", json!({ "running": {} }), 0);
        let ended = container("istio-init", json!({ "terminated": { "exitCode": 0 } }), 0);
        let crash = "CrashLoopBackOff: exit code 3, restarted 4 times";
        let server = [running, waiting("server", "CrashLoopBackOff")];
        assert_eq!(told(&[], &server), Progress::Failed(crash.into()));
        assert_eq!(
            told(std::slice::from_ref(&ended), &server),
            Progress::Failed(crash.into())
        );
        let blocked = [
            waiting("istio-proxy", "PodInitializing"),
            waiting("server", "PodInitializing"),
        ];
        let first = [waiting("istio-init", "CrashLoopBackOff")];
        assert_eq!(
            told(&first, &blocked),
            Progress::Failed(format!("container istio-init: {crash}"))
        );
        let first = [
            ended.clone(),
            waiting("vault-agent-init", "ImagePullBackOff"),
        ];
        let Progress::Waiting(reason) = told(&first, &blocked) else {
            panic!("it may come yet")
        };
        assert!(
            reason.starts_with("container vault-agent-init: ImagePullBackOff"),
            "{reason}"
        );
        let created = Progress::Waiting("the container is being created".into());
        assert_eq!(told(&[ended], &blocked), created);
    }
}
