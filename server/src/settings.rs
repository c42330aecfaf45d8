//! Hot settings: a file that is watched, validated whole and swapped in at once.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tokio::sync::watch;

use crate::log::Level;
use crate::metrics::Metrics;

/// What may change while the server runs.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// Longest text that a request may carry, in Unicode code points; a longer one is refused, never cut.
    pub max_length: usize,
    /// Most tokens in one forward pass.
    pub batch_tokens: usize,
    /// Longest predicted wait of a request that is still taken in a burst; who would wait longer is refused with 429.
    #[serde(deserialize_with = "duration", serialize_with = "without_spaces")]
    pub max_wait: Duration,
    /// Stands over the level that the server was started with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_level: Option<Level>,
    /// Longest predicted work of one request, in time of the whole pod; a request beyond it is refused with 422.
    #[serde(deserialize_with = "duration", serialize_with = "without_spaces")]
    pub max_work: Duration,
    /// Longest time between a request and its answer; what takes longer ends with 503.
    #[serde(deserialize_with = "duration", serialize_with = "without_spaces")]
    pub max_time: Duration,
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    humantime::parse_duration(&text).map_err(D::Error::custom)
}

/// `1m30s`, which is read again here and by Go.
fn without_spaces<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    let text = humantime::format_duration(*duration).to_string();
    serializer.serialize_str(&text.replace(' ', ""))
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_length: 10_000,
            batch_tokens: 4_096,
            max_wait: Duration::from_secs(1),
            log_level: None,
            max_work: Duration::from_secs(5),
            max_time: Duration::from_secs(30),
        }
    }
}

/// `key=value`, parted by spaces.
impl fmt::Display for Settings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let table = toml::Table::try_from(self).map_err(|_| fmt::Error)?;
        for (index, (key, value)) in table.iter().enumerate() {
            let space = if index == 0 { "" } else { " " };
            match value.as_str() {
                Some(text) => write!(formatter, "{space}{key}={text}")?,
                None => write!(formatter, "{space}{key}={value}")?,
            }
        }
        Ok(())
    }
}

impl Settings {
    /// Reads the file's text.
    ///
    /// # Errors
    /// What is wrong, with the line.
    pub fn parse(text: &str) -> Result<Self, String> {
        let settings: Settings = toml::from_str(text).map_err(|error| error.to_string())?;
        if settings.max_length == 0 {
            return Err("max-length 0 would refuse every text".into());
        }
        if settings.batch_tokens < 512 {
            return Err(
                "batch-tokens is below 512, the tokens of one window with its prompt".into(),
            );
        }
        if settings.max_wait.is_zero() {
            return Err("max-wait 0 would refuse every request that has to wait".into());
        }
        for (key, duration) in [
            ("max-work", settings.max_work),
            ("max-time", settings.max_time),
        ] {
            if duration.is_zero() {
                return Err(format!("{key} 0 would refuse every request"));
            }
        }
        Ok(settings)
    }
}

/// How often the file is looked at. The kubelet swaps a link, which not every notification survives; a look does.
const INTERVAL: Duration = Duration::from_secs(1);

/// Reads the file and goes on watching it. A file that is absent means the defaults; a bad one keeps what was before,
/// says why in the log, and counts in `uninlu_config_reloads_total{result="error"}`.
pub fn watch(file: PathBuf, metrics: Arc<Metrics>) -> watch::Receiver<Settings> {
    let (sender, receiver) = watch::channel(Settings::default());
    let mut known = None;
    look(&file, &mut known, &sender, &metrics);
    tokio::spawn(async move {
        let mut interval = tokio::time::interval(INTERVAL);
        while !sender.is_closed() {
            interval.tick().await;
            look(&file, &mut known, &sender, &metrics);
        }
    });
    receiver
}

fn look(
    file: &std::path::Path,
    known: &mut Option<Result<String, String>>,
    sender: &watch::Sender<Settings>,
    metrics: &Metrics,
) {
    let content = match std::fs::read_to_string(file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return,
        content => content.map_err(|error| error.to_string()),
    };
    if known.as_ref() == Some(&content) {
        return;
    }
    match content
        .as_deref()
        .map_err(Clone::clone)
        .and_then(Settings::parse)
    {
        Ok(settings) => {
            tracing::info!(%settings, file = %file.display(), "settings taken");
            metrics.reloads("ok");
            sender.send_replace(settings);
        }
        Err(fault) => {
            tracing::error!(fault, file = %file.display(), "settings refused; the old ones stay");
            metrics.reloads("error");
        }
    }
    *known = Some(content);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stack_files_own_form_is_read() {
        let settings =
            Settings::parse("max-length = 512\nbatch-tokens = 4096\nmax-wait = \"1m30s\"\n")
                .expect("settings");
        assert_eq!(
            settings,
            Settings {
                max_length: 512,
                batch_tokens: 4_096,
                max_wait: Duration::from_secs(90),
                ..Settings::default()
            }
        );
    }

    #[test]
    fn a_level_of_the_log_may_be_named() {
        let level = |text| Settings::parse(text).map(|settings| settings.log_level);
        assert_eq!(level("log-level = \"debug\""), Ok(Some(Level::Debug)));
        for text in [
            "log-level = \"loud\"",
            "log-level = \"INFO\"",
            "log-level = 1",
        ] {
            assert!(level(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_log_tells_them_as_they_are_written() {
        let told = Settings::default().to_string();
        assert!(
            told.contains("max-length=10000 ") || told.ends_with("max-length=10000"),
            "{told}"
        );
        assert!(
            told.contains("max-wait=1s") && !told.contains(['"', '(', '{']),
            "{told}"
        );
    }

    #[test]
    fn what_is_told_is_read_again() {
        for max_wait in [1_000, 90_000, 1_500] {
            let settings = Settings {
                max_wait: Duration::from_millis(max_wait),
                max_work: Duration::from_millis(max_wait * 7),
                ..Settings::default()
            };
            let told = toml::to_string(&settings).expect("TOML");
            assert_eq!(Settings::parse(&told), Ok(settings), "{told}");
        }
    }

    #[test]
    fn what_would_break_the_server_is_refused() {
        for text in [
            "max-length = 0",
            "batch-tokens = 100",
            "max-wait = \"0s\"",
            "max-wait = 5",
            "max-work = \"0s\"",
            "max-time = \"0s\"",
            "max-time = \"-1s\"",
            "max_length = 5",
            "max-length = \"many\"",
            "[",
        ] {
            assert!(Settings::parse(text).is_err(), "{text:?}");
        }
    }
}
