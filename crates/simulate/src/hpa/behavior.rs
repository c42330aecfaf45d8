//! `spec.behavior`: how fast the number may change.

use super::scale::Millis;
use uninlu_stack::Select;

/// `--horizontal-pod-autoscaler-downscale-stabilization`.
pub(super) const DOWNSCALE_STABILIZATION: Millis = 300_000;

/// Both directions, with the API's defaults filled in.
#[derive(Debug, Clone, PartialEq)]
pub struct Behavior {
    /// Rules for adding pods.
    pub up: Rules,
    /// Rules for removing pods.
    pub down: Rules,
}

/// Rules of one direction.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    /// How long a recommendation must hold.
    pub stabilization: Millis,
    /// Bounds on the change within a period.
    pub steps: Vec<Step>,
    /// Which of them decides.
    pub select: Select,
}

/// At most so much change within a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// How much.
    pub change: Change,
    /// Within which time.
    pub period: Millis,
}

/// How much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Pods.
    Pods(i32),
    /// Percent of the pods at the beginning of the period.
    Percent(i32),
}

impl Rules {
    /// What the API fills in for pods to be added: four of them, or as many as there are, in 15 seconds.
    pub fn default_up() -> Self {
        Self {
            stabilization: 0,
            steps: vec![
                Step::new(Change::Pods(4), 15_000),
                Step::new(Change::Percent(100), 15_000),
            ],
            select: Select::Max,
        }
    }

    /// What the API and the controller fill in for pods to be removed: all of them, once five minutes agree.
    pub fn default_down() -> Self {
        Self {
            stabilization: DOWNSCALE_STABILIZATION,
            steps: vec![Step::new(Change::Percent(100), 15_000)],
            select: Select::Max,
        }
    }
}

impl Step {
    /// So much within a period.
    pub const fn new(change: Change, period: Millis) -> Self {
        Self { change, period }
    }

    /// The most pods it allows; rounded up, since else a small number would never grow.
    pub(super) fn most(&self, start: i32) -> i32 {
        match self.change {
            Change::Pods(pods) => start.saturating_add(pods),
            Change::Percent(percent) => {
                (f64::from(start) * (1.0 + f64::from(percent) / 100.0)).ceil() as i32
            }
        }
    }

    /// The fewest pods it allows, rounded down.
    pub(super) fn fewest(&self, start: i32) -> i32 {
        match self.change {
            Change::Pods(pods) => start.saturating_sub(pods),
            Change::Percent(percent) => {
                (f64::from(start) * (1.0 - f64::from(percent) / 100.0)) as i32
            }
        }
    }
}
