//! Traces of requests, sent by OTLP where the usual environment variables name a collector.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{Span, SpanKind, Status, Tracer as _, TracerProvider};
use opentelemetry::{Context, KeyValue, trace::SpanBuilder};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};

use crate::http::TraceContext;

/// Either of them turns traces on.
const ENDPOINTS: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
];

/// Makes spans of requests.
#[derive(Debug, Clone)]
pub struct Traces {
    provider: Arc<SdkTracerProvider>,
    tracer: SdkTracer,
}

/// What is told of a request.
#[derive(Debug)]
pub struct Answered<'a> {
    /// The trace that the request belongs to, if its caller named one.
    pub context: Option<&'a TraceContext>,
    /// Method.
    pub method: &'a str,
    /// The matched route.
    pub route: &'a str,
    /// Status of the answer.
    pub code: u16,
    /// Id of the request.
    pub id: &'a str,
    /// From the request's head to the answer.
    pub took: Duration,
}

impl Traces {
    /// Nothing without an endpoint.
    ///
    /// # Errors
    /// An endpoint that is none.
    pub fn from_environment() -> Result<Option<Self>, String> {
        if ENDPOINTS
            .iter()
            .all(|name| std::env::var_os(name).is_none())
        {
            return Ok(None);
        }
        let exporter = opentelemetry_otlp::SpanExporter::builder()
            .with_http()
            .build()
            .map_err(|error| {
                format!(
                    "cannot send traces: {error}; fix: set {} to the URL of a collector",
                    ENDPOINTS[0]
                )
            })?;
        let provider = SdkTracerProvider::builder()
            .with_resource(
                Resource::builder()
                    .with_service_name(
                        std::env::var("OTEL_SERVICE_NAME")
                            .unwrap_or_else(|_| "uninlu-server".into()),
                    )
                    .build(),
            )
            .with_batch_exporter(exporter)
            .build();
        let tracer = provider.tracer("uninlu-server");
        Ok(Some(Self {
            provider: Arc::new(provider),
            tracer,
        }))
    }

    /// Sends a request's span when its batch is full, or within seconds.
    pub fn answered(&self, request: &Answered<'_>) {
        let end = SystemTime::now();
        let parent = request.context.map_or_else(Context::new, |context| {
            TraceContextPropagator::new().extract(context)
        });
        let name = format!("{} {}", request.method, request.route);
        let builder = SpanBuilder::from_name(name)
            .with_kind(SpanKind::Server)
            .with_start_time(end - request.took)
            .with_attributes([
                KeyValue::new("http.request.method", request.method.to_owned()),
                KeyValue::new("http.route", request.route.to_owned()),
                KeyValue::new("http.response.status_code", i64::from(request.code)),
                KeyValue::new("http.request.header.x-request-id", request.id.to_owned()),
            ]);
        let mut span = self.tracer.build_with_context(builder, &parent);
        if request.code >= 500 {
            span.set_status(Status::error(request.code.to_string()));
        }
        span.end_with_timestamp(end);
    }

    /// Sends what is left. Blocks for as long as the collector takes.
    pub fn flush(&self) {
        if let Err(error) = self.provider.shutdown() {
            tracing::warn!(%error, "cannot send the last traces");
        }
    }
}
