//! Cases worked out by hand, each for one peculiarity of the controller.

use uninlu::simulate::hpa::{
    Autoscaler, Behavior, Change, Decision, Metric, Millis, Phase, Pod, Ready, Rules, Sample,
    Scale, Spec, Step, Tolerance, propose,
};
use uninlu::stack::Select;

/// Long after the start of all pods that are not said to be young.
const NOW: Millis = 10_000_000;

/// A pod that requests one core and has been ready for long.
const OLD: Pod = Pod {
    phase: Phase::Running,
    is_deleting: false,
    started: Some(0),
    ready: Some(Ready {
        is_true: true,
        since: 10_000,
    }),
    cpu_request: 1_000,
};

/// One that started a minute ago and is not ready.
const UNREADY: Pod = Pod {
    started: Some(NOW - 60_000),
    ready: Some(Ready {
        is_true: false,
        since: NOW - 60_000,
    }),
    ..OLD
};

const PENDING: Pod = Pod {
    phase: Phase::Pending,
    ..UNREADY
};

fn sample(value: i64) -> Option<Sample> {
    Some(Sample {
        value,
        at: NOW,
        window: 15_000,
    })
}

/// `count` pods with the same sample.
fn pods(count: usize, pod: Pod, value: Option<i64>) -> Vec<(Pod, Option<Sample>)> {
    vec![(pod, value.and_then(sample)); count]
}

fn split(parts: &[Vec<(Pod, Option<Sample>)>]) -> (Vec<Pod>, Vec<Option<Sample>>) {
    parts.concat().into_iter().unzip()
}

/// What CPU asks for at a target of 70 %; values are millicores of a request of 1,000.
fn cpu(parts: &[Vec<(Pod, Option<Sample>)>]) -> Option<i32> {
    cpu_at(70, parts)
}

fn cpu_at(target: i64, parts: &[Vec<(Pod, Option<Sample>)>]) -> Option<i32> {
    let (pods, samples) = split(parts);
    let metric = Metric::CpuUtilization { target, samples };
    ask(&metric, &pods)
}

/// What requests per second ask for at a target of 10; values are whole requests.
fn requests(parts: &[Vec<(Pod, Option<Sample>)>]) -> Option<i32> {
    let (pods, samples) = split(parts);
    let thousandths = |sample: Sample| Sample {
        value: sample.value * 1_000,
        ..sample
    };
    let metric = Metric::PodsAverage {
        target: 10_000,
        samples: samples
            .into_iter()
            .map(|one| one.map(thousandths))
            .collect(),
    };
    ask(&metric, &pods)
}

/// Of as many wanted pods as there are.
fn ask(metric: &Metric, pods: &[Pod]) -> Option<i32> {
    let count = pods.len() as i32;
    propose(metric, both(count), pods, Tolerance::default(), NOW)
}

fn both(replicas: i32) -> Scale {
    Scale {
        spec: replicas,
        status: replicas,
    }
}

fn external(total: i64, status: i32) -> Option<i32> {
    let metric = Metric::ExternalAverage {
        target: 10_000,
        total: Some(total * 1_000),
    };
    ask(&metric, &vec![OLD; status as usize])
}

#[test]
fn proposals() {
    let ready = |count, milli| pods(count, OLD, Some(milli));
    let cases = [
        ("above the target", cpu(&[ready(4, 1_000)]), Some(6)),
        (
            "pods that start count as idle when more are asked for",
            cpu(&[ready(4, 1_000), pods(2, UNREADY, Some(0))]),
            Some(6),
        ),
        (
            "the percentage is cut: 77.9 is 77",
            cpu(&[ready(10, 779)]),
            Some(10),
        ),
        (
            "and 78 is beyond the tolerance",
            cpu(&[ready(10, 780)]),
            Some(12),
        ),
        (
            "when fewer are asked for, pods that start are forgotten",
            cpu(&[ready(5, 560), pods(5, UNREADY, Some(0))]),
            Some(4),
        ),
        (
            "a missing pod counts as fully used when fewer are asked for",
            cpu(&[ready(3, 350), pods(1, OLD, None)]),
            Some(3),
        ),
        (
            "as used to the target, where that is above 100 %",
            cpu_at(150, &[ready(1, 300), pods(3, OLD, None)]),
            Some(4),
        ),
        (
            "and as idle when more are asked for",
            cpu(&[ready(3, 1_400), pods(3, OLD, None)]),
            Some(9 - 3),
        ),
        ("nothing was measured", cpu(&[pods(3, OLD, None)]), None),
        (
            "all that was measured starts",
            cpu(&[pods(3, UNREADY, Some(900))]),
            None,
        ),
        ("requests", requests(&[pods(5, OLD, Some(20))]), Some(10)),
        (
            "requests of pending pods are none",
            requests(&[pods(5, OLD, Some(20)), pods(5, PENDING, None)]),
            Some(10),
        ),
        (
            "readiness is no matter for requests",
            requests(&[pods(5, UNREADY, Some(20))]),
            Some(10),
        ),
        (
            "a missing pod has the target of requests when fewer are asked for",
            requests(&[pods(3, OLD, Some(1)), pods(1, OLD, None)]),
            Some(2),
        ),
        ("external, within", external(105, 10), Some(10)),
        ("external, beyond", external(111, 10), Some(12)),
    ];
    for (what, proposal, expected) in cases {
        assert_eq!(proposal, expected, "{what}");
    }
}

