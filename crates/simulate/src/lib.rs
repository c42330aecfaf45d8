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
mod time;
mod variant;

use profile::Profile;
use time::{Micros, SECOND, micros, seconds};
use uninlu_stack::Stack;

pub use load::{InvalidLoad, Load};
pub use page::page;
pub use report::{Options, Report};
pub use text::text;

/// Plays the stack under the load, which was given as `text`.
pub fn report(
    stack: &Stack,
    profile: &Profile,
    load: &Load,
    text: &str,
    options: Options,
) -> Report {
    let report = report::report(stack, profile, load, text, options);
    Report {
        answer: text::answer(&report),
        ..report
    }
}
