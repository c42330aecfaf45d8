//! What the tool writes and the server reads. Both sides use these types, so a name, a default or a check is written
//! here and nowhere else.

mod choice;
pub mod duration;
pub mod image;
mod settings;
pub mod variables;

pub use choice::{Choice, LogLevel, Precision};
pub use settings::{InForce, LONGEST_PASS, NAMES, Settings, Wrong};

/// Why a text is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}: {help}")]
pub struct Refused {
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: String,
}

impl Refused {
    /// What is wrong, and what to do.
    pub fn new(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            help: help.into(),
        }
    }
}
