//! Hot settings: a file that is watched, validated whole and swapped in at once.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use tokio::sync::watch;
use toml::de::DeTable;
pub use uninlu_settings::InForce;
use uninlu_settings::{NAMES, Settings};

use crate::metrics::Metrics;

/// What a file means.
#[derive(Debug, PartialEq)]
struct Read {
    settings: InForce,
    /// Names that this server does not know. A file may be written for a newer one.
    unknown: Vec<String>,
}

fn parse(text: &str) -> Result<Read, String> {
    let with_line = |error: toml::de::Error| with_line(text, &error);
    let table = DeTable::parse(text).map_err(with_line)?;
    let unknown = unknown(table.get_ref());
    let settings = Settings::deserialize(toml::Deserializer::from(table)).map_err(with_line)?;
    let wrong: Vec<String> = settings.check().iter().map(ToString::to_string).collect();
    if !wrong.is_empty() {
        return Err(wrong.join("; "));
    }
    Ok(Read {
        settings: settings.in_force(),
        unknown,
    })
}

fn unknown(table: &DeTable<'_>) -> Vec<String> {
    let names = table.keys().map(|name| name.get_ref().to_string());
    names
        .filter(|name| !NAMES.contains(&name.as_str()))
        .collect()
}

/// The parser's own text shows the lines themselves, which a line of the log has no room for.
fn with_line(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start));
    before.map_or_else(
        || error.message().to_owned(),
        |before| {
            let line = before.matches('\n').count() + 1;
            format!("line {line}: {}", error.message())
        },
    )
}

/// `key=value`, separated by spaces.
fn shown(settings: &InForce) -> String {
    let table = toml::Table::try_from(Settings::from(settings.clone())).unwrap_or_default();
    let entries = table.iter().map(|(key, value)| match value.as_str() {
        Some(text) => format!("{key}={text}"),
        None => format!("{key}={value}"),
    });
    entries.collect::<Vec<_>>().join(" ")
}

/// How often the file is looked at. The kubelet swaps a link, which not every notification survives; a look does.
const INTERVAL: Duration = Duration::from_secs(1);

/// Reads the file and goes on watching it. A file that is absent means the defaults; a bad one keeps what was before,
/// says why in the log, and counts in `uninlu_config_reloads_total{result="error"}`.
pub fn watch(file: PathBuf, metrics: Arc<Metrics>) -> watch::Receiver<InForce> {
    let (sender, receiver) = watch::channel(InForce::default());
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
    sender: &watch::Sender<InForce>,
    metrics: &Metrics,
) {
    let content = match std::fs::read_to_string(file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return,
        content => content.map_err(|error| error.to_string()),
    };
    if known.as_ref() == Some(&content) {
        return;
    }
    match content.as_deref().map_err(Clone::clone).and_then(parse) {
        Ok(read) => {
            for name in read.unknown {
                let known = NAMES.join(", ");
                tracing::warn!(name, known, "unknown setting; it has no effect");
            }
            let settings = shown(&read.settings);
            tracing::info!(settings, file = %file.display(), "settings loaded");
            metrics.reloads("ok");
            sender.send_replace(read.settings);
        }
        Err(reason) => {
            tracing::error!(error = reason, file = %file.display(), "invalid settings; the previous ones stay in force");
            metrics.reloads("error");
        }
    }
    *known = Some(content);
}

#[cfg(test)]
mod tests {
    use uninlu_settings::LogLevel;

    use super::*;

    fn in_force(text: &str) -> Result<InForce, String> {
        parse(text).map(|read| read.settings)
    }

    #[test]
    fn the_stack_files_own_form_is_read() {
        let settings = in_force("max-length = 512\nbatch-tokens = 4096\nmax-wait = \"1m30s\"\n")
            .expect("settings");
        assert_eq!(
            settings,
            InForce {
                max_length: 512,
                batch_tokens: 4_096,
                max_wait: Duration::from_secs(90),
                ..InForce::default()
            }
        );
    }

    #[test]
    fn a_level_of_the_log_may_be_named() {
        let level = |text| in_force(text).map(|settings| settings.log_level);
        assert_eq!(level("log-level = \"debug\""), Ok(Some(LogLevel::Debug)));
        for text in [
            "log-level = \"loud\"",
            "log-level = \"INFO\"",
            "log-level = 1",
        ] {
            assert!(level(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_file_for_a_newer_server_is_taken_as_far_as_it_is_known() {
        let read = parse("max-length = 8\nmax_length = 5\nmax-shards = { a = 1 }\n");
        let read = read.expect("settings");
        assert_eq!(read.settings.max_length, 8);
        assert_eq!(read.unknown, ["max-shards", "max_length"]);
    }

    #[test]
    fn the_log_shows_them_as_they_are_written() {
        let shown = shown(&InForce::default());
        assert!(shown.contains("max-length=10000"), "{shown}");
        assert!(
            shown.contains("max-wait=1s") && !shown.contains(['"', '(', '{']),
            "{shown}"
        );
    }

    #[test]
    fn an_error_names_its_line() {
        for (text, error) in [
            (
                "max-length = 8\n\nmax-work = 5\n",
                "line 3: invalid type: integer `5`",
            ),
            (
                "max-length = 8\nmax-wait = \"5\"\n",
                "line 2: `5` is not a duration",
            ),
            ("max-length = 8\n[", "line 2: "),
        ] {
            let refused = parse(text).expect_err(text);
            assert!(refused.starts_with(error), "{refused}");
            assert!(!refused.contains('\n'), "{refused}");
        }
    }

    #[test]
    fn what_is_shown_is_read_again() {
        for max_wait in [1_000, 90_000, 1_500] {
            let settings = InForce {
                max_wait: Duration::from_millis(max_wait),
                max_work: Duration::from_millis(max_wait * 7),
                ..InForce::default()
            };
            let shown = toml::to_string(&Settings::from(settings.clone())).expect("TOML");
            assert_eq!(in_force(&shown), Ok(settings), "{shown}");
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
            "max-length = \"many\"",
            "[",
        ] {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }
}
