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
mod play;
mod pod;
pub mod profile;
pub mod quantile;
mod random;
mod report;
mod run;
mod text;
mod time;
mod variant;
mod verdict;

use time::{Micros, SECOND, micros, seconds};

pub use load::{InvalidLoad, Load};
pub use page::page;
pub use play::report;
pub use report::{Options, Report};
pub use text::text;
