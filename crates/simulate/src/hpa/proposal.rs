//! How many pods a metric asks for.

use super::scale::{Millis, Scale};

/// `--horizontal-pod-autoscaler-cpu-initialization-period`.
const CPU_INITIALIZATION: Millis = 300_000;
/// `--horizontal-pod-autoscaler-initial-readiness-delay`.
const INITIAL_READINESS_DELAY: Millis = 30_000;

/// What the controller sees of a pod.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pod {
    /// `status.phase`.
    pub phase: Phase,
    /// Whether it has a deletion timestamp.
    pub is_deleting: bool,
    /// `status.startTime`: when the kubelet took it.
    pub started: Option<Millis>,
    /// The condition `Ready`.
    pub ready: Option<Ready>,
    /// CPU request in millicores.
    pub cpu_request: i64,
}

/// The phases that make a difference here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Not all containers have been started.
    Pending,
    /// Running.
    Running,
    /// Ended with a failure.
    Failed,
}

/// The condition `Ready`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ready {
    /// Its status.
    pub is_true: bool,
    /// Its last transition.
    pub since: Millis,
}

/// A measurement of a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// In thousandths.
    pub value: i64,
    /// The end of its window.
    pub at: Millis,
    /// Length of its window.
    pub window: Millis,
}

/// A metric with what is measured; samples stand in the order of the pods.
#[derive(Debug, Clone, PartialEq)]
pub enum Metric {
    /// `Resource` `cpu` with `averageUtilization`, in percent of the request.
    CpuUtilization {
        /// Percent of the request.
        target: i64,
        /// Millicores used.
        samples: Vec<Option<Sample>>,
    },
    /// `Pods` with `averageValue`.
    PodsAverage {
        /// In thousandths.
        target: i64,
        /// In thousandths.
        samples: Vec<Option<Sample>>,
    },
    /// `External` with `averageValue`.
    ExternalAverage {
        /// In thousandths.
        target: i64,
        /// Sum of the series in thousandths; `None` when there are none.
        total: Option<i64>,
    },
}

/// How far a ratio may be from 1 without consequence, in either direction.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tolerance {
    /// Above 1.
    pub up: f64,
    /// Below 1.
    pub down: f64,
}

impl Default for Tolerance {
    /// `--horizontal-pod-autoscaler-tolerance`.
    fn default() -> Self {
        Self { up: 0.1, down: 0.1 }
    }
}

impl Tolerance {
    fn holds(self, ratio: f64) -> bool {
        1.0 - self.down <= ratio && ratio <= 1.0 + self.up
    }
}

/// How many pods the metric asks for; `None` when it says nothing that counts.
pub fn propose(
    metric: &Metric,
    scale: Scale,
    pods: &[Pod],
    tolerance: Tolerance,
    now: Millis,
) -> Option<i32> {
    match metric {
        Metric::CpuUtilization { target, samples } => {
            let groups = Groups::of(pods, samples, Some(now));
            let missing = |pod: &Pod| pod.cpu_request * (*target).max(100) / 100;
            let ratio = |counted: &[Counted]| utilization(counted, *target);
            groups.propose(scale.spec, tolerance, missing, ratio)
        }
        Metric::PodsAverage { target, samples } => {
            let groups = Groups::of(pods, samples, None);
            let ratio = |counted: &[Counted]| average(counted, *target);
            groups.propose(scale.spec, tolerance, |_| *target, ratio)
        }
        Metric::ExternalAverage { target, total } => {
            let total = (*total)? as f64;
            let target = *target as f64;
            let ratio = total / (target * f64::from(scale.status));
            Some(if tolerance.holds(ratio) {
                scale.status
            } else {
                (total / target).ceil() as i32
            })
        }
    }
}

/// A pod with the value that counts for it.
struct Counted<'a> {
    pod: &'a Pod,
    value: i64,
}