#[test]
fn which_pods_count_for_cpu() {
    let of = |pod: Pod| {
        let hot = pods(1, pod, Some(1_400));
        cpu(&[pods(1, OLD, Some(1_400)), hot])
    };
    // Two pods at twice the target are four; one of them and an idle one are two; one alone is two as well.
    let deleting = Pod {
        is_deleting: true,
        ..OLD
    };
    let failed = Pod {
        phase: Phase::Failed,
        ..OLD
    };
    let young = |is_true, since| Pod {
        started: Some(NOW - 299_999),
        ready: Some(Ready {
            is_true,
            since: NOW - since,
        }),
        ..OLD
    };
    let never_ready = Pod {
        ready: Some(Ready {
            is_true: false,
            since: 29_999,
        }),
        ..OLD
    };
    let unready_later = Pod {
        ready: Some(Ready {
            is_true: false,
            since: 30_000,
        }),
        ..OLD
    };
    let cases = [
        ("old and ready", OLD, 4),
        ("being deleted", deleting, 2),
        ("failed", failed, 2),
        ("young, ready for a whole window", young(true, 15_000), 4),
        ("young, ready for less", young(true, 14_999), 2),
        ("young and not ready", young(false, 200_000), 2),
        ("old and never ready", never_ready, 2),
        ("old and no longer ready", unready_later, 4),
        ("without a condition", Pod { ready: None, ..OLD }, 2),
        (
            "without a start",
            Pod {
                started: None,
                ..OLD
            },
            2,
        ),
    ];
    for (what, pod, expected) in cases {
        assert_eq!(of(pod), Some(expected), "{what}");
    }
}

/// An autoscaler with requests per second as its metric, which is given the number that it is to propose.
struct Driven {
    autoscaler: Autoscaler,
}

impl Driven {
    fn new(min: i32, max: i32, behavior: Option<Behavior>) -> Self {
        let tolerance = Tolerance::default();
        Self {
            autoscaler: Autoscaler::new(Spec {
                min,
                max,
                tolerance,
                behavior,
            }),
        }
    }

    /// One pod is measured with so many times the target as pods are to be proposed; a proposal within the tolerance of
    /// one pod cannot be told this way.
    fn propose(&mut self, replicas: i32, proposal: i32, seconds: i64) -> i32 {
        let metric = Metric::ExternalAverage {
            target: 1_000,
            total: Some(i64::from(proposal) * 1_000),
        };
        let decision = self
            .autoscaler
            .reconcile(both(replicas), &[], &[metric], seconds * 1_000);
        match decision {
            Decision::Resize(wanted) => wanted,
            Decision::Keep | Decision::MetricsMissing => replicas,
        }
    }
}

fn steps(change: Change, seconds: i64) -> Vec<Step> {
    vec![Step::new(change, seconds * 1_000)]
}

fn behavior(up: Vec<Step>, down: Vec<Step>) -> Behavior {
    Behavior {
        up: Rules {
            steps: up,
            ..Rules::default_up()
        },
        down: Rules {
            steps: down,
            stabilization: 0,
            ..Rules::default_down()
        },
    }
}

#[test]
fn without_behavior_it_doubles_at_most_and_waits_five_minutes() {
    let mut driven = Driven::new(1, 100, None);
    assert_eq!(driven.propose(1, 50, 0), 4, "four are always allowed");
    assert_eq!(driven.propose(4, 50, 15), 8);
    assert_eq!(
        driven.propose(8, 5, 30),
        16,
        "what was once asked for is gone on with, though no more is asked for now"
    );
    assert_eq!(driven.propose(50, 5, 315), 50, "300 s old, and counts");
    assert_eq!(driven.propose(50, 5, 316), 5);
}

