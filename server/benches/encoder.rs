//! CPU time of the network alone, and of what surrounds it: tokenizer and decoding. One thread.
//!
//! `UNINLU_MODEL` names the model folder; without it the small demo model is measured. CPU time rather than wall time,
//! because the machines that measure are rarely idle; hence criterion, the kept library that takes another clock.

#![expect(
    missing_docs,
    reason = "criterion's macros make public functions without any"
)]

#[path = "../src/allocator.rs"]
mod allocator;

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cpu_time::ProcessTime;
use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tch::Device;
use uninlu_server::decode::{Logits, decode};
use uninlu_server::model::{Model, Pair, Precision, Sequence};
use uninlu_server::tokenizer::Tokenizer;
use uninlu_settings::Choice;

/// User and system time of this process.
struct CpuTime;

impl Measurement for CpuTime {
    type Intermediate = ProcessTime;
    type Value = Duration;

    fn start(&self) -> ProcessTime {
        ProcessTime::now()
    }

    fn end(&self, began: ProcessTime) -> Duration {
        began.elapsed()
    }

    fn add(&self, one: &Duration, other: &Duration) -> Duration {
        *one + *other
    }

    fn zero(&self) -> Duration {
        Duration::ZERO
    }

    fn to_f64(&self, value: &Duration) -> f64 {
        WallTime.to_f64(value)
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        static NANOSECONDS: WallTime = WallTime;
        NANOSECONDS.formatter()
    }
}

/// Tokens of a text: a word, a sentence, a short paragraph.
const LENGTHS: [usize; 3] = [32, 64, 128];
const SENTENCE: &str = "2005年李芳从清华大学毕业后到成都，在绿洲科技任工程师，月薪20千元。";

fn folder() -> PathBuf {
    let demo = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/demo-model");
    std::env::var_os("UNINLU_MODEL").map_or_else(demo, PathBuf::from)
}

/// Ordinary entries of the vocabulary; which ones makes no difference to the time.
fn ids(tokens: usize) -> Vec<i64> {
    (0..tokens as i64)
        .map(|token| 700 + token * 37 % 4_000)
        .collect()
}

fn sequence(ids: &[i64], token_type: i64, first_position: i64) -> Sequence<'_> {
    Sequence {
        ids,
        token_type,
        first_position,
    }
}

/// One thread, and fp32 unless `UNINLU_PRECISION` names another, as the server reads it.
fn model() -> Model {
    tch::set_num_threads(1);
    let named = std::env::var("UNINLU_PRECISION").unwrap_or_else(|_| "fp32".into());
    let precision = Precision::named(&named).expect("UNINLU_PRECISION");
    Model::load(&folder(), precision, Device::Cpu).expect("a model folder")
}

fn network(criterion: &mut Criterion<CpuTime>) {
    let model = model();
    for tokens in LENGTHS {
        let (text, prompt) = (ids(tokens), ids(8));
        let sequences = [sequence(&text, 0, 0)];
        let mut group = criterion.benchmark_group("text_tower");
        group.throughput(Throughput::Elements(tokens as u64));
        group.bench_function(BenchmarkId::from_parameter(tokens), |bencher| {
            bencher.iter(|| model.encode(black_box(&sequences), &|| ()).expect("states"));
        });
        group.finish();
        let prompt = sequence(&prompt, 1, tokens as i64);
        let states = model
            .encode(&[sequences[0], prompt], &|| ())
            .expect("states");
        let pairs = [Pair {
            text: &states[0],
            prompt: &states[1],
        }];
        let mut group = criterion.benchmark_group("cross_layers");
        group.throughput(Throughput::Elements(tokens as u64));
        group.bench_function(BenchmarkId::from_parameter(tokens), |bencher| {
            bencher.iter(|| model.score(black_box(&pairs), &|| ()).expect("logits"));
        });
        group.finish();
    }
}

fn tokenizer(criterion: &mut Criterion<CpuTime>) {
    let tokenizer = Tokenizer::load(&folder()).expect("a vocabulary");
    let mut group = criterion.benchmark_group("tokenizer");
    for (name, text) in [
        ("sentence", SENTENCE.to_owned()),
        ("page", SENTENCE.repeat(50)),
    ] {
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| tokenizer.text(black_box(&text)).expect("tokens"))
        });
    }
    group.finish();
}

fn decoding(criterion: &mut Criterion<CpuTime>) {
    let length = SENTENCE.repeat(10).chars().count();
    let offsets: Vec<(usize, usize)> = (0..length).map(|token| (token, token + 1)).collect();
    let row = |shift: usize| {
        (0..length)
            .map(|token| if (token + shift) % 20 == 0 { 1.0 } else { -1.0 })
            .collect()
    };
    let logits = Logits {
        head: row(0),
        tail: row(17),
    };
    criterion.bench_function("decode", |bencher| {
        bencher.iter(|| decode(black_box(&logits), &offsets))
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(CpuTime).sample_size(10);
    targets = network, tokenizer, decoding
}
criterion_main!(benches);
