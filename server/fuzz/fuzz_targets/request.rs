//! The whole way of a body through the server with the tiny golden model: whatever it holds, the answer is one of the
//! documented ones, never a fault of the server, and within the bounds: predicted work, bytes of the answer, and (by
//! libFuzzer's own limit, see `run`) memory.

#![no_main]

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use libfuzzer_sys::fuzz_target;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tower::ServiceExt;
use uninlu_server::http::{App, BodyMemory, Routes, ScrapeCache, router};
use uninlu_server::metrics::Metrics;
use uninlu_server::model::Precision;
use uninlu_server::settings::InForce;
use uninlu_server::worker::{ANSWER_LIMIT, Options, Plan, Worker};

/// What a question may take.
const MAX_WORK: Duration = Duration::from_secs(1);

struct Server {
    runtime: Runtime,
    router: Router,
    metrics: Arc<Metrics>,
}

impl Server {
    /// Predicted seconds of all questions so far.
    fn work(&self) -> f64 {
        let page = self.metrics.page();
        let mut lines = page.lines();
        let sum = lines.find_map(|line| line.strip_prefix("uninlu_request_work_seconds_sum "));
        sum.expect("the series").parse().expect("a number")
    }
}

static SERVER: LazyLock<Server> = LazyLock::new(|| {
    let runtime = Runtime::new().expect("a runtime");
    let (keeper, settings) = watch::channel(InForce {
        max_work: MAX_WORK,
        ..InForce::default()
    });
    std::mem::forget(keeper);
    let options = Options {
        folder: Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/tiny"),
        precision: Precision::Fp32,
        device: tch::Device::Cpu,
        warmup: None,
        plan: Plan::of_cores(1, Precision::Fp32),
    };
    let metrics = Arc::new(Metrics::default());
    let (worker, threads, loaded) =
        Worker::start(options, settings.clone(), metrics.clone()).expect("threads");
    std::mem::forget(threads);
    runtime
        .block_on(loaded)
        .expect("the load ends")
        .expect("the model");
    let app = App {
        worker,
        settings,
        metrics: metrics.clone(),
        draining: Arc::new(AtomicBool::new(false)),
        api_key: None,
        traces: None,
        body_memory: BodyMemory::default(),
        scrapes: ScrapeCache::default(),
    };
    Server {
        runtime,
        router: router(app, Routes::All, &[]),
        metrics,
    }
});

fuzz_target!(|body: &[u8]| {
    let server = &*SERVER;
    let before = server.work();
    let request = Request::post("/api/predict")
        .body(Body::from(body.to_vec()))
        .expect("a request");
    server.runtime.block_on(async {
        let response = server.router.clone().oneshot(request).await.expect("infallible");
        let status = response.status().as_u16();
        let answer = to_bytes(response.into_body(), usize::MAX)
            .await
            .expect("a body");
        assert!(answer.len() <= ANSWER_LIMIT, "{} bytes", answer.len());
        let work = server.work() - before;
        assert!(work <= MAX_WORK.as_secs_f64() * 1.001, "{work} s");
        let answer: serde_json::Value = serde_json::from_slice(&answer).expect("JSON");
        match status {
            200 => assert!(answer["output"].is_array() || answer["output"].is_object() || answer["outputs"].is_array()),
            400 | 413 | 415 | 422 | 429 | 503 => assert!(answer["error"]["code"].is_string()),
            _ => panic!("{status}: {answer}"),
        }
    });
});