#[test]
fn the_first_look_remembers_the_size() {
    let mut driven = Driven::new(1, 100, None);
    assert_eq!(driven.propose(9, 2, 0), 9);
    assert_eq!(driven.propose(9, 2, 300), 9);
    assert_eq!(driven.propose(9, 2, 301), 2);
}

#[test]
fn with_behavior_a_windows_end_is_not_part_of_it() {
    let mut driven = Driven::new(
        1,
        100,
        Some(Behavior {
            up: Rules::default_up(),
            down: Rules::default_down(),
        }),
    );
    assert_eq!(driven.propose(9, 2, 0), 9);
    assert_eq!(driven.propose(9, 2, 299), 9);
    assert_eq!(driven.propose(9, 2, 300), 2, "strictly younger than 300 s");
}

#[test]
fn bounds_pass_by_everything_else() {
    let mut driven = Driven::new(3, 5, None);
    assert_eq!(driven.propose(9, 9, 0), 5);
    assert_eq!(driven.propose(1, 1, 15), 3);
    assert_eq!(
        driven.propose(0, 9, 30),
        0,
        "scaled to zero by hand is turned off"
    );
}

#[test]
fn a_step_counts_from_the_size_at_its_periods_beginning() {
    let two = steps(Change::Pods(2), 60);
    let mut driven = Driven::new(1, 100, Some(behavior(two, Rules::default_down().steps)));
    assert_eq!(driven.propose(2, 12, 0), 4);
    assert_eq!(driven.propose(4, 12, 20), 4, "two were added 20 s ago");
    assert_eq!(driven.propose(4, 12, 60), 6, "60 s are not within 60 s");
}

#[test]
fn fewer_pods_are_rounded_down_and_more_up() {
    let half = steps(Change::Percent(50), 60);
    let both = behavior(half.clone(), half);
    assert_eq!(Driven::new(1, 100, Some(both.clone())).propose(9, 2, 0), 4);
    assert_eq!(Driven::new(1, 100, Some(both)).propose(5, 50, 0), 8);
}

#[test]
fn a_direction_can_be_turned_off() {
    let mut off = behavior(Rules::default_up().steps, Rules::default_down().steps);
    off.up.select = Select::Disabled;
    off.down.select = Select::Disabled;
    let mut driven = Driven::new(1, 100, Some(off));
    assert_eq!(driven.propose(5, 50, 0), 5);
    assert_eq!(driven.propose(5, 1, 15), 5);
}

#[test]
fn a_missing_metric_stops_what_would_remove_pods() {
    let cpu = |proposal: i64| Metric::ExternalAverage {
        target: 1_000,
        total: Some(proposal * 1_000),
    };
    let broken = Metric::ExternalAverage {
        target: 1_000,
        total: None,
    };
    let decide = |metrics: &[Metric]| {
        let spec = Spec {
            min: 1,
            max: 100,
            tolerance: Tolerance::default(),
            behavior: None,
        };
        Autoscaler::new(spec).reconcile(both(5), &[], metrics, 0)
    };
    assert_eq!(decide(&[cpu(3), broken.clone()]), Decision::MetricsMissing);
    assert_eq!(decide(&[cpu(8), broken.clone()]), Decision::Resize(8));
    assert_eq!(decide(&[broken]), Decision::MetricsMissing);
    assert_eq!(
        decide(&[cpu(3), cpu(7)]),
        Decision::Resize(7),
        "the largest counts"
    );
}

/// An event that is older than its own direction's policies gives its place away, though a longer one of the other
/// direction would still count it.
#[test]
fn an_outdated_event_is_overwritten() {
    let fast_up = steps(Change::Pods(10), 15);
    let slow_down = steps(Change::Pods(1), 600);
    let mut driven = Driven::new(1, 100, Some(behavior(fast_up, slow_down)));
    assert_eq!(driven.propose(2, 12, 0), 12);
    assert_eq!(
        driven.propose(12, 14, 60),
        14,
        "this takes the place of the ten"
    );
    assert_eq!(
        driven.propose(14, 1, 75),
        11,
        "14 - 2 were there ten minutes ago as far as is known, and one of them may go"
    );
}
