//! The discrete event simulation of one variant.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::fleet::{Fleet, Life, Seen, Stage};
use super::hpa::{Autoscaler, Decision, Metric, Scale};
use super::metrics::RESOLUTION;
use super::pod::Capacity;
use super::random::Random;
use super::variant::{Autoscaled, Size};
use super::{Micros, SECOND, seconds};
use crate::quantile::quantile;

/// `--horizontal-pod-autoscaler-sync-period`.
const SYNC: Micros = 15 * SECOND;

/// What is the same for all variants.
#[derive(Debug)]
pub(super) struct Scene {
    /// When requests come.
    pub(super) arrivals: Vec<Micros>,
    /// Until then all runs at the first rate, and is not counted.
    pub(super) lead: Micros,
    /// The end.
    pub(super) end: Micros,
    /// Length of an interval of the series.
    pub(super) interval: Micros,
    /// What a request must be answered within.
    pub(super) objective: f64,
    pub(super) life: Life,
    pub(super) capacity: Capacity,
    pub(super) seed: u64,
}

/// What came out.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Outcome {
    /// One for each interval.
    pub(super) series: Vec<Interval>,
    /// Of all requests.
    pub(super) total: Requests,
    /// Pods × hours, those that start or leave included.
    pub(super) pod_hours: f64,
    /// Pods that are wanted: at the beginning, fewest, most.
    pub(super) replicas: [usize; 3],
    /// When the number was changed for the first time to a higher one, in seconds.
    pub(super) first_rise: Option<f64>,
    /// How often the number was changed.
    pub(super) changes: usize,
    /// Highest CPU use of all pods that the controller saw, in percent of the request.
    pub(super) highest_cpu: Option<f64>,
    /// Highest mean of requests per second and pod that it saw.
    pub(super) highest_requests: Option<f64>,
}

/// One interval; requests belong to that in which they came.
#[derive(Debug, Clone, PartialEq, serde::Serialize, schemars::JsonSchema)]
pub(super) struct Interval {
    /// Its begin in seconds.
    pub(super) at: f64,
    /// Pods that are wanted, at its end.
    pub(super) replicas: usize,
    /// Pods that get requests, at its end.
    pub(super) serving: usize,
    #[serde(flatten)]
    pub(super) requests: Requests,
}

/// How requests fared.
#[derive(Debug, Clone, Copy, PartialEq, Default, serde::Serialize, schemars::JsonSchema)]
pub(super) struct Requests {
    /// So many came.
    pub(super) offered: usize,
    /// So many were refused with 429.
    pub(super) refused: usize,
    /// So many were answered within the objective.
    pub(super) in_time: usize,
    /// P50, P95 and P99 of the answered, in seconds from the arrival; absent when none was.
    pub(super) latency: Option<[f64; 3]>,
}

impl Requests {
    fn of(answered: &mut [Micros], refused: usize, objective: f64) -> Self {
        answered.sort_unstable();
        let at = |share| quantile(answered, share).map(seconds);
        let latency = match (at(0.5), at(0.95), at(0.99)) {
            (Some(p50), Some(p95), Some(p99)) => Some([p50, p95, p99]),
            _ => None,
        };
        Self {
            offered: answered.len() + refused,
            refused,
            in_time: answered.partition_point(|latency| seconds(*latency) <= objective),
            latency,
        }
    }

    /// Whether 95 of 100 were answered in time.
    pub(super) fn holds(&self) -> bool {
        self.in_time * 100 >= self.offered * 95
    }

    /// Share that was refused, in percent.
    pub(super) fn refused_percent(&self) -> f64 {
        self.refused as f64 * 100.0 / self.offered.max(1) as f64
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Pod(usize, Stage),
    Cpu,
    Sync,
    /// An interval ends.
    End,
}

/// Plays a variant to its end.
pub(super) fn run(scene: &Scene, size: &Size) -> Outcome {
    let (count, autoscaled) = match size {
        Size::Fixed(count) => (*count, None),
        Size::Autoscaled(autoscaled) => (autoscaled.spec.min, Some(&**autoscaled)),
    };
    let fleet = Fleet::settled(scene.life, scene.capacity, count, scene.seed);
    let mut run = Run {
        scene,
        fleet,
        autoscaler: autoscaled.map(|given| (given, Autoscaler::new(given.spec.clone()))),
        events: BinaryHeap::new(),
        recorder: Recorder::new(scene),
    };
    run.play();
    run.recorder.outcome(scene)
}

struct Run<'a> {
    scene: &'a Scene,
    fleet: Fleet,
    autoscaler: Option<(&'a Autoscaled, Autoscaler)>,
    events: BinaryHeap<Reverse<(Micros, Event)>>,
    recorder: Recorder,
}

impl Run<'_> {
    fn play(&mut self) {
        let mut random = Random::new(self.scene.seed, 4);
        let mut phase = |period: Micros| (random.unit() * period as f64) as Micros;
        self.plan(phase(RESOLUTION), Event::Cpu);
        self.plan(phase(SYNC), Event::Sync);
        self.plan(self.scene.lead, Event::End);
        self.take_up();
        let scene = self.scene;
        for arrival in &scene.arrivals {
            self.happen_until(*arrival);
            let latency = self.fleet.ask(*arrival);
            self.recorder.request(*arrival, latency);
        }
        self.happen_until(scene.end);
        self.recorder.pass(scene.end, self.fleet.present());
        if self.recorder.counted() < scene.end - scene.lead {
            self.recorder.end_interval(&self.fleet);
        }
    }

    fn plan(&mut self, at: Micros, event: Event) {
        self.events.push(Reverse((at, event)));
    }

