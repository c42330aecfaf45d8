//! `[server]`: hot settings, which running pods take without a restart.

use std::ops::Range;

use schemars::JsonSchema;
use serde::Deserialize;
use uninlu_settings::{LogLevel, Settings};

use super::Duration;
use super::at::At;
use super::choice;
use super::fault::Faults;

/// Hot settings: running pods take them without a restart
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Server")]
pub(super) struct RawServer {
    /// Longest text that a request may carry, in code points; a longer one is refused with 413, never cut (default 10000)
    max_length: Option<At<u32>>,
    /// Most tokens in one forward pass (default 4096)
    batch_tokens: Option<At<u32>>,
    /// Longest predicted wait of a request that is still taken in a burst; a request that would wait longer is refused
    /// with 429 (default "1s")
    max_wait: Option<At<Duration>>,
    /// Least severe events in the server's log: `error`, `warn`, `info`, `debug` or `trace` (default: the server's, `info`)
    #[schemars(schema_with = "choice::schema::<LogLevel>")]
    log_level: Option<At<LogLevel>>,
    /// Longest predicted time of the whole pod that one request may take; a request with more is refused with 422, with
    /// how it was counted (default "5s")
    max_work: Option<At<Duration>>,
    /// Longest time from a request to its answer; a request that takes longer ends with 503 (default "30s")
    max_time: Option<At<Duration>>,
}

impl RawServer {
    pub(super) fn validate(self, faults: &mut Faults) -> Settings {
        let seconds = |key: &Option<At<Duration>>| key.as_ref().map(|at| at.value.into());
        let settings = Settings {
            max_length: self.max_length.as_ref().map(|at| at.value),
            batch_tokens: self.batch_tokens.as_ref().map(|at| at.value),
            max_wait: seconds(&self.max_wait),
            max_work: seconds(&self.max_work),
            max_time: seconds(&self.max_time),
            log_level: self.log_level.as_ref().map(|at| at.value),
        };
        let places = [
            ("max-length", place(&self.max_length)),
            ("batch-tokens", place(&self.batch_tokens)),
            ("max-wait", place(&self.max_wait)),
            ("max-work", place(&self.max_work)),
            ("max-time", place(&self.max_time)),
        ];
        for wrong in settings.check() {
            let place = places.iter().find(|(name, _)| *name == wrong.name);
            let place = place.map(|(_, place)| place.clone()).unwrap_or_default();
            faults.add(&place, wrong.message, wrong.help);
        }
        settings
    }
}

fn place<T>(key: &Option<At<T>>) -> Range<usize> {
    key.as_ref().map(|at| at.span.clone()).unwrap_or_default()
}
