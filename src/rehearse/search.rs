//! The highest rate that meets an objective: first upwards or downwards, then by halves. A state machine without a
//! clock: it is told what was tried and says what to try.

/// Bounds closer than this are one figure.
const PRECISION: f64 = 1.1;
/// By how much a rate is changed as long as one bound is missing.
const STRIDE: f64 = 1.5;
/// The rate never goes further than this from the first one, up or down.
const REACH: f64 = 64.0;

/// What was tried so far.
#[derive(Debug, Clone, PartialEq)]
pub struct Search {
    first: f64,
    met: Option<f64>,
    failed: Option<f64>,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Next {
    /// Try this many requests a second.
    Try(f64),
    /// The highest rate that met the objective.
    Found(f64),
    /// Not even this one did, the lowest that is tried.
    OutOfReach(f64),
}

impl Search {
    /// Begins with a rate.
    pub const fn from(first: f64) -> Self {
        Self {
            first,
            met: None,
            failed: None,
        }
    }

    /// What to do, from all that was tried.
    pub fn next(&self) -> Next {
        match (self.met, self.failed) {
            (None, None) => Next::Try(self.first),
            // A server that is that much faster than it looked is not searched any further.
            (Some(met), None) if met * STRIDE > self.first * REACH => Next::Found(met),
            (Some(met), None) => Next::Try(met * STRIDE),
            (None, Some(failed)) if failed / STRIDE < self.first / REACH => {
                Next::OutOfReach(failed)
            }
            (None, Some(failed)) => Next::Try(failed / STRIDE),
            (Some(met), Some(failed)) if failed <= met * PRECISION => Next::Found(met),
            (Some(met), Some(failed)) => Next::Try((met * failed).sqrt()),
        }
    }

    /// Takes a trial's outcome.
    pub fn note(&mut self, rate: f64, met: bool) {
        if met {
            self.met = Some(self.met.map_or(rate, |best| best.max(rate)));
        } else {
            self.failed = Some(self.failed.map_or(rate, |worst| worst.min(rate)));
        }
    }
}
