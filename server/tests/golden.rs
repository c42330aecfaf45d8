//! The server's parts against golden data of the reference implementation (ModelScope 1.40.2), made on random weights.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Value, json};
use uninlu_server::decode::{Entity, Logits, decode, merge};
use uninlu_server::extract::{Question, Scorer, extract, hint};
use uninlu_server::model::Model;
use uninlu_server::schema::Schema;
use uninlu_server::tokenizer::{HINT_MAX_LENGTH, Tokenizer, Tokens};

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

impl From<Entity> for GoldenEntity {
    fn from(entity: Entity) -> Self {
        Self {
            offset: entity.offset,
            span: entity.span,
        }
    }
}

struct Engine {
    model: Model,
    tokenizer: Tokenizer,
}

impl Engine {
    fn load(folder: &Path) -> Self {
        Self {
            model: Model::load(folder).expect("the model"),
            tokenizer: Tokenizer::load(folder).expect("the tokenizer"),
        }
    }

    fn windows(&self, tokens: &Tokens, hints: &[String], batch_tokens: usize) -> Vec<Vec<Logits>> {
        let _no_gradients = tch::no_grad_guard();
        let text = self.model.encode_text(&tokens.ids).expect("the text tower");
        let ids: Vec<Vec<i64>> = hints
            .iter()
            .map(|hint| self.tokenizer.hint(hint).expect("a hint"))
            .collect();
        self.model
            .score(&text, &ids, batch_tokens, &|| true)
            .expect("the cross layers")
    }

    fn output(&self, text: &str, schema: &Value, output_all_prefix: bool) -> Value {
        let tokens = self.tokenizer.text(text).expect("tokens");
        let characters: Vec<char> = text.chars().collect();
        let question = Question {
            text: &characters,
            tokens: &tokens,
            output_all_prefix,
            hint_limit: usize::MAX,
        };
        let schema = Schema::parse(schema).expect("a schema");
        let mut scorer = ModelScorer {
            engine: self,
            tokens: &tokens,
        };
        json!(extract(&question, &schema, &mut scorer).expect("an output"))
    }
}

struct ModelScorer<'a> {
    engine: &'a Engine,
    tokens: &'a Tokens,
}

impl Scorer for ModelScorer<'_> {
    type Error = String;

    fn score(&mut self, hints: &[String]) -> Result<Vec<Vec<Logits>>, String> {
        Ok(self.engine.windows(self.tokens, hints, 4_096))
    }
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
    let engine = Engine::load(&data("golden/tiny"));
    let cases: Vec<Case> = lines("golden/cases.jsonl");
    assert_eq!(cases.len(), 40);
    for case in &cases {
        for schema in [&case.schema, &case.schema_str] {
            let output = engine.output(&case.text, schema, case.output_all_prefix);
            assert_eq!(output.to_string(), case.output.to_string(), "{}", case.id);
        }
    }
}

#[test]
fn all_cases_give_the_references_tokens_and_logits() {
    let engine = Engine::load(&data("golden/tiny"));
    for case in lines::<Case>("golden/cases.jsonl") {
        let tokens = engine.tokenizer.text(&case.text).expect("tokens");
        assert_eq!(tokens.ids, case.input_ids, "{}", case.id);
        assert_eq!(tokens.offsets, case.offsets, "{}", case.id);
        for level in &case.levels {
            check_level(&engine, &case, &tokens, level);
        }
    }
}

fn check_level(engine: &Engine, case: &Case, tokens: &Tokens, level: &Level) {
    for ((hint, ids), length) in level
        .hints
        .iter()
        .zip(&level.hint_ids)
        .zip(&level.hint_lens)
    {
        assert_eq!(
            engine.tokenizer.hint(hint).expect("a hint"),
            ids[..*length],
            "{}: {hint}",
            case.id
        );
    }
    let windows = engine.windows(tokens, &level.hints, 4_096);
    let characters: Vec<char> = case.text.chars().collect();
    for (index, row) in windows.iter().enumerate() {
        let what = format!("{}, hint {}", case.id, level.hints[index]);
        let merged = merge(row, tokens.ids.len());
        let found: Vec<GoldenEntity> = decode(&merged, &tokens.offsets, &characters)
            .into_iter()
            .map(Into::into)
            .collect();
        assert_eq!(found, level.entities[index], "{what}");
        if let (Some(heads), Some(tails)) = (&level.head_logits, &level.tail_logits) {
            assert_close(&merged.head, &heads[index], &format!("{what}, heads"));
            assert_close(&merged.tail, &tails[index], &format!("{what}, tails"));
        }
    }
    if let (Some(heads), Some(tails)) = (&level.window_head_logits, &level.window_tail_logits) {
        for (window, (heads, tails)) in windows.iter().flatten().zip(heads.iter().zip(tails)) {
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
        }
    }
}

