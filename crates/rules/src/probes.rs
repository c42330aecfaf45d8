//! Whether the kubelet learns the truth about a pod, in time.

use serde_json::Value;
use uninlu_objects::pod::{PROBE_FAILURES, PROBE_PERIOD, PROBE_TIMEOUT};

use super::resources::NO_PROFILE;
use super::running::container;
use super::{Check, Pod, Rule, Spot, Subject, Verdict};

pub(super) const RULES: [Rule; 7] = [
    Rule {
        id: "startup-budget",
        aliases: &["start-up"],
        title: "the startup budget is longer than the start",
        why: "the kubelet ends the pod before it is ready, again and again",
        fix: "raise `startup.budget`, with room for a slower node, or give the pods more CPU; the log of a start shows what took long",
        keys: &["probes.startup.budget", "probes.startup"],
        checks: &[
            Check::Planned(startup_budget),
            Check::Settling(container::start_up),
        ],
        ..Rule::ERROR
    },
    Rule {
        id: "startup-probe",
        aliases: &["initial-delay-for-startup", "no-startup-guard"],
        title: "a startup probe guards the model's load",
        why: "an initial delay is a guess: too long where the model loads fast, and where it loads slowly the liveness probe kills the pod while it loads, again and again",
        fix: "give the container a startupProbe (`[probes] startup = { period = …, budget = … }`), and the others no initialDelaySeconds",
        keys: &["probes.startup"],
        checks: &[Check::Pod(startup_probe)],
        ..Rule::WARNING
    },
    Rule {
        id: "liveness-before-readiness",
        title: "a pod is taken out of service before it is restarted",
        why: "a pod that is slow for a moment should get fewer requests, not lose its model and all that it was answering",
        fix: "let liveness fail later: a longer `period`, or more `failures`",
        keys: &[
            "probes.liveness.period",
            "probes.liveness.failures",
            "probes.liveness",
            "probes.readiness",
        ],
        checks: &[Check::Pod(liveness_before_readiness)],
        ..Rule::WARNING
    },
    Rule {
        id: "probes-identical",
        title: "liveness and readiness ask different questions",
        why: "a server that is only busy or not ready yet fails its liveness probe too and is killed, while the others get its load",
        fix: "liveness asks whether the process lives (/health), readiness whether it can answer (/ready)",
        keys: &["probes"],
        checks: &[Check::Pod(identical)],
        ..Rule::WARNING
    },
    Rule {
        id: "probe-missing",
        title: "the server has a liveness and a readiness probe",
        why: "without a readiness probe a pod gets requests before its model is loaded; without a liveness probe one that hangs stays",
        fix: "give the container both; a stack has all three probes",
        keys: &["probes"],
        checks: &[Check::Pod(missing)],
        ..Rule::WARNING
    },
    Rule {
        id: "probe-timeout",
        title: "no probe's timeout is longer than its period",
        why: "probes of a pod in trouble pile up on it",
        fix: "shorten the timeout or lengthen the period",
        keys: &["probes"],
        checks: &[Check::Pod(timeout)],
        ..Rule::WARNING
    },
    Rule {
        id: "probe-port",
        title: "each probe asks a port that the container has",
        why: "the probe never succeeds: no pod becomes ready, or all are restarted for ever",
        fix: "name a port that the container has",
        checks: &[Check::Pod(port)],
        ..Rule::ERROR
    },
];

const PROBES: [&str; 3] = ["startupProbe", "livenessProbe", "readinessProbe"];

/// A probe's number, or Kubernetes' default.
fn number(probe: &Value, key: &str) -> u64 {
    let default = match key {
        "periodSeconds" => PROBE_PERIOD,
        "failureThreshold" => PROBE_FAILURES,
        "timeoutSeconds" => PROBE_TIMEOUT,
        _ => 0,
    };
    probe[key].as_u64().unwrap_or(default.into())
}

/// Seconds of failing until the probe counts as failed.
fn patience(probe: &Value) -> u64 {
    number(probe, "periodSeconds") * number(probe, "failureThreshold")
}

/// A probe of the server; null where there is none.
fn probe<'a>(pod: &Pod<'a>, probe: &str) -> &'a Value {
    let pointer = pod.in_container(&format!("/{probe}"));
    pod.object.pointer(&pointer).unwrap_or(&Value::Null)
}

/// At a field of the server.
fn at_server<'a>(pod: &Pod<'a>, field: &str, what: impl Into<String>) -> Spot<'a> {
    Spot::at(pod.object, &pod.in_container(field), what)
}