    fn take_up(&mut self) {
        for (at, pod, stage) in std::mem::take(&mut self.fleet.coming) {
            self.plan(at, Event::Pod(pod, stage));
        }
    }

    fn happen_until(&mut self, end: Micros) {
        while let Some(Reverse((at, _))) = self.events.peek()
            && *at <= end
            && let Some(Reverse((now, event))) = self.events.pop()
        {
            self.recorder.pass(now, self.fleet.present());
            self.happen(event, now);
            self.take_up();
        }
    }

    fn happen(&mut self, event: Event, now: Micros) {
        match event {
            Event::Pod(pod, stage) => self.fleet.advance(pod, stage, now),
            Event::Cpu => {
                self.fleet.measure_cpu(now);
                self.plan(now + RESOLUTION, Event::Cpu);
            }
            Event::Sync => {
                self.sync(now);
                self.plan(now + SYNC, Event::Sync);
            }
            Event::End => {
                self.recorder.end_interval(&self.fleet);
                self.plan(now + self.scene.interval, Event::End);
            }
        }
    }

    fn sync(&mut self, now: Micros) {
        let Some((autoscaled, autoscaler)) = &mut self.autoscaler else {
            return;
        };
        let seen = self.fleet.seen(now);
        self.recorder.see(&seen, now);
        let count = |pods: usize| i32::try_from(pods).unwrap_or(i32::MAX);
        let scale = Scale {
            spec: count(self.fleet.wanted()),
            status: count(self.fleet.wanted()),
        };
        let metrics = metrics(autoscaled, &seen);
        if let Decision::Resize(wanted) =
            autoscaler.reconcile(scale, &seen.pods, &metrics, now / 1_000)
        {
            self.recorder.resize(wanted > scale.spec, now);
            self.fleet.resize(wanted, now);
        }
    }
}

fn metrics(autoscaled: &Autoscaled, seen: &Seen) -> Vec<Metric> {
    let cpu = autoscaled
        .targets
        .cpu
        .map(|percent| Metric::CpuUtilization {
            target: i64::from(percent),
            samples: seen.cpu.clone(),
        });
    let requests = autoscaled.targets.requests.map(|rate| Metric::PodsAverage {
        target: i64::from(rate) * 1_000,
        samples: seen.requests.clone(),
    });
    cpu.into_iter().chain(requests).collect()
}

/// Notes what is counted: all from the lead's end on.
struct Recorder {
    lead: Micros,
    objective: f64,
    interval: Micros,
    answered: Vec<Micros>,
    refused: usize,
    all_answered: Vec<Micros>,
    all_refused: usize,
    series: Vec<Interval>,
    passed: Micros,
    pod_micros: i128,
    first_replicas: Option<usize>,
    first_rise: Option<f64>,
    changes: usize,
    highest_cpu: Option<f64>,
    highest_requests: Option<f64>,
}

impl Recorder {
    fn new(scene: &Scene) -> Self {
        Self {
            lead: scene.lead,
            objective: scene.objective,
            interval: scene.interval,
            answered: Vec::new(),
            refused: 0,
            all_answered: Vec::new(),
            all_refused: 0,
            series: Vec::new(),
            passed: scene.lead,
            pod_micros: 0,
            first_replicas: None,
            first_rise: None,
            changes: 0,
            highest_cpu: None,
            highest_requests: None,
        }
    }

    fn request(&mut self, at: Micros, latency: Option<Micros>) {
        if at < self.lead {
            return;
        }
        match latency {
            Some(latency) => self.answered.push(latency),
            None => self.refused += 1,
        }
    }

    /// Until now there were so many pods.
    fn pass(&mut self, now: Micros, present: usize) {
        if now > self.passed {
            self.pod_micros += i128::from(now - self.passed) * present as i128;
            self.passed = now;
        }
    }

    /// Time that is in the series.
    fn counted(&self) -> Micros {
        self.interval * self.series.len() as Micros
    }

    /// The first end is that of the lead.
    fn end_interval(&mut self, fleet: &Fleet) {
        if self.first_replicas.is_none() {
            self.first_replicas = Some(fleet.wanted());
            return;
        }
        let at = seconds(self.counted());
        let requests = Requests::of(&mut self.answered, self.refused, self.objective);
        self.all_answered.append(&mut self.answered);
        self.all_refused += std::mem::take(&mut self.refused);
        self.series.push(Interval {
            at,
            replicas: fleet.wanted(),
            serving: fleet.serving(),
            requests,
        });
    }

    fn see(&mut self, seen: &Seen, now: Micros) {
        if now >= self.lead {
            self.highest_cpu = higher(self.highest_cpu, seen.cpu_percent());
            self.highest_requests = higher(self.highest_requests, seen.requests_per_pod());
        }
    }

    fn resize(&mut self, is_rise: bool, now: Micros) {
        if now < self.lead {
            return;
        }
        self.changes += 1;
        if is_rise && self.first_rise.is_none() {
            self.first_rise = Some(seconds(now - self.lead));
        }
    }

    fn outcome(mut self, scene: &Scene) -> Outcome {
        let replicas = self.series.iter().map(|interval| interval.replicas);
        let first = self.first_replicas.unwrap_or_default();
        let bounds = replicas.fold([first; 3], |[first, low, high], now| {
            [first, low.min(now), high.max(now)]
        });
        Outcome {
            total: Requests::of(&mut self.all_answered, self.all_refused, scene.objective),
            pod_hours: self.pod_micros as f64 / SECOND as f64 / 3_600.0,
            replicas: bounds,
            first_rise: self.first_rise,
            changes: self.changes,
            highest_cpu: self.highest_cpu,
            highest_requests: self.highest_requests,
            series: self.series,
        }
    }
}

fn higher(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.max(other)),
        (one, other) => one.or(other),
    }
}
