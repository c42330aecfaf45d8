//! What makes the server fast changes no answer: packed sequences, packed weights, the text's tower run once, prompts and
//! equal passes shared, the last layer on the text alone. Random texts and schemas, together, against the plain path.

mod plain;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use fastrand::Rng;
use plain::Plain;
use serde_json::{Map, Value};
use tch::Device;
use uninlu_server::decode::Logits;
use uninlu_server::model::{Pair, Precision, Sequence, check_precision, processor_flags};
use uninlu_server::schema::Schema;
use uninlu_server::tokenizer::Tokens;
use uninlu_server::worker::{Engine, Request};

const TYPES: [&str; 8] = [
    "人物",
    "公司",
    "时间",
    "地点",
    "职务",
    "赛事名称",
    "情感词",
    "事件触发词",
];

fn model(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../tests")
        .join(name)
}

fn engine(folder: &Path) -> Engine {
    Engine::load(folder, Precision::Fp32, Device::Cpu).expect("the model")
}

/// Words of the model's own vocabulary, with a few that it does not know.
fn text(random: &mut Rng, words: &[String], count: usize) -> String {
    (0..count)
        .map(|_| match random.u8(..) {
            0..4 => "😀".to_owned(),
            4..12 => " ".to_owned(),
            _ => words[random.usize(..words.len())].clone(),
        })
        .collect()
}

fn schema(random: &mut Rng, depth: usize) -> Value {
    let mut types: Vec<&str> = TYPES.to_vec();
    random.shuffle(&mut types);
    let count = random.usize(1..=3);
    let asked: Map<String, Value> = types
        .into_iter()
        .take(count)
        .map(|kind| {
            let nested = if depth > 1 && random.bool() {
                schema(random, depth - 1)
            } else {
                Value::Null
            };
            (kind.to_owned(), nested)
        })
        .collect();
    Value::Object(asked)
}

fn words(folder: &Path) -> Vec<String> {
    let vocabulary = std::fs::read_to_string(folder.join("vocab.txt")).expect("vocab.txt");
    vocabulary
        .lines()
        .filter(|word| !word.starts_with('[') && !word.starts_with("##"))
        .map(str::to_owned)
        .collect()
}

fn requests(random: &mut Rng, words: &[String]) -> Vec<Request> {
    let lengths = [0, 1, 12, 38, 38, 90, 200, 381, 382, 383, 420, 900];
    let mut requests: Vec<Request> = lengths
        .iter()
        .map(|length| {
            // Random weights find much in a long text, and each of it asks on.
            let depth = if *length > 50 { 1 } else { 3 };
            request(text(random, words, *length), &schema(random, depth))
        })
        .collect();
    // Equal texts share what is computed.
    let again = requests[3].text.clone();
    requests.push(request(again, &schema(random, 2)));
    requests
}

fn request(text: String, schema: &Value) -> Request {
    Request {
        text,
        schema: Arc::new(Schema::parse(schema).expect("a schema")),
        output_all_prefix: false,
        is_strict: false,
        deadline: None,
        allowance: Arc::default(),
    }
}

#[test]
fn together_they_answer_as_each_would_alone() {
    let mut found = 0;
    for (name, seed) in [("golden/tiny", 1), ("golden/tiny", 2), ("demo-model", 3)] {
        let folder = model(name);
        let (engine, plain) = (engine(&folder), Plain::load(&folder));
        let requests = requests(&mut Rng::with_seed(seed), &words(&folder));
        let answers = engine.predict_all(&requests, 700);
        for (request, answer) in requests.iter().zip(answers) {
            let output = answer.expect("an answer").output;
            found += output.len();
            assert_eq!(
                output,
                plain.output(&request.text, &request.schema),
                "{}: {}",
                name,
                request.text
            );
        }
    }
    assert!(found > 100, "only {found} paths were compared");
}

/// Texts with a prompt each, through the engine: the logits of each text.
struct Batch {
    texts: Vec<Tokens>,
    asked: Vec<String>,
    prompts: Vec<Vec<i64>>,
}

