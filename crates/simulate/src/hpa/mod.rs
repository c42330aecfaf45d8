//! One reconcile of Kubernetes' HorizontalPodAutoscaler controller, with its exact arithmetic (v1.34; the same in 1.37).
//!
//! Pure: pods, samples and the time are given. What the real controller's code answered to hundreds of random scenes is
//! kept in `tests/simulate/kubernetes` and must come out here too.

mod behavior;
mod limit;
mod memory;
mod proposal;
mod scale;
mod spec;

pub use behavior::{Behavior, Change, Rules, Step};
use limit::limit;
pub use memory::Memory;
pub use proposal::{Metric, Phase, Pod, Ready, Sample, Tolerance, propose};
pub use scale::{Millis, Scale};
pub use spec::Spec;

/// What a reconcile decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Nothing is written.
    Keep,
    /// So many pods are wanted now.
    Resize(i32),
    /// Metrics are missing, so that nothing is done: all of them, or some while the others ask for fewer pods.
    MetricsMissing,
}

/// One autoscaler: its object, and what the controller remembers of it.
#[derive(Debug, Clone)]
pub struct Autoscaler {
    spec: Spec,
    memory: Memory,
}

impl Autoscaler {
    /// One that the controller has not looked at yet.
    pub fn new(spec: Spec) -> Self {
        Self {
            spec,
            memory: Memory::default(),
        }
    }

    /// Looks once at the target, its pods and their metrics, and remembers it.
    pub fn reconcile(
        &mut self,
        scale: Scale,
        pods: &[Pod],
        metrics: &[Metric],
        now: Millis,
    ) -> Decision {
        self.memory.begin(scale.spec, now);
        let Spec { min, max, .. } = self.spec;
        let wanted = match scale.spec {
            0 if min != 0 => return Decision::Keep,
            spec if spec > max => max,
            spec if spec < min => min,
            _ => {
                let Some(proposal) = self.proposal(scale, pods, metrics, now) else {
                    return Decision::MetricsMissing;
                };
                self.normalize(scale.spec, proposal.max(0), now)
            }
        };
        if wanted == scale.spec {
            return Decision::Keep;
        }
        if let Some(behavior) = &self.spec.behavior {
            self.memory.resized(behavior, scale.spec, wanted, now);
        }
        Decision::Resize(wanted)
    }

    /// The largest of the metrics' proposals; `None` when nothing may be done for want of metrics.
    fn proposal(&self, scale: Scale, pods: &[Pod], metrics: &[Metric], now: Millis) -> Option<i32> {
        let proposals: Vec<Option<i32>> = metrics
            .iter()
            .map(|metric| propose(metric, scale, pods, self.spec.tolerance, now))
            .collect();
        let largest = proposals.iter().flatten().copied().max()?;
        let is_complete = proposals.iter().all(Option::is_some);
        (is_complete || largest >= scale.spec).then_some(largest)
    }

    fn normalize(&mut self, current: i32, proposal: i32, now: Millis) -> i32 {
        match &self.spec.behavior {
            None => {
                let stable = self.memory.stabilize(proposal, now);
                let fastest = current.saturating_mul(2).max(4);
                if stable < self.spec.min {
                    self.spec.min
                } else {
                    stable.min(self.spec.max.min(fastest))
                }
            }
            Some(behavior) => {
                let stable = self
                    .memory
                    .stabilize_within(behavior, current, proposal, now);
                limit(behavior, &self.memory, &self.spec, current, stable, now)
            }
        }
    }
}