fn startup_budget(subject: &Subject) -> Verdict {
    let pod = subject.pod();
    let probe = probe(&pod, "startupProbe");
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

fn startup_probe<'a>(pod: &Pod<'a>) -> Vec<Spot<'a>> {
    let mut spots = Vec::new();
    let liveness = probe(pod, "livenessProbe");
    let delay = |name: &str| number(probe(pod, name), "initialDelaySeconds");
    if probe(pod, "startupProbe").is_null() {
        let what = match liveness.is_object() {
            true => format!(
                "there is no startupProbe, and liveness kills after {} s",
                delay("livenessProbe") + patience(liveness)
            ),
            false => "there is no startupProbe".to_owned(),
        };
        spots.push(at_server(pod, "/livenessProbe", what));
    }
    for name in PROBES.into_iter().filter(|name| delay(name) > 0) {
        let what = format!("the {name} waits for an initial delay of {} s", delay(name));
        spots.push(at_server(
            pod,
            &format!("/{name}/initialDelaySeconds"),
            what,
        ));
    }
    spots
}

fn liveness_before_readiness<'a>(pod: &Pod<'a>) -> Vec<Spot<'a>> {
    let (liveness, readiness) = (probe(pod, "livenessProbe"), probe(pod, "readinessProbe"));
    let (restarts, leaves) = (patience(liveness), patience(readiness));
    let what = match readiness.is_null() {
        true => {
            format!("a failing pod is restarted after {restarts} s, and never taken out of service")
        }
        false => format!(
            "a failing pod is restarted after {restarts} s, and taken out of service after {leaves} s"
        ),
    };
    let is_early = liveness.is_object() && (readiness.is_null() || restarts <= leaves);
    let pointer = pod.in_container("/livenessProbe");
    Spot::when(is_early, pod.object, &pointer, what)
}

fn identical<'a>(pod: &Pod<'a>) -> Vec<Spot<'a>> {
    let action = |name: &str| {
        let probe = probe(pod, name);
        let mut kinds = ["httpGet", "tcpSocket", "exec", "grpc"].into_iter();
        kinds.find_map(|kind| Some((kind, Some(&probe[kind]).filter(|it| !it.is_null())?)))
    };
    match (action("livenessProbe"), action("readinessProbe")) {
        (Some(live), Some(ready)) if live == ready => {
            let path = live.1["path"].as_str();
            let asked = path.map_or(live.0.to_owned(), |path| format!("`{path}`"));
            let what = format!("liveness and readiness both ask {asked}");
            vec![at_server(pod, "/readinessProbe", what)]
        }
        _ => Vec::new(),
    }
}

fn missing<'a>(pod: &Pod<'a>) -> Vec<Spot<'a>> {
    let names = ["livenessProbe", "readinessProbe"].into_iter();
    names
        .filter(|name| probe(pod, name).is_null())
        .map(|name| at_server(pod, "", format!("there is no `{name}`")))
        .collect()
}

fn timeout<'a>(pod: &Pod<'a>) -> Vec<Spot<'a>> {
    Spot::in_containers(pod, |at, container| {
        probes(at, container).filter_map(|(pointer, name, probe)| {
            let (timeout, period) = (
                number(probe, "timeoutSeconds"),
                number(probe, "periodSeconds"),
            );
            let what = format!(
                "has a {name} whose timeout of {timeout} s is longer than its period of {period} s"
            );
            (timeout > period).then(|| (format!("{pointer}/timeoutSeconds"), what))
        })
    })
}

fn port<'a>(pod: &Pod<'a>) -> Vec<Spot<'a>> {
    Spot::in_containers(pod, |at, container| {
        let ports = container["ports"].as_array().into_iter().flatten();
        let names: Vec<&Value> = ports.map(|port| &port["name"]).collect();
        probes(at, container).filter_map(move |(pointer, name, probe)| {
            // A number may be open without a name.
            let port = probe["httpGet"]["port"].as_str()?;
            let what =
                format!("has a {name} that asks the port \"{port}\", which it does not have");
            let is_known = names.iter().any(|known| *known == port);
            (!is_known).then(|| (format!("{pointer}/httpGet/port"), what))
        })
    })
}

/// The probes of a container: pointer, name and body of each.
fn probes<'a>(
    at: &str,
    container: &'a Value,
) -> impl Iterator<Item = (String, &'static str, &'a Value)> + use<'a> {
    let probes = PROBES.map(|name| (format!("{at}/{name}"), name, &container[name]));
    probes.into_iter().filter(|(.., probe)| probe.is_object())
}
