//! Metrics for Prometheus. Every series that matters is there at 0 from the start, so that a rate is never missing.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::cgroup::Throttling;

/// Seconds; from a cached answer to a text of many windows.
const BUCKETS: [f64; 12] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: String,
    route: String,
    code: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    route: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StageLabels {
    stage: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabels {
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabels {
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    reason: &'static str,
}

/// Reasons of the refusals that bound work, there from the start; others are there once they came.
const BOUNDS: [&str; 7] = [
    "overloaded",
    "too_late",
    "max_work",
    "max_time",
    "schema_too_large",
    "too_many_entities",
    "answer_too_large",
];

type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

/// What a batch cost.
#[derive(Debug, Clone, Copy)]
pub struct Work {
    /// Time in the towers.
    pub towers: Duration,
    /// Time in the cross layers.
    pub cross: Duration,
    /// Rows of the matrices that are tokens.
    pub true_tokens: usize,
    /// Rows that only fill them up.
    pub padded_tokens: usize,
}

/// The server's metrics.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    refusals: Family<ReasonLabels, Counter>,
    durations: Histograms<RouteLabels>,
    work: Histogram,
    in_flight: Gauge,
    forward: Histograms<StageLabels>,
    queue_tokens: Gauge,
    queue_wait: Gauge<f64, std::sync::atomic::AtomicU64>,
    batch_tokens: Family<StateLabels, Counter>,
    failed_passes: Counter,
    busy: Counter<f64, std::sync::atomic::AtomicU64>,
    model_load: Gauge<f64, std::sync::atomic::AtomicU64>,
    reloads: Family<ResultLabels, Counter>,
}

fn histogram() -> Histogram {
    Histogram::new(BUCKETS)
}

impl Default for Metrics {
    fn default() -> Self {
        let metrics = Self {
            registry: Registry::default(),
            requests: Family::default(),
            refusals: Family::default(),
            durations: Family::new_with_constructor(histogram as fn() -> Histogram),
            work: histogram(),
            in_flight: Gauge::default(),
            forward: Family::new_with_constructor(histogram as fn() -> Histogram),
            queue_tokens: Gauge::default(),
            queue_wait: Gauge::default(),
            batch_tokens: Family::default(),
            failed_passes: Counter::default(),
            busy: Counter::default(),
            model_load: Gauge::default(),
            reloads: Family::default(),
        };
        metrics.start_at_zero();
        metrics.registered()
    }
}

impl Metrics {
    fn start_at_zero(&self) {
        for code in [200, 429] {
            drop(
                self.requests
                    .get_or_create(&request_labels("POST", "/api/predict", code)),
            );
        }
        drop(self.durations.get_or_create(&RouteLabels {
            route: "/api/predict".into(),
        }));
        for reason in BOUNDS {
            drop(self.refusals.get_or_create(&ReasonLabels { reason }));
        }
        for stage in ["towers", "cross"] {
            drop(self.forward.get_or_create(&StageLabels { stage }));
        }
        for state in ["true", "padded"] {
            drop(self.batch_tokens.get_or_create(&StateLabels { state }));
        }
        for result in ["ok", "error"] {
            drop(self.reloads.get_or_create(&ResultLabels { result }));
        }
    }

    fn registered(mut self) -> Self {
        let registry = &mut self.registry;
        registry.register(
            "http_requests",
            "Answered requests, including refused ones",
            self.requests.clone(),
        );
        registry.register(
            "uninlu_refusals",
            "Refused predictions, by error code",
            self.refusals.clone(),
        );
        registry.register_with_unit(
            "http_request_duration",
            "Time from the headers of a request to its response",
            Unit::Seconds,
            self.durations.clone(),
        );
        registry.register_with_unit(
            "uninlu_request_work",
            "Predicted work of a request, in seconds of the whole pod; max-work limits it",
            Unit::Seconds,
            self.work.clone(),
        );
        registry.register(
            "http_requests_in_flight",
            "Requests in progress",
            self.in_flight.clone(),
        );
        registry.register_with_unit(
            "uninlu_forward",
            "Time of a batch in the network, by stage",
            Unit::Seconds,
            self.forward.clone(),
        );
        registry.register(
            "uninlu_queue_tokens",
            "Tokens still to compute for the requests in progress",
            self.queue_tokens.clone(),
        );
        registry.register_with_unit(
            "uninlu_queue",
            "Predicted time until all requests in progress are answered",
            Unit::Seconds,
            self.queue_wait.clone(),
        );
        registry.register(
            "uninlu_batch_tokens",
            "Computed tokens, by state: true or padded",
            self.batch_tokens.clone(),
        );
        registry.register(
            "uninlu_failed_passes",
            "Forward passes that failed",
            self.failed_passes.clone(),
        );
        registry.register_with_unit(
            "uninlu_busy",
            "Time the model was busy; its rate is the utilization",
            Unit::Seconds,
            self.busy.clone(),
        );
        registry.register_with_unit(
            "uninlu_model_load",
            "Time to load the model",
            Unit::Seconds,
            self.model_load.clone(),
        );
        registry.register(
            "uninlu_config_reloads",
            "Reloads of the settings, by result",
            self.reloads.clone(),
        );
        registry.register_collector(Box::new(Throttling::new()));
        let processes = registry.sub_registry_with_prefix("process");
        if let Err(error) = kubert_prometheus_process::register(processes) {
            tracing::warn!(%error, "cannot read the metrics of the process");
        }
        self
    }

    /// A request was taken.
    pub fn request_began(&self) {
        self.in_flight.inc();
    }

    /// A request was answered. `route` is the matched route, never the path: paths are without number.
    pub fn request_ended(&self, method: &str, route: &str, code: u16, took: Duration) {
        self.in_flight.dec();
        self.requests
            .get_or_create(&request_labels(method, route, code))
            .inc();
        self.durations
            .get_or_create(&RouteLabels {
                route: route.to_owned(),
            })
            .observe(took.as_secs_f64());
    }

    /// A question was not answered; `reason` is the code of the error.
    pub fn refused(&self, reason: &'static str) {
        self.refusals.get_or_create(&ReasonLabels { reason }).inc();
    }

    /// A question's predicted work.
    pub fn request_work(&self, work: Duration) {
        self.work.observe(work.as_secs_f64());
    }

    /// The network ran a batch.
    pub fn batch(&self, work: &Work) {
        for (stage, took) in [("towers", work.towers), ("cross", work.cross)] {
            let labels = StageLabels { stage };
            self.forward
                .get_or_create(&labels)
                .observe(took.as_secs_f64());
            self.busy.inc_by(took.as_secs_f64());
        }
        for (state, tokens) in [("true", work.true_tokens), ("padded", work.padded_tokens)] {
            let labels = StateLabels { state };
            self.batch_tokens
                .get_or_create(&labels)
                .inc_by(tokens as u64);
        }
    }

    /// What waits: tokens, and the time that they are expected to take.
    pub fn queue(&self, tokens: f64, wait: Duration) {
        self.queue_tokens.set(tokens as i64);
        self.queue_wait.set(wait.as_secs_f64());
    }

    /// The network could not compute a pass.
    pub fn pass_failed(&self) {
        self.failed_passes.inc();
    }

    /// The model is in memory.
    pub fn model_loaded(&self, took: Duration) {
        self.model_load.set(took.as_secs_f64());
    }

    /// A changed settings file was read; `result` is `ok` or `error`.
    pub fn reloads(&self, result: &'static str) {
        self.reloads.get_or_create(&ResultLabels { result }).inc();
    }

    /// The page, in the OpenMetrics text format.
    pub fn page(&self) -> String {
        let mut page = String::new();
        match encode(&mut page, &self.registry) {
            Ok(()) => page,
            Err(error) => format!("# {error}\n# EOF\n"),
        }
    }
}

fn request_labels(method: &str, route: &str, code: u16) -> RequestLabels {
    RequestLabels {
        method: method.to_owned(),
        route: route.to_owned(),
        code,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_autoscaler_reads_is_there_from_the_start() {
        let page = Metrics::default().page();
        assert!(
            page.contains(
                r#"http_requests_total{method="POST",route="/api/predict",code="200"} 0"#
            ),
            "{page}"
        );
        let others = [
            r#"uninlu_config_reloads_total{result="error"} 0"#,
            r#"uninlu_batch_tokens_total{state="padded"} 0"#,
            r#"uninlu_refusals_total{reason="max_work"} 0"#,
            "uninlu_queue_tokens 0",
            "uninlu_queue_seconds 0",
            "uninlu_busy_seconds_total 0",
            "uninlu_failed_passes_total 0",
            "uninlu_cpu_throttled_seconds_total",
            "process_resident_memory_bytes",
            "process_cpu_seconds_total",
            "process_open_fds",
        ];
        for series in others {
            assert!(page.contains(series), "{series} is missing in\n{page}");
        }
    }

    #[test]
    fn a_request_is_counted_once() {
        let metrics = Metrics::default();
        metrics.request_began();
        metrics.request_ended("POST", "/api/predict", 200, Duration::from_millis(3));
        let page = metrics.page();
        assert!(
            page.contains(
                r#"http_requests_total{method="POST",route="/api/predict",code="200"} 1"#
            ),
            "{page}"
        );
        assert!(page.contains("http_requests_in_flight 0"), "{page}");
    }
}
