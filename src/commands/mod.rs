//! One file per verb: the only orchestration. A command reads its facts, calls pure code, and writes through
//! [`crate::ui`] or [`crate::cluster`].

pub mod adopt;
pub mod apply;
pub mod build;
pub mod completions;
pub mod destroy;
pub mod diff;
pub mod drift;
pub mod explain;
pub mod gate;
pub mod history;
pub mod import;
pub mod init;
pub mod man;
pub mod plan;
pub mod rehearse;
pub mod render;
pub mod rollback;
pub mod schema;
pub mod simulate;
pub mod status;
pub mod validate;
pub mod verify;

pub mod common;
mod consent;
mod delivery;
mod discovery;
mod ending;
mod findings;
mod fleet;
mod late;
mod leave;
mod planning;
mod release;
mod saved;
