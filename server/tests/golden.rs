//! The server's parts against golden data of the reference implementation (ModelScope 1.40.2), made on random weights.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};
use uninlu_server::decode::{Entity, Logits, decode, merge, span, window, window_count};
use uninlu_server::extract::{Extraction, NodeId};
use uninlu_server::model::{Pair, Precision, Sequence};
use uninlu_server::schema::Schema;
use uninlu_server::tokenizer::{PROMPT_MAX_LENGTH, Tokenizer, Tokens};
use uninlu_server::worker::{Engine, Request};

/// fp32 sums in another order differ by some 1e-6; the reference's margins are above 5e-4.
const TOLERANCE: f64 = 2e-4;
/// Below it a logit is a padded position's, -10000 and something: there fp32 itself is no finer than 1e-3.
const PADDED: f64 = -9_000.0;

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../tests")
        .join(name)
}

fn lines<T: for<'de> Deserialize<'de>>(name: &str) -> Vec<T> {
    let text = std::fs::read_to_string(data(name)).expect(name);
    text.lines()
        .map(|line| serde_json::from_str(line).expect(line))
        .collect()
}

#[derive(Deserialize)]
struct Case {
    id: String,
    text: String,
    schema: Value,
    schema_str: Value,
    #[serde(default)]
    output_all_prefix: bool,
    input_ids: Vec<i64>,
    offsets: Vec<(usize, usize)>,
    levels: Vec<Level>,
    output: Value,
}

#[derive(Deserialize)]
struct Level {
    hints: Vec<String>,
    hint_ids: Vec<Vec<i64>>,
    hint_lens: Vec<usize>,
    entities: Vec<Vec<GoldenEntity>>,
    head_logits: Option<Vec<Vec<f64>>>,
    tail_logits: Option<Vec<Vec<f64>>>,
    window_head_logits: Option<Vec<Vec<f64>>>,
    window_tail_logits: Option<Vec<Vec<f64>>>,
}

#[derive(Debug, PartialEq, Deserialize)]
struct GoldenEntity {
    offset: [usize; 2],
    span: String,
}

impl GoldenEntity {
    fn all(entities: Vec<Entity>, text: &[char]) -> Vec<Self> {
        let golden = |entity: Entity| Self {
            offset: entity.offset,
            span: span(text, entity.offset).iter().collect(),
        };
        entities.into_iter().map(golden).collect()
    }
}

fn load(folder: &Path) -> Engine {
    Engine::load(folder, Precision::Fp32, tch::Device::Cpu).expect("the model")
}

/// Logits of each prompt over each window, all in one pass.
fn logits(engine: &Engine, tokens: &Tokens, prompts: &[String]) -> Vec<Vec<Logits>> {
    let count = tokens.ids.len();
    let prompts: Vec<Vec<i64>> = prompts
        .iter()
        .map(|prompt| {
            engine
                .tokenizer()
                .prompt(prompt.chars())
                .expect("a prompt")
                .ids
        })
        .collect();
    let windows = (0..window_count(count)).map(|index| Sequence {
        ids: &tokens.ids[window(count, index)],
        token_type: 0,
        first_position: 0,
    });
    let behind = window(count, 0).len() as i64;
    let asked = prompts.iter().map(|ids| Sequence {
        ids,
        token_type: 1,
        first_position: behind,
    });
    let sequences: Vec<Sequence<'_>> = windows.chain(asked).collect();
    let states = engine
        .model()
        .encode(&sequences, &|| ())
        .expect("the towers");
    let (texts, prompts) = states.split_at(window_count(count));
    let pairs: Vec<Pair<'_>> = prompts
        .iter()
        .flat_map(|prompt| texts.iter().map(move |text| Pair { text, prompt }))
        .collect();
    let rows = engine
        .model()
        .score(&pairs, &|| ())
        .expect("the cross layers");
    rows.chunks(texts.len()).map(<[Logits]>::to_vec).collect()
}

fn request(text: &str, schema: &Value, output_all_prefix: bool) -> Request {
    Request {
        text: text.to_owned(),
        schema: Arc::new(Schema::parse(schema).expect("a schema")),
        output_all_prefix,
        is_strict: false,
        deadline: None,
        allowance: Arc::default(),
    }
}

fn outputs(engine: &Engine, requests: &[Request], budget: usize) -> Vec<String> {
    engine
        .predict_all(requests, budget)
        .into_iter()
        .map(|answer| json!(answer.expect("an answer").output).to_string())
        .collect()
}

fn assert_close(got: &[f64], wanted: &[f64], what: &str) {
    assert_eq!(got.len(), wanted.len(), "{what}: number of logits");
    for (index, (got, wanted)) in got.iter().zip(wanted).enumerate() {
        let tolerance = if *wanted < PADDED { 2e-3 } else { TOLERANCE };
        assert!(
            (got - wanted).abs() < tolerance,
            "{what}, token {index}: {got} instead of {wanted}"
        );
    }
}

