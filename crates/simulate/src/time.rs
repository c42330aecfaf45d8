//! Time of the simulation.

/// Microseconds: integers, so that the order of events is the same everywhere.
pub(super) type Micros = i64;

pub(super) const SECOND: Micros = 1_000_000;

pub(super) fn micros(seconds: f64) -> Micros {
    (seconds * SECOND as f64).round() as Micros
}

pub(super) fn seconds(micros: Micros) -> f64 {
    micros as f64 / SECOND as f64
}
