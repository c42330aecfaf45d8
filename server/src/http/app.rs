//! What the handlers share.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tokio::sync::watch;
use uninlu_settings::InForce;

use super::api_key::ApiKey;
use super::body_buffer::BodyMemory;
use super::scrape_cache::ScrapeCache;
use crate::metrics::Metrics;
use crate::traces::Traces;
use crate::worker::Worker;

/// What every handler can use.
#[derive(Clone)]
pub struct App {
    /// The model's threads.
    pub worker: Worker,
    /// Hot settings.
    pub settings: watch::Receiver<InForce>,
    /// Metrics.
    pub metrics: Arc<Metrics>,
    /// Set when the process was asked to stop.
    pub draining: Arc<AtomicBool>,
    /// Without it, anyone may ask.
    pub api_key: Option<ApiKey>,
    /// Without it, nothing is traced.
    pub traces: Option<Traces>,
    /// For the bodies of all requests.
    pub body_memory: BodyMemory,
    /// For scrapes of the metrics.
    pub scrapes: ScrapeCache,
}
