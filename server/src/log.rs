//! The log: one line an event on stdout, its fields as JSON or as `key=value`.

use clap::ValueEnum;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload::{self, Handle};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt};
use uninlu_settings::LogLevel;

/// Libraries stay at `info`: below it they report every packet.
fn directives(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "info,uninlu_server=debug",
        LogLevel::Trace => "info,uninlu_server=trace",
    }
}

/// How an event is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// One JSON object a line, for collectors
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
    pub fn set(&self, level: LogLevel) {
        if self.is_fixed {
            return;
        }
        if let Err(error) = self.handle.reload(EnvFilter::new(directives(level))) {
            tracing::warn!(%error, "cannot change the log level");
        }
    }
}

/// Begins to log.
pub fn start(format: Format, level: LogLevel) -> Control {
    let asked = EnvFilter::try_from_default_env();
    let is_fixed = asked.is_ok();
    let filter = asked.unwrap_or_else(|_| EnvFilter::new(directives(level)));
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
