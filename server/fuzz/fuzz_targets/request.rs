//! The whole way of a body through the server with the tiny golden model: whatever it holds, the answer is one of the
//! documented ones, and never a fault of the server.

#![no_main]

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use libfuzzer_sys::fuzz_target;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tower::ServiceExt;
use uninlu_server::http::{App, Room, Routes, router};
use uninlu_server::metrics::Metrics;
use uninlu_server::model::Precision;
use uninlu_server::settings::Settings;
use uninlu_server::worker::{Options, Plan, Worker};

static SERVER: LazyLock<(Runtime, Router)> = LazyLock::new(|| {
    let runtime = Runtime::new().expect("a runtime");
    let (keeper, settings) = watch::channel(Settings {
        max_length: 500,
        ..Settings::default()
    });
    std::mem::forget(keeper);
    let options = Options {
        folder: Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/tiny"),
        precision: Precision::Fp32,
        device: tch::Device::Cpu,
        warmup: None,
        plan: Plan::of_cores(1),
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
        metrics,
        draining: Arc::new(AtomicBool::new(false)),
        api_key: None,
        traces: None,
        room: Room::default(),
    };
    (runtime, router(app, Routes::All, &[]))
});

fuzz_target!(|body: &[u8]| {
    let (runtime, router) = &*SERVER;
    let request = Request::post("/api/predict")
        .body(Body::from(body.to_vec()))
        .expect("a request");
    runtime.block_on(async {
        let response = router.clone().oneshot(request).await.expect("infallible");
        let status = response.status().as_u16();
        let answer = to_bytes(response.into_body(), usize::MAX)
            .await
            .expect("a body");
        let answer: serde_json::Value = serde_json::from_slice(&answer).expect("JSON");
        match status {
            200 => assert!(answer["output"].is_array() || answer["output"].is_object() || answer["outputs"].is_array()),
            400 | 413 | 422 | 429 => assert!(answer["error"]["code"].is_string()),
            _ => panic!("{status}: {answer}"),
        }
    });
});
