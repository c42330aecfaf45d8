//! `uninlu` deploys one kind of service well: a SiameseUniNLU inference server on Kubernetes.
//!
//! The way of the data, one module a step (`ARCHITECTURE.md` tells the invariants):
//!
//! ```text
//! uninlu.toml ──stack::load──▶ Stack                     pure behind one file read
//! Stack ──image──▶ digest of the inputs ─▶ reference     IO    the tag is known without a build
//! Stack + reference ──kinds::desired──▶ Desired          pure
//! Desired ──cluster::observe──▶ Live                     IO    one LIST per kind + one dry-run PATCH per object
//! Desired + Live ──plan──▶ Plan                          pure
//! Stack + Plan ──gate──▶ Findings                        pure
//! Plan ──cluster::apply──▶ what was done                 IO    decides nothing
//! watch events ──kinds::progress──▶ rollout report       pure step inside an IO loop
//! Stack + what runs ──verify::check──▶ Checks            pure
//! ```

mod atomic;
mod bounded;
pub mod cli;
pub mod cluster;
pub mod commands;
pub mod document;
pub mod gate;
pub mod image;
pub mod import;
mod interruption;
pub mod junit;
mod permissions;
pub mod profile_file;
pub mod rehearse;
mod report;
mod revision;
pub mod stack;
pub mod ui;
pub mod verify;
mod who;

pub use uninlu_objects as kinds;
pub use uninlu_plan as plan;
pub use uninlu_rules as rules;
pub(crate) use uninlu_simulate::quantile;
pub use uninlu_simulate::{self as simulate, profile};
pub(crate) use uninlu_text::escape;
