//! Asks `/health` throughout a run, as a kubelet that is in a hurry.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hyper::Uri;
use serde::Serialize;

use crate::client::status;
use crate::report::Percentiles;

const PERIOD: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_secs(5);

/// How liveness answered.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Health {
    /// Times asked.
    pub(crate) asked: usize,
    /// Times without a 200.
    pub(crate) failed: usize,
    /// Milliseconds to the answer.
    pub(crate) latency_ms: Percentiles,
}

/// A thread and runtime of its own, so that a burst of predictions in the generator delays none of its questions.
pub(crate) struct HealthWatch {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<std::io::Result<Health>>,
}

impl HealthWatch {
    /// Begins to ask.
    ///
    /// # Errors
    /// When no thread can be had.
    pub(crate) fn start(endpoint: Uri) -> Result<Self, String> {
        let stop = Arc::new(AtomicBool::new(false));
        let told = stop.clone();
        let thread = std::thread::Builder::new()
            .name("health".into())
            .spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()?;
                Ok(runtime.block_on(watch(&endpoint, &told)))
            })
            .map_err(|error| format!("cannot start the thread that asks /health: {error}"))?;
        Ok(Self { stop, thread })
    }

    /// Ends and tells.
    ///
    /// # Errors
    /// When the thread could not work.
    pub(crate) fn stop(self) -> Result<Health, String> {
        self.stop.store(true, Ordering::Release);
        match self.thread.join() {
            Ok(Ok(health)) => Ok(health),
            Ok(Err(error)) => Err(format!("/health could not be asked: {error}")),
            Err(_) => Err("the thread that asks /health panicked".into()),
        }
    }
}

async fn watch(endpoint: &Uri, stop: &AtomicBool) -> Health {
    let (mut latencies, mut failed) = (Vec::new(), 0);
    while !stop.load(Ordering::Acquire) {
        let began = Instant::now();
        if status(endpoint, "health", PATIENCE).await != Some(200) {
            failed += 1;
        }
        latencies.push(began.elapsed());
        tokio::time::sleep(PERIOD).await;
    }
    Health {
        asked: latencies.len(),
        failed,
        latency_ms: Percentiles::of(latencies),
    }
}
