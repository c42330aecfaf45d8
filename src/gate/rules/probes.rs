//! Whether the kubelet learns the truth about a pod, in time.

use serde_json::Value;

use super::NO_PROFILE;
use crate::gate::subject::name;
use crate::gate::{Rule, Severity, Subject, Verdict};

pub(super) const RULES: [Rule; 4] = [
    Rule {
        id: "startup-budget",
        severity: Severity::Error,
        title: "the startup budget is longer than the start",
        why: "the kubelet ends the pod before it is ready, again and again",
        mend: "raise `startup.budget`, with room for a slower node",
        keys: &["probes.startup.budget", "probes.startup"],
        check: startup_budget,
    },
    Rule {
        id: "startup-probe",
        severity: Severity::Warning,
        title: "a startup probe guards the model's load",
        why: "an initial delay instead is slow when the model is fast, and deadly when it is slow",
        mend: "give the container a startupProbe, and the others no initialDelaySeconds",
        keys: &["probes.startup"],
        check: startup_probe,
    },
    Rule {
        id: "liveness-before-readiness",
        severity: Severity::Warning,
        title: "a pod is taken out of service before it is restarted",
        why: "a pod that is slow for a moment should get fewer requests, not lose its model and all that it was answering",
        mend: "let liveness fail later: a longer `period`, or more `failures`",
        keys: &[
            "probes.liveness.period",
            "probes.liveness.failures",
            "probes.liveness",
            "probes.readiness",
        ],
        check: liveness_before_readiness,
    },
    Rule {
        id: "probe-timeout",
        severity: Severity::Warning,
        title: "no probe's timeout is longer than its period",
        why: "probes of a pod in trouble pile up on it",
        mend: "shorten the timeout or lengthen the period",
        keys: &["probes"],
        check: probe_timeout,
    },
];

const PROBES: [&str; 3] = ["startupProbe", "livenessProbe", "readinessProbe"];

/// A probe's number, or Kubernetes' default.
fn number(probe: &Value, key: &str) -> u64 {
    let default = match key {
        "periodSeconds" => 10,
        "failureThreshold" => 3,
        "timeoutSeconds" => 1,
        _ => 0,
    };
    probe[key].as_u64().unwrap_or(default)
}

/// Seconds of failing until the probe counts as failed.
fn patience(probe: &Value) -> u64 {
    number(probe, "periodSeconds") * number(probe, "failureThreshold")
}

fn startup_budget(subject: &Subject) -> Verdict {
    let probe = &subject.server()["startupProbe"];
    if probe.is_null() {
        return Verdict::default();
    }
    let Some(profile) = &subject.facts.profile else {
        return Verdict::unknown(NO_PROFILE);
    };
    let budget = number(probe, "initialDelaySeconds") + patience(probe);
    (profile.startup >= budget as f64)
        .then(|| {
            format!(
                "the budget is {budget} s, and a start of {:.1} s was measured",
                profile.startup
            )
        })
        .into()
}

fn startup_probe(subject: &Subject) -> Verdict {
    let server = subject.server();
    let delayed = PROBES
        .into_iter()
        .filter(|probe| number(&server[*probe], "initialDelaySeconds") > 0)
        .map(|probe| format!("the {probe} waits for an initial delay"));
    let missing = server["startupProbe"]
        .is_null()
        .then(|| "there is no startupProbe".to_owned());
    missing.into_iter().chain(delayed).collect()
}

fn liveness_before_readiness(subject: &Subject) -> Verdict {
    let server = subject.server();
    let (liveness, readiness) = (&server["livenessProbe"], &server["readinessProbe"]);
    let (restarts, leaves) = (patience(liveness), patience(readiness));
    (liveness.is_object() && (readiness.is_null() || restarts <= leaves))
        .then(|| format!("a failing pod is restarted after {restarts} s, and taken out of service after {leaves} s"))
        .into()
}

fn probe_timeout(subject: &Subject) -> Verdict {
    let mut found = Vec::new();
    for container in subject.containers() {
        for probe in PROBES
            .into_iter()
            .filter(|probe| container[*probe].is_object())
        {
            let (timeout, period) = (
                number(&container[probe], "timeoutSeconds"),
                number(&container[probe], "periodSeconds"),
            );
            if timeout > period {
                let name = name(container);
                found.push(format!(
                    "container `{name}`: the {probe}'s timeout of {timeout} s is longer than its period of {period} s"
                ));
            }
        }
    }
    found.into_iter().collect()
}