impl Batch {
    fn random(plain: &Plain, words: &[String]) -> Self {
        let mut random = Rng::with_seed(4);
        let texts: Vec<Tokens> = (0..20)
            .map(|_| {
                let length = random.usize(0..120);
                let text = text(&mut random, words, length);
                plain.tokenizer.text(&text).expect("tokens")
            })
            .collect();
        let asked: Vec<String> = texts
            .iter()
            .map(|_| format!("{}: ", TYPES[random.usize(..TYPES.len())]))
            .collect();
        let prompts = asked
            .iter()
            .map(|prompt| {
                plain
                    .tokenizer
                    .prompt(prompt.chars())
                    .expect("a prompt")
                    .ids
            })
            .collect();
        Self {
            texts,
            asked,
            prompts,
        }
    }

    fn logits(&self, engine: &Engine) -> Vec<Logits> {
        let windows = self.texts.iter().map(|tokens| Sequence {
            ids: &tokens.ids,
            token_type: 0,
            first_position: 0,
        });
        let prompts = self
            .prompts
            .iter()
            .zip(&self.texts)
            .map(|(ids, tokens)| Sequence {
                ids,
                token_type: 1,
                first_position: tokens.ids.len() as i64,
            });
        let sequences: Vec<Sequence<'_>> = windows.chain(prompts).collect();
        let states = engine
            .model()
            .encode(&sequences, &|| ())
            .expect("the towers");
        let (texts, prompts) = states.split_at(self.texts.len());
        let pairs: Vec<Pair<'_>> = texts
            .iter()
            .zip(prompts)
            .map(|(text, prompt)| Pair { text, prompt })
            .collect();
        engine
            .model()
            .score(&pairs, &|| ())
            .expect("the cross layers")
    }
}

/// The largest difference of two sets of logits.
fn distance(one: &[Logits], other: &[Logits]) -> f64 {
    let flat = |all: &[Logits]| -> Vec<f64> {
        all.iter()
            .flat_map(|row| {
                row.head
                    .iter()
                    .chain(&row.tail)
                    .copied()
                    .collect::<Vec<_>>()
            })
            .collect()
    };
    let (one, other) = (flat(one), flat(other));
    assert_eq!(one.len(), other.len());
    let differences = one
        .iter()
        .zip(&other)
        .map(|(one, other)| (one - other).abs());
    differences.fold(0.0, f64::max)
}

#[test]
fn packed_logits_are_the_plain_ones() {
    let folder = model("demo-model");
    let (engine, plain) = (engine(&folder), Plain::load(&folder));
    let batch = Batch::random(&plain, &words(&folder));
    let _no_gradients = tch::no_grad_guard();
    let slow: Vec<Logits> = batch
        .texts
        .iter()
        .zip(&batch.asked)
        .map(|(tokens, prompt)| plain.logits(tokens, prompt))
        .collect();
    let distance = distance(&batch.logits(&engine), &slow);
    assert!(distance < 2e-4, "they differ by {distance}");
}

/// Not exact, and near: a wrong scale or a wrong layout would be far away. Only where the processor has the
/// instructions; elsewhere the server refuses to start so.
#[test]
fn coarser_precisions_are_near() {
    let folder = model("demo-model");
    let plain = Plain::load(&folder);
    let batch = Batch::random(&plain, &words(&folder));
    let exact = batch.logits(&engine(&folder));
    for (precision, bound) in [(Precision::Bf16, 0.5), (Precision::Int8, 2.0)] {
        if let Err(reason) = check_precision(precision, Device::Cpu, &processor_flags()) {
            let refused = Engine::load(&folder, precision, Device::Cpu).map(|_| ());
            assert_eq!(refused.expect_err("it must be refused").to_string(), reason);
            continue;
        }
        let engine = Engine::load(&folder, precision, Device::Cpu).expect("the model");
        let distance = distance(&batch.logits(&engine), &exact);
        assert!(distance > 0.0, "{precision:?} is not what was computed");
        assert!(distance < bound, "{precision:?} is {distance} away");
    }
}