#[test]
fn all_cases_give_the_references_output() {
    let engine = load(&data("golden/tiny"));
    let cases: Vec<Case> = lines("golden/cases.jsonl");
    assert_eq!(cases.len(), 40);
    for case in &cases {
        let requests = [&case.schema, &case.schema_str]
            .map(|schema| request(&case.text, schema, case.output_all_prefix));
        let wanted = case.output.to_string();
        assert_eq!(
            outputs(&engine, &requests, 512),
            [wanted.clone(), wanted],
            "{}",
            case.id
        );
    }
}

#[test]
fn all_cases_give_the_references_tokens_and_logits() {
    let engine = load(&data("golden/tiny"));
    for case in lines::<Case>("golden/cases.jsonl") {
        let tokens = engine.tokenizer().text(&case.text).expect("tokens");
        assert_eq!(tokens.ids, case.input_ids, "{}", case.id);
        assert_eq!(tokens.offsets, case.offsets, "{}", case.id);
        for level in &case.levels {
            check_level(&engine, &case, &tokens, level);
        }
    }
}

fn check_level(engine: &Engine, case: &Case, tokens: &Tokens, level: &Level) {
    for ((prompt, ids), length) in level
        .hints
        .iter()
        .zip(&level.hint_ids)
        .zip(&level.hint_lens)
    {
        assert_eq!(
            engine
                .tokenizer()
                .prompt(prompt.chars())
                .expect("a prompt")
                .ids,
            ids[..*length],
            "{}: {prompt}",
            case.id
        );
    }
    let windows = logits(engine, tokens, &level.hints);
    let characters: Vec<char> = case.text.chars().collect();
    for (index, row) in windows.iter().enumerate() {
        let what = format!("{}, prompt {}", case.id, level.hints[index]);
        let merged = merge(row, tokens.ids.len());
        let found = GoldenEntity::all(decode(&merged, &tokens.offsets), &characters);
        assert_eq!(found, level.entities[index], "{what}");
        if let (Some(heads), Some(tails)) = (&level.head_logits, &level.tail_logits) {
            assert_close(&merged.head, &heads[index], &format!("{what}, heads"));
            assert_close(&merged.tail, &tails[index], &format!("{what}, tails"));
        }
    }
    if let (Some(heads), Some(tails)) = (&level.window_head_logits, &level.window_tail_logits) {
        for (window, (heads, tails)) in windows.iter().flatten().zip(heads.iter().zip(tails)) {
            // Behind a last window that is shorter the reference pads, and we do not.
            let (heads, heads_of_padding) = heads.split_at(window.head.len());
            let (tails, tails_of_padding) = tails.split_at(window.tail.len());
            assert_close(
                &window.head,
                heads,
                &format!("{}, heads of a window", case.id),
            );
            assert_close(
                &window.tail,
                tails,
                &format!("{}, tails of a window", case.id),
            );
            let padding = heads_of_padding.iter().chain(tails_of_padding);
            assert!(padding.clone().all(|logit| *logit < PADDED), "{}", case.id);
        }
    }
}

/// All cases at once, so that batches mix texts, levels and equal passes; with batches of one pass, and of very many.
#[test]
fn together_or_alone_the_output_is_the_same() {
    let engine = load(&data("golden/tiny"));
    let cases: Vec<Case> = lines("golden/cases.jsonl");
    let requests: Vec<Request> = cases
        .iter()
        .chain(&cases)
        .map(|case| request(&case.text, &case.schema, case.output_all_prefix))
        .collect();
    for budget in [1, 300, 4_096] {
        for (case, output) in cases
            .iter()
            .cycle()
            .zip(outputs(&engine, &requests, budget))
        {
            assert_eq!(
                output,
                case.output.to_string(),
                "{}, batches of {budget} tokens",
                case.id
            );
        }
    }
}

#[test]
fn both_forms_of_weights_are_the_same_model() {
    let folder = tempfile::tempdir().expect("a folder");
    for file in ["config.json", "vocab.txt", "pytorch_model.bin"] {
        std::fs::copy(data("golden/tiny").join(file), folder.path().join(file)).expect(file);
    }
    let (zip, safetensors) = (load(folder.path()), load(&data("golden/tiny")));
    let tokens = zip
        .tokenizer()
        .text("小明在北京的云帆公司工作。")
        .expect("tokens");
    let prompts = ["人物: ".to_owned()];
    assert_eq!(
        logits(&zip, &tokens, &prompts),
        logits(&safetensors, &tokens, &prompts)
    );
}

#[derive(Deserialize)]
struct Example {
    text: String,
    schema: Value,
    output: Value,
}

