//! One file per verb: the only orchestration. A command reads its facts, calls pure code, and writes through
//! [`crate::ui`] or [`crate::cluster`].

pub mod init;
pub mod schema;
pub mod validate;
