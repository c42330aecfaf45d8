//! The stack file on this machine: the reads around `uninlu-stack`, which parses and checks the text.

mod files;
mod weights;

pub(crate) use files::is_pipe;
pub use files::{LoadError, check, file_at, load, load_every, read, source, source_of, stack_of};
pub use uninlu_stack::*;
pub use weights::weights_size;
