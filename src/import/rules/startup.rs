//! Probes, and how long the model may load.

use super::{Rule, Spot};
use crate::gate::Severity;
use crate::import::view::View;

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "initial-delay-for-startup",
        severity: Severity::Warning,
        why: "a delay guesses how long the model loads: too long where it loads fast (nobody is served until it is over), deadly where it loads slowly (the liveness probe kills the pod while it loads, again and again)",
        mend: "a startup probe ends as soon as the model is loaded, and has a budget for when it is slow: `[probes] startup = { period = …, budget = … }`",
        find: initial_delay,
    },
    Rule {
        id: "no-startup-guard",
        severity: Severity::Warning,
        why: "the liveness probe counts from the first second: a model that loads longer than period × failures is killed while it loads, again and again",
        mend: "a startup probe with a budget: `[probes] startup = { budget = \"90s\" }`",
        find: no_guard,
    },
    Rule {
        id: "probes-identical",
        severity: Severity::Warning,
        why: "a server that is only busy or not ready yet fails its liveness probe too and is killed, while the others get its load",
        mend: "liveness asks whether the process lives (/health), readiness whether it can answer (/ready)",
        find: identical,
    },
    Rule {
        id: "probe-missing",
        severity: Severity::Warning,
        why: "without a readiness probe a pod gets requests before its model is loaded; without a liveness probe one that hangs stays",
        mend: "the stack has all three probes",
        find: missing,
    },
    Rule {
        id: "probe-timeout",
        severity: Severity::Warning,
        why: "probes pile up: the next one begins before the last one was given up",
        mend: "keep the timeout at or below the period; the stack refuses it otherwise",
        find: timeout,
    },
    Rule {
        id: "probe-port",
        severity: Severity::Error,
        why: "the probe never succeeds: no pod becomes ready, or all are restarted for ever",
        mend: "name a port that the container has",
        find: port,
    },
];

/// The probes that guess when the model is loaded.
const PROBES: [&str; 2] = ["livenessProbe", "readinessProbe"];

fn has_startup(view: &View<'_>) -> bool {
    view.deployment
        .at(&view.in_container("/startupProbe"))
        .is_some()
}

fn initial_delay(view: &View<'_>) -> Vec<Spot> {
    PROBES
        .iter()
        .filter_map(|probe| {
            let pointer = view.in_container(&format!("/{probe}/initialDelaySeconds"));
            let delay = view.deployment.int(&pointer).filter(|delay| *delay > 0)?;
            let what = match has_startup(view) {
                true => format!(
                    "`{probe}.initialDelaySeconds: {delay}` comes on top of the startup probe"
                ),
                false => {
                    format!("`{probe}.initialDelaySeconds: {delay}` stands for a startup probe")
                }
            };
            Some(Spot::at(view.deployment, &pointer, what))
        })
        .collect()
}

fn no_guard(view: &View<'_>) -> Vec<Spot> {
    let liveness = view.in_container("/livenessProbe");
    let is_delayed = view
        .deployment
        .int(&format!("{liveness}/initialDelaySeconds"))
        .unwrap_or(0)
        > 0;
    if view.deployment.at(&liveness).is_none() || has_startup(view) || is_delayed {
        return Vec::new();
    }
    let number = |field: &str, default| {
        view.deployment
            .int(&format!("{liveness}/{field}"))
            .unwrap_or(default)
    };
    let (period, failures) = (number("periodSeconds", 10), number("failureThreshold", 3));
    let what = format!(
        "no startup probe, and liveness kills after {} s",
        period * failures
    );
    vec![Spot::at(view.deployment, &liveness, what)]
}

fn identical(view: &View<'_>) -> Vec<Spot> {
    let [liveness, readiness] = PROBES.map(|probe| view.in_container(&format!("/{probe}")));
    let action = |pointer: &str| {
        ["httpGet", "tcpSocket", "exec", "grpc"]
            .into_iter()
            .find_map(|kind| {
                view.deployment
                    .at(&format!("{pointer}/{kind}"))
                    .map(|action| (kind, action))
            })
    };
    match (action(&liveness), action(&readiness)) {
        (Some(live), Some(ready)) if live == ready => {
            let asked = live.1["path"]
                .as_str()
                .map_or(live.0.to_owned(), |path| format!("`{path}`"));
            vec![Spot::at(
                view.deployment,
                &readiness,
                format!("liveness and readiness both ask {asked}"),
            )]
        }
        _ => Vec::new(),
    }
}

fn missing(view: &View<'_>) -> Vec<Spot> {
    PROBES
        .iter()
        .filter(|probe| {
            view.deployment
                .at(&view.in_container(&format!("/{probe}")))
                .is_none()
        })
        .map(|probe| {
            Spot::at(
                view.deployment,
                &view.container,
                format!("there is no `{probe}`"),
            )
        })
        .collect()
}

fn timeout(view: &View<'_>) -> Vec<Spot> {
    ["livenessProbe", "readinessProbe", "startupProbe"]
        .iter()
        .filter_map(|probe| {
            let pointer = view.in_container(&format!("/{probe}"));
            let timeout = view.deployment.int(&format!("{pointer}/timeoutSeconds"))?;
            let period = view
                .deployment
                .int(&format!("{pointer}/periodSeconds"))
                .unwrap_or(10);
            let what = format!("`{probe}`: a timeout of {timeout} s, a period of {period} s");
            (timeout > period)
                .then(|| Spot::at(view.deployment, &format!("{pointer}/timeoutSeconds"), what))
        })
        .collect()
}

fn port(view: &View<'_>) -> Vec<Spot> {
    let ports = view.deployment.items(&view.in_container("/ports"));
    let is_known = |port: &serde_json::Value| match port.as_str() {
        Some(name) => ports.iter().any(|(_, known)| known["name"] == name),
        // A number may be open without being named.
        None => true,
    };
    ["livenessProbe", "readinessProbe", "startupProbe"]
        .iter()
        .filter_map(|probe| {
            let pointer = view.in_container(&format!("/{probe}/httpGet/port"));
            let port = view
                .deployment
                .at(&pointer)
                .filter(|port| !is_known(port))?;
            Some(Spot::at(
                view.deployment,
                &pointer,
                format!("`{probe}` asks the port {port}, which the container has not"),
            ))
        })
        .collect()
}
