//! A load replayed through the stack's autoscaler, with what was measured of its pods (`docs/simulate.md`).
//!
//! ```text
//! --load ──load──▶ arrivals                       pure, by a seed
//! Stack ──variant──▶ variants of its autoscaler   pure
//! Profile ──pod──▶ what one pod carries           pure, set to the measured latency
//! arrivals + variant + pods ──run──▶ Outcome      pure, discrete events
//! Outcomes ──report──▶ text, JSON, page           pure
//! ```

pub mod hpa;

mod chart;
mod fleet;
mod load;
mod metrics;
mod page;
mod pod;
pub mod profile;
pub mod quantile;
mod random;
mod report;
mod run;
mod text;
mod variant;

pub use load::{InvalidLoad, Load};
pub use page::page;
pub use report::{Options, Report, VERSION, report};
pub use text::text;

/// Microseconds: integers, so that the order of events is the same everywhere.
type Micros = i64;

const SECOND: Micros = 1_000_000;

fn micros(seconds: f64) -> Micros {
    (seconds * SECOND as f64).round() as Micros
}

fn seconds(micros: Micros) -> f64 {
    micros as f64 / SECOND as f64
}
