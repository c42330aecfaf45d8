//! Hot settings: a running server takes them from a file without a restart.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{LogLevel, duration};

/// Tokens of the longest pass that cannot be split: a window of 384 with a prompt of 128 (model specification).
pub const LONGEST_PASS: u32 = 512;

/// The names of all hot settings.
pub const NAMES: [&str; 6] = [
    "max-length",
    "batch-tokens",
    "max-wait",
    "max-work",
    "max-time",
    "log-level",
];

/// What a settings file writes. Names that are not known are skipped: the reader decides what they mean to it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Settings {
    /// Longest text that a request may carry, in Unicode code points; a longer one is refused, never cut.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_length: Option<u32>,
    /// Most tokens in one forward pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_tokens: Option<u32>,
    /// Longest predicted wait of a request that is still taken in a burst; one that would wait longer is refused.
    #[serde(skip_serializing_if = "Option::is_none", with = "duration::optional")]
    pub max_wait: Option<Duration>,
    /// Longest predicted work of one request, in time of the whole pod; a request with more is refused.
    #[serde(skip_serializing_if = "Option::is_none", with = "duration::optional")]
    pub max_work: Option<Duration>,
    /// Longest time between a request and its answer; a request that takes longer ends with an error.
    #[serde(skip_serializing_if = "Option::is_none", with = "duration::optional")]
    pub max_time: Option<Duration>,
    /// Takes precedence over the level that the server was started with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_level: Option<LogLevel>,
}

/// The settings with defaults in the place of what is not written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InForce {
    /// See [`Settings::max_length`].
    pub max_length: u32,
    /// See [`Settings::batch_tokens`].
    pub batch_tokens: u32,
    /// See [`Settings::max_wait`].
    pub max_wait: Duration,
    /// See [`Settings::max_work`].
    pub max_work: Duration,
    /// See [`Settings::max_time`].
    pub max_time: Duration,
    /// See [`Settings::log_level`]; without it the level of the start holds.
    pub log_level: Option<LogLevel>,
}

impl Default for InForce {
    fn default() -> Self {
        Self {
            max_length: 10_000,
            batch_tokens: 4_096,
            max_wait: Duration::from_secs(1),
            max_work: Duration::from_secs(5),
            max_time: Duration::from_secs(30),
            log_level: None,
        }
    }
}

/// A setting with a value that would break the server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}: {help}")]
pub struct Wrong {
    /// Its name.
    pub name: &'static str,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: String,
}

impl Settings {
    /// With the defaults in the place of what is not written.
    pub fn in_force(&self) -> InForce {
        let default = InForce::default();
        InForce {
            max_length: self.max_length.unwrap_or(default.max_length),
            batch_tokens: self.batch_tokens.unwrap_or(default.batch_tokens),
            max_wait: self.max_wait.unwrap_or(default.max_wait),
            max_work: self.max_work.unwrap_or(default.max_work),
            max_time: self.max_time.unwrap_or(default.max_time),
            log_level: self.log_level,
        }
    }

    /// The names of the settings that are written, in the order of [`NAMES`].
    pub fn names(&self) -> Vec<&'static str> {
        let is_written = [
            self.max_length.is_some(),
            self.batch_tokens.is_some(),
            self.max_wait.is_some(),
            self.max_work.is_some(),
            self.max_time.is_some(),
            self.log_level.is_some(),
        ];
        let names = NAMES.into_iter().zip(is_written);
        names
            .filter_map(|(name, is_written)| is_written.then_some(name))
            .collect()
    }

    /// These settings reduced to those that `other` writes.
    #[must_use]
    pub fn as_far_as(self, other: &Self) -> Self {
        Self {
            max_length: self.max_length.filter(|_| other.max_length.is_some()),
            batch_tokens: self.batch_tokens.filter(|_| other.batch_tokens.is_some()),
            max_wait: self.max_wait.filter(|_| other.max_wait.is_some()),
            max_work: self.max_work.filter(|_| other.max_work.is_some()),
            max_time: self.max_time.filter(|_| other.max_time.is_some()),
            log_level: self.log_level.filter(|_| other.log_level.is_some()),
        }
    }

    /// Every value that would break the server.
    pub fn check(&self) -> Vec<Wrong> {
        let wrong = |name: &'static str, why: &str, least: &str| Wrong {
            name,
            message: format!("`{name}` {why}"),
            help: format!("write at least {least}"),
        };
        let mut found = Vec::new();
        if self.max_length == Some(0) {
            found.push(wrong("max-length", "0 would refuse every text", "1"));
        }
        if self
            .batch_tokens
            .is_some_and(|tokens| tokens < LONGEST_PASS)
        {
            let why = format!("is below {LONGEST_PASS}, the tokens of one window with its prompt");
            found.push(wrong("batch-tokens", &why, &LONGEST_PASS.to_string()));
        }
        for (name, duration, whom) in [
            ("max-wait", self.max_wait, "every request that is not alone"),
            ("max-work", self.max_work, "every request"),
            ("max-time", self.max_time, "every request"),
        ] {
            if duration == Some(Duration::ZERO) {
                found.push(wrong(name, &format!("0 would refuse {whom}"), "\"1s\""));
            }
        }
        found
    }
}

impl From<InForce> for Settings {
    fn from(settings: InForce) -> Self {
        Self {
            max_length: Some(settings.max_length),
            batch_tokens: Some(settings.batch_tokens),
            max_wait: Some(settings.max_wait),
            max_work: Some(settings.max_work),
            max_time: Some(settings.max_time),
            log_level: settings.log_level,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Settings {
        Settings {
            log_level: Some(LogLevel::Debug),
            ..InForce::default().into()
        }
    }

    #[test]
    fn what_is_not_written_has_its_default() {
        assert_eq!(Settings::default().in_force(), InForce::default());
        assert_eq!(
            all().in_force(),
            InForce {
                log_level: Some(LogLevel::Debug),
                ..InForce::default()
            }
        );
    }

    #[test]
    fn only_what_is_written_is_named() {
        assert_eq!(all().names(), NAMES);
        let one = Settings {
            max_work: Some(Duration::from_secs(2)),
            ..Settings::default()
        };
        assert_eq!(one.names(), ["max-work"]);
        assert_eq!(all().as_far_as(&one).names(), ["max-work"]);
    }

    #[test]
    fn the_defaults_are_valid() {
        assert_eq!(all().check(), []);
    }

    #[test]
    fn all_wrong_values_are_named_at_once() {
        let wrong = Settings {
            max_length: Some(0),
            batch_tokens: Some(511),
            max_wait: Some(Duration::ZERO),
            max_work: Some(Duration::ZERO),
            max_time: Some(Duration::ZERO),
            log_level: None,
        };
        let names: Vec<_> = wrong.check().iter().map(|wrong| wrong.name).collect();
        assert_eq!(names, NAMES[..5]);
    }
}
