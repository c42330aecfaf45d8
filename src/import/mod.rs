//! Another tool's chart, manifests or live objects → a stack file, and what is wrong in them.
//!
//! ```text
//! files ──chart::read──▶ Source      templates rendered line by line, so that each field knows its places
//! live objects ────────▶ Source
//! Source ──rules──▶ Findings         over objects, never over a chart's text
//! Source ──draft──▶ Draft ──▶ text   what a stack can say, and what was left out, with reasons
//! ```
//! All of it is pure.

mod chart;
mod draft;
mod findings;
mod modern;
mod object;
mod report;
mod view;
mod write;

use uninlu_helm_template::{self as template, yaml};

pub use chart::{Chart, Refused, live, running_pods};
pub use draft::{Draft, Given, Left, draft};
pub use findings::{Finding, check};
pub use object::{Object, Source};
pub use report::{Report, json, text};
pub use uninlu_helm_template::Place;
pub use write::{Action, Effect, Imported, Noted, written};
