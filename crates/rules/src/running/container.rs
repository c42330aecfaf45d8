//! What the kernel and the kubelet report of a running container.

use uninlu_objects::{CONTAINER, USER};
use uninlu_stack::{Stack, StartupProbe};

use super::look::{each_pod, holds};
use super::{Facts, Inspection, Look, PodFacts};

/// Read-only file system.
const EROFS: i32 = 30;
const INSPECT: &str = "uninlu-server inspect";

pub(crate) fn start_up(stack: &Stack, facts: &Facts) -> Look {
    let probe = &stack.probes.startup;
    each_pod(facts, "status", |pod| started_within(probe, pod))
}

fn started_within(probe: &StartupProbe, pod: &PodFacts) -> Result<String, String> {
    let status = pod.pod.status.as_ref().ok_or("it has no status")?;
    let mut containers = status.container_statuses.iter().flatten();
    let container = containers
        .find(|container| container.name == CONTAINER)
        .ok_or("its container has no status")?;
    let state = container.state.as_ref();
    let started = state
        .and_then(|state| state.running.as_ref()?.started_at.as_ref())
        .ok_or("its container does not run")?;
    let mut conditions = status.conditions.iter().flatten();
    let ready = conditions
        .find(|condition| condition.type_ == "Ready" && condition.status == "True")
        .and_then(|condition| condition.last_transition_time.as_ref())
        .ok_or("it is not ready")?;
    let took = (ready.0 - started.0).get_seconds();
    let budget = i64::from(probe.budget.seconds);
    let restarts = match container.restart_count {
        0 => String::new(),
        1 => ", after 1 restart".into(),
        count => format!(", after {count} restarts"),
    };
    let seen = format!(
        "ready {took} s after its container's start{restarts}, the budget is {} s",
        budget
    );
    // The kubelet restarts what the startup probe gives up on, so a much later time is not the start's: the pod was
    // unready in between.
    let margin = i64::from(2 * probe.period.seconds + probe.timeout.seconds);
    let given_up = i64::from(probe.failure_threshold() * probe.period.seconds) + margin;
    if took > given_up && container.started == Some(true) {
        return Ok(format!(
            "its startup probe passed, which ends after {budget} s{restarts}; it was unready later, and is ready again since {}",
            ready.0
        ));
    }
    holds(took <= budget, seen)
}

pub(crate) fn user(_: &Stack, facts: &Facts) -> Look {
    inspected(facts, |inspection| {
        let server = inspection.server();
        let seen = format!(
            "process {} has uid {}, gid {}",
            server.pid, server.uid, server.gid
        );
        holds((server.uid, server.gid) == (USER, USER), seen)
    })
}

pub(crate) fn read_only_root(_: &Stack, facts: &Facts) -> Look {
    inspected(facts, |inspection| {
        let root = &inspection.root;
        let words = match &root.error {
            Some(error) => error.clone(),
            None => "it was created".into(),
        };
        let seen = format!("creating {}: {words}", root.path);
        // EACCES would say that this user may not, and nothing of the file system.
        holds(!root.created && root.errno == Some(EROFS), seen)
    })
}

pub(crate) fn capabilities(_: &Stack, facts: &Facts) -> Look {
    inspected(facts, |inspection| {
        let server = inspection.server();
        let masks = &server.capabilities;
        let seen = format!(
            "CapEff {}, CapPrm {}, CapBnd {}, NoNewPrivs {}",
            masks.effective,
            masks.permitted,
            masks.bounding,
            u8::from(server.no_new_privs)
        );
        let all = [&masks.effective, &masks.permitted, &masks.bounding];
        let is_none = |mask: &&String| u64::from_str_radix(mask, 16) == Ok(0);
        holds(server.no_new_privs && all.iter().all(is_none), seen)
    })
}

pub(crate) fn seccomp(_: &Stack, facts: &Facts) -> Look {
    inspected(facts, |inspection| {
        let mode = inspection.server().seccomp;
        let word = match mode {
            0 => "off",
            1 => "strict",
            2 => "a filter",
            _ => "unknown",
        };
        holds(mode > 0, format!("mode {mode} ({word})"))
    })
}

fn inspected(facts: &Facts, look: impl Fn(&Inspection) -> Result<String, String>) -> Look {
    each_pod(facts, INSPECT, |pod| {
        look(pod.inspection.as_ref().map_err(Clone::clone)?)
    })
}
