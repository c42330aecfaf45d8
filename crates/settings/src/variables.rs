//! The server's environment variables, and the values that both sides take where nothing is written.

use std::time::Duration;

/// Folder of the model in the container.
pub const MODEL: &str = "UNINLU_MODEL";
/// Address that the server listens on.
pub const LISTEN: &str = "UNINLU_LISTEN";
/// Address for probes and metrics alone.
pub const MANAGEMENT_LISTEN: &str = "UNINLU_MANAGEMENT_LISTEN";
/// Connections at once.
pub const MAX_CONNECTIONS: &str = "UNINLU_MAX_CONNECTIONS";
/// Least severe events in the log.
pub const LOG_LEVEL: &str = "UNINLU_LOG_LEVEL";
/// How the log is written.
pub const LOG_FORMAT: &str = "UNINLU_LOG_FORMAT";
/// File of the hot settings.
pub const SETTINGS: &str = "UNINLU_SETTINGS";
/// Text predicted once before the server is ready.
pub const WARMUP: &str = "UNINLU_WARMUP";
/// Longest time from SIGTERM to the end of the process.
pub const DRAIN: &str = "UNINLU_DRAIN";
/// Cores to use.
pub const THREADS: &str = "UNINLU_THREADS";
/// How the network computes: the name of a [`crate::Precision`].
pub const PRECISION: &str = "UNINLU_PRECISION";
/// File with the key that callers must send.
pub const API_KEY_FILE: &str = "UNINLU_API_KEY_FILE";
/// Origins whose pages may call the API, separated by commas.
pub const CORS_ORIGINS: &str = "UNINLU_CORS_ORIGINS";
/// Where the model runs: `auto`, `cpu` or `cuda:N`.
pub const DEVICE: &str = "UNINLU_DEVICE";
/// OpenTelemetry's: base URL of the receiver of traces.
pub const TRACES_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
/// OpenTelemetry's: name of the service in traces.
pub const TRACES_SERVICE: &str = "OTEL_SERVICE_NAME";

/// Where the image holds a model, and where a volume is mounted by default.
pub const DEFAULT_MODEL: &str = "/app/model";
/// Port that the server listens on.
pub const DEFAULT_PORT: u16 = 7860;
/// Address that the server listens on.
pub const DEFAULT_LISTEN: &str = "0.0.0.0:7860";
/// Folder that holds the settings file.
pub const SETTINGS_FOLDER: &str = "/etc/uninlu";
/// Name of the settings file in that folder.
pub const SETTINGS_FILE: &str = "settings.toml";
/// The settings file.
pub const DEFAULT_SETTINGS: &str = "/etc/uninlu/settings.toml";
/// Longest drain.
pub const DEFAULT_DRAIN: Duration = Duration::from_secs(20);
/// The same as it is written.
pub const DEFAULT_DRAIN_TEXT: &str = "20s";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_default_fit_together() {
        assert_eq!(DEFAULT_LISTEN, format!("0.0.0.0:{DEFAULT_PORT}"));
        assert_eq!(
            DEFAULT_SETTINGS,
            format!("{SETTINGS_FOLDER}/{SETTINGS_FILE}")
        );
        assert_eq!(DEFAULT_DRAIN_TEXT, crate::duration::text(DEFAULT_DRAIN));
    }
}
