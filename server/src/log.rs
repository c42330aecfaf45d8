//! The log: one line an event on stdout, its fields as JSON or as `key=value`.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload::{self, Handle};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt};

/// The least severe events that are logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Requests that failed here, and what stops the server
    Error,
    /// What may become an error
    Warn,
    /// Each request of the API, and each refused one
    Info,
    /// Connections that broke or were closed
    Debug,
    /// All
    Trace,
}

impl Level {
    /// Libraries stay at `info`: below it they tell of every packet.
    fn directives(self) -> &'static str {
        match self {
            Level::Error => "error",
            Level::Warn => "warn",
            Level::Info => "info",
            Level::Debug => "info,uninlu_server=debug",
            Level::Trace => "info,uninlu_server=trace",
        }
    }
}

/// How an event is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// An object a line, for collectors
    Json,
    /// `key=value` (logfmt), for people
    Text,
}

/// Changes the level of a running log.
#[derive(Debug)]
pub struct Control {
    handle: Handle<EnvFilter, Registry>,
    /// `RUST_LOG` is set, and stronger than any level.
    is_fixed: bool,
}

impl Control {
    /// Sets the level.
    pub fn set(&self, level: Level) {
        if self.is_fixed {
            return;
        }
        if let Err(error) = self.handle.reload(EnvFilter::new(level.directives())) {
            tracing::warn!(%error, "the log level stays");
        }
    }
}

/// Begins to log.
pub fn start(format: Format, level: Level) -> Control {
    let asked = EnvFilter::try_from_default_env();
    let is_fixed = asked.is_ok();
    let filter = asked.unwrap_or_else(|_| EnvFilter::new(level.directives()));
    let (filter, handle) = reload::Layer::new(filter);
    let lines = match format {
        Format::Json => fmt::layer().json().flatten_event(true).boxed(),
        Format::Text => tracing_logfmt::layer().boxed(),
    };
    tracing_subscriber::registry()
        .with(filter)
        .with(lines)
        .init();
    Control { handle, is_fixed }
}
