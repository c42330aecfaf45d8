//! Why a pod is not ready: read from the pod and its events, since a Deployment's status does not tell.

use k8s_openapi::api::core::v1::{ContainerStatus, Event, Pod};

use super::Progress;

/// Restarts after which a crash loop counts as final: the kubelet's back-off is then a minute and growing.
const FINAL_RESTARTS: i32 = 3;

/// How far the pod is, and why. `events` are the pod's own.
///
/// A failure is final only where waiting cannot mend it; an unschedulable pod or an image that cannot be pulled is
/// told as a reason to wait, and the caller decides how long (see [`is_patience_worthless`]).
pub fn explain(pod: &Pod, events: &[Event]) -> Progress {
    let Some(status) = &pod.status else {
        return Progress::Waiting("not scheduled yet".into());
    };
    if let Some(condition) = status
        .conditions
        .iter()
        .flatten()
        .find(|condition| condition.type_ == "PodScheduled")
        && condition.status == "False"
    {
        let message = condition.message.as_deref().unwrap_or("no node takes it");
        return Progress::Waiting(format!("Unschedulable: {message}"));
    }
    let ready = status
        .conditions
        .iter()
        .flatten()
        .any(|condition| condition.type_ == "Ready" && condition.status == "True");
    if ready {
        return Progress::Ready;
    }
    let container = status.container_statuses.iter().flatten().next();
    container
        .and_then(explain_container)
        .unwrap_or_else(|| waiting_for_probe(events))
}

/// Whether a reason given by [`explain`] will hardly go away by itself, once it has stood for a while.
pub fn is_patience_worthless(reason: &str) -> bool {
    [
        "Unschedulable",
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "CreateContainerConfigError",
        "CrashLoopBackOff",
    ]
    .iter()
    .any(|known| reason.starts_with(known))
}

fn explain_container(container: &ContainerStatus) -> Option<Progress> {
    let waiting = container.state.as_ref()?.waiting.as_ref()?;
    let reason = waiting.reason.as_deref().unwrap_or("Waiting");
    let message = waiting.message.as_deref().unwrap_or_default();
    Some(match reason {
        "CrashLoopBackOff" if container.restart_count >= FINAL_RESTARTS => {
            Progress::Failed(crash(container))
        }
        "CrashLoopBackOff" => Progress::Waiting(crash(container)),
        "InvalidImageName" => Progress::Failed(format!("{reason}: {message}")),
        "ContainerCreating" | "PodInitializing" => {
            Progress::Waiting("the container is being created".into())
        }
        _ => Progress::Waiting(format!("{reason}: {message}")),
    })
}

fn crash(container: &ContainerStatus) -> String {
    let last = container
        .last_state
        .as_ref()
        .and_then(|state| state.terminated.as_ref());
    let how = match last {
        Some(end) if end.reason.as_deref() == Some("OOMKilled") => {
            "out of memory (raise [resources] memory.limit)".to_owned()
        }
        Some(end) => format!("exit code {}", end.exit_code),
        None => "no exit code known".to_owned(),
    };
    format!(
        "CrashLoopBackOff: {} restarts, {how}",
        container.restart_count
    )
}

/// The latest probe failure, or that the pod is starting.
fn waiting_for_probe(events: &[Event]) -> Progress {
    let message = events
        .iter()
        .filter(|event| event.reason.as_deref() == Some("Unhealthy"))
        .max_by_key(|event| event.last_timestamp.clone().map(|time| time.0))
        .and_then(|event| event.message.clone());
    Progress::Waiting(message.unwrap_or_else(|| "starting".into()))
}

/// Why a ReplicaSet cannot create its pods: quota and admission tell it only in its events.
pub fn explain_creation(replica_set_events: &[Event]) -> Option<String> {
    replica_set_events
        .iter()
        .filter(|event| event.reason.as_deref() == Some("FailedCreate"))
        .max_by_key(|event| event.last_timestamp.clone().map(|time| time.0))
        .and_then(|event| event.message.clone())
}