#[test]
fn the_bound_on_a_pass_changes_no_logit() {
    let engine = Engine::load(&data("golden/tiny"));
    let case = lines::<Case>("golden/cases.jsonl")
        .into_iter()
        .max_by_key(|case| case.input_ids.len())
        .expect("a case");
    let tokens = engine.tokenizer.text(&case.text).expect("tokens");
    let whole = engine.windows(&tokens, &case.levels[0].hints, usize::MAX);
    let split = engine.windows(&tokens, &case.levels[0].hints, 512);
    for (whole, split) in whole.iter().flatten().zip(split.iter().flatten()) {
        assert_close(&split.head, &whole.head, "heads");
        assert_close(&split.tail, &whole.tail, "tails");
    }
}

#[test]
fn both_forms_of_weights_are_the_same_model() {
    let folder = tempfile::tempdir().expect("a folder");
    for file in ["config.json", "vocab.txt", "pytorch_model.bin"] {
        std::fs::copy(data("golden/tiny").join(file), folder.path().join(file)).expect(file);
    }
    let (zip, safetensors) = (
        Engine::load(folder.path()),
        Engine::load(&data("golden/tiny")),
    );
    let tokens = zip
        .tokenizer
        .text("小明在北京的云帆公司工作。")
        .expect("tokens");
    let hints = ["人物: ".to_owned()];
    assert_eq!(
        zip.windows(&tokens, &hints, 4_096),
        safetensors.windows(&tokens, &hints, 4_096)
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
    let engine = Engine::load(&data("demo-model"));
    for example in lines::<Example>("demo-model/examples.jsonl") {
        let output = engine.output(&example.text, &example.schema, false);
        assert_eq!(
            output.to_string(),
            example.output.to_string(),
            "{}",
            example.text
        );
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
        let found: Vec<GoldenEntity> = decode(&logits, &case.offsets, &characters)
            .into_iter()
            .map(Into::into)
            .collect();
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

/// Gives the scripted rows in the order of the calls: hint by hint, window by window.
struct Script {
    rows: std::vec::IntoIter<(Vec<f64>, Vec<f64>)>,
    windows: usize,
}

impl Scorer for Script {
    type Error = String;

    fn score(&mut self, hints: &[String]) -> Result<Vec<Vec<Logits>>, String> {
        Ok(hints
            .iter()
            .map(|_| {
                self.rows
                    .by_ref()
                    .take(self.windows)
                    .map(|(head, tail)| Logits { head, tail })
                    .collect()
            })
            .collect())
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
        let question = Question {
            text: &characters,
            tokens: &tokens,
            output_all_prefix: case.output_all_prefix,
            hint_limit: usize::MAX,
        };
        let windows = uninlu_server::decode::window_count(case.n_tokens);
        let mut script = Script {
            rows: case.rows.into_iter(),
            windows,
        };
        let output = extract(
            &question,
            &Schema::parse(&case.schema).expect("a schema"),
            &mut script,
        )
        .expect("an output");
        assert_eq!(
            json!(output).to_string(),
            case.output.to_string(),
            "{}",
            case.id
        );
        assert_eq!(script.rows.len(), 0, "{}: every row is asked for", case.id);
    }
}

#[derive(Deserialize)]
struct TokenizerCase {
    text: String,
    /// Set where the reference cut the string as it cuts a hint.
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
            assert_eq!(max_length, HINT_MAX_LENGTH);
            assert_eq!(
                tokenizer.hint(&case.text).expect("a hint"),
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

#[test]
fn a_hint_names_its_prefix() {
    let step = |kind: &str, span: &str| uninlu_server::extract::Step {
        kind: kind.into(),
        span: span.into(),
        offset: [0, 0],
    };
    assert_eq!(hint(&[], "人物"), "人物: ");
    assert_eq!(
        hint(&[step("人物", "谷爱凌"), step("赛事", "自由式")], "国籍"),
        "人物: 谷爱凌, 赛事: 自由式, 国籍: "
    );
}
