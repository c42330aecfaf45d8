//! `[tracing]`: where traces of requests are sent.

use http::Uri;
use schemars::JsonSchema;
use serde::Deserialize;

use super::at::At;
use super::fault::Faults;

/// Where traces are sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Collector {
    /// Base URL of an OTLP/HTTP receiver; `/v1/traces` is added to it.
    pub endpoint: String,
    /// Port of it, for the NetworkPolicy.
    pub port: u16,
}

/// Traces of requests, sent by OTLP over HTTP
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Tracing")]
pub(super) struct RawTracing {
    /// The collector, such as `http://otel-collector.observability:4318` (default: no traces)
    endpoint: Option<At<String>>,
}

impl RawTracing {
    pub(super) fn validate(self, faults: &mut Faults) -> Option<Collector> {
        let at = self.endpoint?;
        let port = port(&at.value);
        faults.check(
            port.is_some(),
            &at.span,
            format!("`{}` is not an OTLP/HTTP endpoint", at.value),
            "write `http://HOST:4318`: the server's image has no certificates, so a collector beside it takes plain HTTP",
        );
        Some(Collector {
            port: port?,
            endpoint: at.value,
        })
    }
}

/// Of an `http` URL; `None` when it is not one.
fn port(endpoint: &str) -> Option<u16> {
    let uri: Uri = endpoint.parse().ok()?;
    let is_http = uri.scheme_str() == Some("http") && !uri.host()?.is_empty();
    (is_http && uri.query().is_none()).then(|| uri.port_u16().unwrap_or(80))
}
