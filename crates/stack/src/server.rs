//! `[server]`: hot settings, which running pods take without a restart.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::Duration;
use super::at::{At, value_or};
use super::fault::Faults;

/// Hot settings, mounted as `/etc/uninlu/settings.toml`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ServerSettings {
    /// Longest text that a request may carry, in Unicode code points; a longer one is refused, never cut.
    pub max_length: u32,
    /// Most tokens in one forward pass.
    pub batch_tokens: u32,
    /// Longest predicted wait of a request that is still taken; who would wait longer is refused with 429.
    pub max_wait: Duration,
    /// Longest predicted work of one request. None where it is not written: the server's own default holds, and an image
    /// from before the key is not given one that it does not know.
    pub max_work: Option<Duration>,
    /// Longest time until an answer; as [`Self::max_work`].
    pub max_time: Option<Duration>,
    /// Least severe events in the log; `None` leaves it to the image (`info`).
    pub log_level: Option<LogLevel>,
}

impl ServerSettings {
    /// The keys and their values as the server reads them. The later ones only where they are written: a server from
    /// before a key refuses a file that holds it.
    pub fn entries(&self) -> Vec<(&'static str, Value)> {
        let text = |duration: Duration| Value::from(duration.to_string());
        let always = [
            ("max-length", self.max_length.into()),
            ("batch-tokens", self.batch_tokens.into()),
            ("max-wait", text(self.max_wait)),
        ];
        let written = [
            ("max-work", self.max_work.map(text)),
            ("max-time", self.max_time.map(text)),
            ("log-level", self.log_level.map(|level| level.name().into())),
        ];
        let written = written
            .into_iter()
            .filter_map(|(key, value)| Some((key, value?)));
        always.into_iter().chain(written).collect()
    }
}

/// Least severe events in the log
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// What failed in the server
    Error,
    /// What may become an error
    Warn,
    /// Each request of the API, and each refused one
    Info,
    /// Connections that were closed too
    Debug,
    /// All
    Trace,
}

impl LogLevel {
    /// As the server reads it.
    pub const fn name(self) -> &'static str {
        match self {
            LogLevel::Error => "error",
            LogLevel::Warn => "warn",
            LogLevel::Info => "info",
            LogLevel::Debug => "debug",
            LogLevel::Trace => "trace",
        }
    }
}

/// Hot settings: running pods take them without a restart
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Server")]
pub(super) struct RawServer {
    /// Longest text that a request may carry, in code points; a longer one is refused with 413, never cut (default 10000)
    max_length: Option<At<u32>>,
    /// Most tokens in one forward pass (default 4096)
    batch_tokens: Option<At<u32>>,
    /// Longest predicted wait of a request that is still taken in a burst; who would wait longer is refused with 429
    /// (default "1s")
    max_wait: Option<At<Duration>>,
    /// Least severe events in the server's log: `error`, `warn`, `info`, `debug` or `trace` (default: the server's, `info`)
    log_level: Option<At<LogLevel>>,
    /// Longest predicted time of the whole pod that one request may take; what asks more is refused with 422, with how it
    /// was counted (without it the server's default holds: 5s)
    max_work: Option<At<Duration>>,
    /// Longest time from a request to its answer; what takes longer ends with 503 (without it the server's default holds:
    /// 30s)
    max_time: Option<At<Duration>>,
}

/// Tokens of the longest pass that cannot be split: a window of 384 with a hint of 128 (model specification).
const LONGEST_PASS: u32 = 512;

impl RawServer {
    pub(super) fn validate(self, faults: &mut Faults) -> ServerSettings {
        if let Some(at) = &self.max_length {
            faults.check(
                at.value > 0,
                &at.span,
                "`max-length` 0 would refuse every text",
                "write at least 1",
            );
        }
        if let Some(at) = &self.batch_tokens {
            faults.check(
                at.value >= LONGEST_PASS,
                &at.span,
                format!(
                    "`batch-tokens` is below {LONGEST_PASS}, the tokens of one window with its hint"
                ),
                format!("write at least {LONGEST_PASS}"),
            );
        }
        if let Some(at) = &self.max_wait {
            faults.check(
                at.value.seconds > 0,
                &at.span,
                "`max-wait` 0 would refuse whoever is not alone",
                "write at least \"1s\"",
            );
        }
        for (key, at) in [("max-work", &self.max_work), ("max-time", &self.max_time)] {
            if let Some(at) = at {
                faults.check(
                    at.value.seconds > 0,
                    &at.span,
                    format!("`{key}` 0 would refuse every request"),
                    "write at least \"1s\"",
                );
            }
        }
        ServerSettings {
            max_length: value_or(&self.max_length, 10_000),
            batch_tokens: value_or(&self.batch_tokens, 4_096),
            max_wait: value_or(&self.max_wait, Duration::seconds(1)),
            log_level: self.log_level.map(|at| at.value),
            max_work: self.max_work.map(|at| at.value),
            max_time: self.max_time.map(|at| at.value),
        }
    }
}