#[test]
fn the_demo_model_answers_as_the_reference_does() {
    let engine = load(&data("demo-model"));
    for example in lines::<Example>("demo-model/examples.jsonl") {
        let asked = request(&example.text, &example.schema, false);
        let output = outputs(&engine, &[asked], 512);
        assert_eq!(output, [example.output.to_string()], "{}", example.text);
    }
}

#[derive(Deserialize)]
struct DecodeCase {
    id: String,
    note: String,
    text: String,
    offsets: Vec<(usize, usize)>,
    head_logits: Vec<f64>,
    tail_logits: Vec<f64>,
    entities: Vec<GoldenEntity>,
}

#[test]
fn decoding_follows_the_reference_into_its_corners() {
    let cases: Vec<DecodeCase> = lines("golden/decode.jsonl");
    assert_eq!(cases.len(), 92);
    for case in cases {
        let logits = Logits {
            head: case.head_logits,
            tail: case.tail_logits,
        };
        let characters: Vec<char> = case.text.chars().collect();
        let found = GoldenEntity::all(decode(&logits, &case.offsets), &characters);
        assert_eq!(found, case.entities, "{}: {}", case.id, case.note);
    }
}

#[derive(Deserialize)]
struct RecursionCase {
    id: String,
    text: String,
    schema: Value,
    output_all_prefix: bool,
    #[serde(default)]
    offsets: Option<Vec<(usize, usize)>>,
    n_tokens: usize,
    rows: Vec<(Vec<f64>, Vec<f64>)>,
    output: Value,
}

/// Asks a node and all nodes below it, depth first, as the reference does; the rows come in the order of its calls.
fn walk(
    extraction: &mut Extraction,
    node: NodeId,
    rows: &mut impl Iterator<Item = (Vec<f64>, Vec<f64>)>,
    (tokens, characters): (&Tokens, &[char]),
) {
    let windows = window_count(tokens.ids.len());
    let found = extraction
        .prompts(node, characters)
        .map(|_| {
            let row = rows.by_ref().take(windows);
            let windows: Vec<Logits> = row.map(|(head, tail)| Logits { head, tail }).collect();
            let merged = merge(&windows, tokens.ids.len());
            decode(&merged, &tokens.offsets)
        })
        .collect();
    for child in extraction.answer(node, found) {
        walk(extraction, child, rows, (tokens, characters));
    }
}

#[test]
fn the_recursion_walks_as_the_reference_does() {
    let tokenizer = Tokenizer::load(&data("golden/tiny")).expect("the tokenizer");
    let cases: Vec<RecursionCase> = lines("golden/recursion.jsonl");
    assert_eq!(cases.len(), 7);
    for case in cases {
        let mut tokens = tokenizer.text(&case.text).expect("tokens");
        if let Some(offsets) = case.offsets {
            tokens.offsets = offsets;
        }
        assert_eq!(tokens.ids.len(), case.n_tokens, "{}", case.id);
        let characters: Vec<char> = case.text.chars().collect();
        let schema = Schema::parse(&case.schema).expect("a schema");
        let (mut extraction, root) = Extraction::new(Arc::new(schema), case.output_all_prefix);
        let mut rows = case.rows.into_iter();
        walk(&mut extraction, root, &mut rows, (&tokens, &characters));
        assert_eq!(
            json!(
                extraction
                    .output(&characters, |_| Ok(()))
                    .expect("no bound")
            )
            .to_string(),
            case.output.to_string(),
            "{}",
            case.id
        );
        assert_eq!(rows.len(), 0, "{}: every row is asked for", case.id);
    }
}

#[derive(Deserialize)]
struct TokenizerCase {
    text: String,
    /// Set where the reference cut the string as it cuts a prompt.
    max_length: Option<usize>,
    ids: Vec<i64>,
    offsets: Vec<(usize, usize)>,
}

#[test]
fn the_tokenizer_follows_the_reference_on_its_own_vocabulary() {
    let vocabulary =
        std::fs::read_to_string(data("golden/tokenizer_vocab_21128.txt")).expect("the vocabulary");
    let tokenizer = Tokenizer::from_vocabulary(&vocabulary).expect("the tokenizer");
    let cases: Vec<TokenizerCase> = lines("golden/tokenizer.jsonl");
    assert_eq!(cases.len(), 210);
    for case in cases {
        let tokens = tokenizer.text(&case.text).expect("tokens");
        if let Some(max_length) = case.max_length {
            assert_eq!(max_length, PROMPT_MAX_LENGTH);
            assert_eq!(
                tokenizer.prompt(case.text.chars()).expect("a prompt").ids,
                case.ids,
                "{:?}",
                case.text
            );
            continue;
        }
        assert_eq!(tokens.ids, case.ids, "{:?}", case.text);
        assert_eq!(tokens.offsets, case.offsets, "{:?}", case.text);
    }
}
