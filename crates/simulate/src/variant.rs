//! What is compared: the stack's autoscaler, parts of it, and fleets that never change.

use super::hpa::{Behavior, Change, Millis, Rules, Spec, Step, Tolerance};
use uninlu_stack::{self as stack, Autoscaling, PolicyKind, Replicas, ScalingRules, Stack};

/// Share of the measured highest rate that a target leaves each pod which the stack does not have.
const ADDED_SHARE: f64 = 0.8;
/// Shares that a suggested target is searched among, the cheapest first.
pub(super) const SHARES: [f64; 4] = [0.8, 0.7, 0.6, 0.5];
/// Fewest pods that a stack is suggested which has no autoscaler.
const FEWEST: u32 = 2;

/// One way to run the pods.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Variant {
    pub(super) kind: Kind,
    pub(super) size: Size,
}

/// Which one it is, for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Kind {
    /// As the stack file says.
    Stack,
    /// Its autoscaler with the target for CPU only.
    CpuAlone,
    /// Its autoscaler with the target for requests only.
    RequestsAlone,
    /// Its autoscaler with a target for requests that it does not have.
    RequestsAdded,
    /// Its autoscaler with a target for requests from the measured rate, and with as many pods as that needs.
    Suggested,
    /// Its fewest pods, for ever.
    FixedMinimum,
    /// Its most pods, for ever.
    FixedMaximum,
    /// As many pods as it has on average, for ever.
    FixedMean,
    /// As many pods for ever as hold the objective.
    FixedEnough,
}

/// How many pods there are.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Size {
    /// Always so many.
    Fixed(i32),
    /// As the autoscaler decides.
    Autoscaled(Box<Autoscaled>),
}

/// An autoscaler's object.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Autoscaled {
    pub(super) spec: Spec,
    pub(super) targets: Targets,
}

/// Targets, of which there is at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Targets {
    /// Percent of the request.
    pub(super) cpu: Option<u32>,
    /// Requests per second and pod.
    pub(super) requests: Option<u32>,
}

impl Variant {
    pub(super) fn fixed(kind: Kind, pods: i32) -> Self {
        Self {
            kind,
            size: Size::Fixed(pods),
        }
    }

    /// Its name for people.
    pub(super) fn name(&self) -> String {
        match &self.size {
            Size::Fixed(pods) => format!("{pods} pods, fixed"),
            Size::Autoscaled(autoscaled) => autoscaled.targets.to_string(),
        }
    }
}

impl std::fmt::Display for Targets {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let cpu = self.cpu.map(|percent| format!("CPU {percent} %"));
        let requests = self.requests.map(|rate| format!("{rate} requests/s"));
        let words: Vec<String> = cpu.into_iter().chain(requests).collect();
        formatter.write_str(&words.join(" and "))
    }
}

/// The stack's own way first, then what it is compared with; `rate` is the highest that one pod was measured to carry.
pub(super) fn of(stack: &Stack, rate: f64) -> Vec<Variant> {
    let autoscaling = match &stack.replicas {
        Replicas::Fixed(pods) => return vec![Variant::fixed(Kind::Stack, count(*pods))],
        Replicas::Autoscaled(autoscaling) => autoscaling,
    };
    let with = |kind, targets| Variant {
        kind,
        size: Size::Autoscaled(Box::new(Autoscaled {
            spec: spec(autoscaling),
            targets,
        })),
    };
    let targets = Targets {
        cpu: autoscaling.cpu,
        requests: autoscaling.requests_per_second,
    };
    let mut variants = vec![with(Kind::Stack, targets)];
    match (targets.cpu, targets.requests) {
        (Some(_), Some(_)) => variants.extend([
            with(
                Kind::CpuAlone,
                Targets {
                    requests: None,
                    ..targets
                },
            ),
            with(
                Kind::RequestsAlone,
                Targets {
                    cpu: None,
                    ..targets
                },
            ),
        ]),
        (Some(_), None) => {
            let requests = Some(target(rate, ADDED_SHARE));
            variants.push(with(
                Kind::RequestsAdded,
                Targets {
                    requests,
                    ..targets
                },
            ));
        }
        (None, _) => (),
    }
    variants.push(Variant::fixed(Kind::FixedMinimum, count(autoscaling.min)));
    variants.push(Variant::fixed(Kind::FixedMaximum, count(autoscaling.max)));
    variants
}

/// Requests per second and pod.
fn target(rate: f64, share: f64) -> u32 {
    ((rate * share) as u32).max(1)
}

/// The stack with a target of that share of the measured rate, and room for so many pods.
pub(super) fn suggested(stack: &Stack, rate: f64, share: f64, pods: i32) -> Variant {
    let (spec, cpu) = match &stack.replicas {
        Replicas::Autoscaled(autoscaling) => (spec(autoscaling), autoscaling.cpu),
        Replicas::Fixed(given) => {
            let min = count((*given).min(FEWEST));
            let spec = Spec {
                min,
                max: min,
                tolerance: Tolerance::default(),
                behavior: None,
            };
            (spec, None)
        }
    };
    let targets = Targets {
        cpu,
        requests: Some(target(rate, share)),
    };
    let max = spec.max.max(pods);
    Variant {
        kind: Kind::Suggested,
        size: Size::Autoscaled(Box::new(Autoscaled {
            spec: Spec { max, ..spec },
            targets,
        })),
    }
}

fn count(pods: u32) -> i32 {
    i32::try_from(pods).unwrap_or(i32::MAX)
}

fn millis(duration: stack::Duration) -> Millis {
    Millis::from(duration.seconds) * 1_000
}

fn spec(autoscaling: &Autoscaling) -> Spec {
    let stack::Behavior {
        scale_up,
        scale_down,
    } = &autoscaling.behavior;
    let is_given = scale_up.is_some() || scale_down.is_some();
    Spec {
        min: count(autoscaling.min),
        max: count(autoscaling.max),
        tolerance: Tolerance::default(),
        behavior: is_given.then(|| Behavior {
            up: rules(scale_up.as_ref(), Rules::default_up()),
            down: rules(scale_down.as_ref(), Rules::default_down()),
        }),
    }
}

/// What is not given keeps the API's default.
fn rules(given: Option<&ScalingRules>, default: Rules) -> Rules {
    let Some(given) = given else {
        return default;
    };
    let step = |policy: &stack::Policy| {
        let change = match policy.kind {
            PolicyKind::Pods => Change::Pods(count(policy.value)),
            PolicyKind::Percent => Change::Percent(count(policy.value)),
        };
        Step::new(change, millis(policy.period))
    };
    Rules {
        stabilization: given.stabilization.map_or(default.stabilization, millis),
        steps: if given.policies.is_empty() {
            default.steps
        } else {
            given.policies.iter().map(step).collect()
        },
        select: given.select.unwrap_or(default.select),
    }
}