/// The controller's percentage is an integer, cut: 77.9 % of a target of 70 % is 1.1, and within the tolerance.
fn utilization(counted: &[Counted], target: i64) -> Option<f64> {
    let used: i64 = counted.iter().map(|counted| counted.value).sum();
    let requested: i64 = counted.iter().map(|counted| counted.pod.cpu_request).sum();
    (requested != 0).then(|| (used * 100 / requested) as f64 / target as f64)
}

fn average(counted: &[Counted], target: i64) -> Option<f64> {
    let sum: i64 = counted.iter().map(|counted| counted.value).sum();
    let count = i64::try_from(counted.len()).ok()?;
    (count != 0).then(|| (sum / count) as f64 / target as f64)
}

/// Pods by what their samples are worth.
struct Groups<'a> {
    ready: Vec<Counted<'a>>,
    unready: Vec<&'a Pod>,
    missing: Vec<&'a Pod>,
}

impl<'a> Groups<'a> {
    /// `cpu_at` is the time at which pods are judged by their readiness, as for CPU; other metrics count as they are.
    fn of(pods: &'a [Pod], samples: &[Option<Sample>], cpu_at: Option<Millis>) -> Self {
        let mut groups = Self {
            ready: Vec::new(),
            unready: Vec::new(),
            missing: Vec::new(),
        };
        for (pod, sample) in pods.iter().zip(samples) {
            match sample {
                _ if pod.is_deleting || pod.phase == Phase::Failed => (),
                _ if pod.phase == Phase::Pending => groups.unready.push(pod),
                None => groups.missing.push(pod),
                Some(sample) if cpu_at.is_some_and(|now| is_starting(pod, sample, now)) => {
                    groups.unready.push(pod);
                }
                Some(sample) => groups.ready.push(Counted {
                    pod,
                    value: sample.value,
                }),
            }
        }
        groups
    }

    fn propose(
        self,
        current: i32,
        tolerance: Tolerance,
        missing_when_low: impl Fn(&Pod) -> i64,
        ratio_of: impl Fn(&[Counted]) -> Option<f64>,
    ) -> Option<i32> {
        let ratio = ratio_of(&self.ready)?;
        let counts_unready = !self.unready.is_empty() && ratio > 1.0;
        if !counts_unready && self.missing.is_empty() {
            // Of the pods that were measured, not of those that are wanted: pods that start are no part of it.
            return Some(if tolerance.holds(ratio) {
                current
            } else {
                times(ratio, self.ready.len())
            });
        }
        let mut counted = self.ready;
        for pod in self.missing {
            // Against the direction: a missing pod may neither raise nor lower the number.
            if ratio < 1.0 {
                let value = missing_when_low(pod);
                counted.push(Counted { pod, value });
            } else if ratio > 1.0 {
                counted.push(Counted { pod, value: 0 });
            }
        }
        if counts_unready {
            let idle = |pod| Counted { pod, value: 0 };
            counted.extend(self.unready.into_iter().map(idle));
        }
        let filled = ratio_of(&counted)?;
        let turns = ratio < 1.0 && filled > 1.0 || ratio > 1.0 && filled < 1.0;
        if turns || tolerance.holds(filled) {
            return Some(current);
        }
        let proposal = times(filled, counted.len());
        let contradicts = filled < 1.0 && proposal > current || filled > 1.0 && proposal < current;
        Some(if contradicts { current } else { proposal })
    }
}

fn times(ratio: f64, pods: usize) -> i32 {
    (ratio * pods as f64).ceil() as i32
}

/// Whether the CPU of a pod is still that of its start.
fn is_starting(pod: &Pod, sample: &Sample, now: Millis) -> bool {
    let (Some(started), Some(ready)) = (pod.started, pod.ready) else {
        return true;
    };
    if started + CPU_INITIALIZATION > now {
        !ready.is_true || sample.at < ready.since + sample.window
    } else {
        !ready.is_true && started + INITIAL_READINESS_DELAY > ready.since
    }
}
