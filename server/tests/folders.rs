//! Model folders of other origins: what can be read is the same model, what cannot is named for what it is.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use safetensors::{Dtype, SafeTensors, View};
use serde_json::json;
use tempfile::TempDir;
use uninlu_server::model::Precision;
use uninlu_server::schema::Schema;
use uninlu_server::worker::{Engine, Request};

fn tiny() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/tiny")
}

/// A copy of the golden model without its weights.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for name in ["config.json", "vocab.txt"] {
        fs::copy(tiny().join(name), folder.path().join(name)).expect("a copy");
    }
    folder
}

fn load(folder: &Path) -> Result<Engine, String> {
    Engine::load(folder, Precision::Fp32, tch::Device::Cpu).map_err(|error| error.to_string())
}

fn fault(folder: &TempDir) -> String {
    load(folder.path()).err().expect("a refusal")
}

fn answer(engine: &Engine) -> String {
    let schema = json!({ "人物": { "职务": null }, "组织机构": null, "产品": null });
    let request = Request {
        text: "陈思远在苏州创办了云帆科技公司，2021年公司发布了第一款机器人，售价九千元。".into(),
        schema: Arc::new(Schema::parse(&schema).expect("a schema")),
        output_all_prefix: true,
        is_strict: false,
        deadline: None,
        allowance: Arc::default(),
    };
    let answer = engine.predict_all(&[request], 512).pop();
    let prediction = answer.expect("an answer").expect("a prediction");
    serde_json::to_string(&prediction.output).expect("JSON")
}

#[derive(Clone)]
struct Part {
    dtype: Dtype,
    shape: Vec<usize>,
    data: Vec<u8>,
}

impl View for Part {
    fn dtype(&self) -> Dtype {
        self.dtype
    }
    fn shape(&self) -> &[usize] {
        &self.shape
    }
    fn data(&self) -> Cow<'_, [u8]> {
        (&self.data).into()
    }
    fn data_len(&self) -> usize {
        self.data.len()
    }
}

fn tensors() -> BTreeMap<String, Part> {
    let bytes = fs::read(tiny().join("model.safetensors")).expect("the golden weights");
    let file = SafeTensors::deserialize(&bytes).expect("safetensors");
    let part = |name: &str| {
        let view = file.tensor(name).expect(name);
        Part {
            dtype: view.dtype(),
            shape: view.shape().to_vec(),
            data: view.data().to_vec(),
        }
    };
    let names = file.names().into_iter();
    names.map(|name| (name.to_owned(), part(name))).collect()
}

fn write(tensors: &BTreeMap<String, Part>, file: &Path) {
    safetensors::serialize_to_file(tensors.clone(), None, file).expect("a file");
}

#[test]
fn shards_other_names_and_what_nobody_needs_make_the_same_model() {
    let golden = answer(&load(&tiny()).expect("the golden model"));
    let mut all: BTreeMap<String, Part> = tensors()
        .into_iter()
        .map(|(name, part)| {
            let name = match name.strip_suffix("LayerNorm.weight") {
                Some(layer) => format!("module.{layer}LayerNorm.gamma"),
                None => format!(
                    "module.{}",
                    name.replace("LayerNorm.bias", "LayerNorm.beta")
                ),
            };
            (name, part)
        })
        .collect();
    for (dtype, width) in [
        (Dtype::BOOL, 1),
        (Dtype::U8, 1),
        (Dtype::I16, 2),
        (Dtype::I8, 1),
    ] {
        let part = Part {
            dtype,
            shape: vec![3],
            data: vec![1; 3 * width],
        };
        all.insert(format!("optimizer.{dtype:?}"), part);
    }
    let renamed = folder();
    write(&all, &renamed.path().join("model.safetensors"));
    assert_eq!(answer(&load(renamed.path()).expect("other names")), golden);

    let sharded = folder();
    let (mut shards, mut map) = ([BTreeMap::new(), BTreeMap::new()], HashMap::new());
    for ((name, part), number) in all.into_iter().zip(0_usize..) {
        map.insert(name.clone(), format!("model-{}.safetensors", number % 2));
        shards[number % 2].insert(name, part);
    }
    for (shard, number) in shards.iter().zip(0..) {
        write(
            shard,
            &sharded.path().join(format!("model-{number}.safetensors")),
        );
    }
    let index = sharded.path().join("model.safetensors.index.json");
    let write_index = |map: &HashMap<String, String>| {
        fs::write(
            &index,
            json!({ "metadata": {}, "weight_map": map }).to_string(),
        )
        .expect("a file");
    };
    write_index(&map);
    assert_eq!(answer(&load(sharded.path()).expect("shards")), golden);

    fs::remove_file(sharded.path().join("model-1.safetensors")).expect("a shard");
    assert!(
        fault(&sharded).contains("model-1.safetensors: "),
        "{}",
        fault(&sharded)
    );
    write_index(&HashMap::from([(
        "a".into(),
        "../elsewhere.safetensors".into(),
    )]));
    assert!(
        fault(&sharded).contains("not a file in this folder"),
        "{}",
        fault(&sharded)
    );
}

#[test]
fn a_vocabulary_is_counted_by_its_highest_id() {
    let golden = answer(&load(&tiny()).expect("the golden model"));
    let vocabulary = fs::read_to_string(tiny().join("vocab.txt")).expect("the vocabulary");
    let with = |text: String| {
        let folder = folder();
        fs::copy(
            tiny().join("model.safetensors"),
            folder.path().join("model.safetensors"),
        )
        .expect("a copy");
        fs::write(folder.path().join("vocab.txt"), text).expect("a file");
        folder
    };
    let entries = vocabulary.lines().count();
    let config: serde_json::Value =
        serde_json::from_slice(&fs::read(tiny().join("config.json")).expect("a file"))
            .expect("JSON");
    let room = config["vocab_size"].as_u64().expect("a size") as usize - entries;
    for text in [
        format!("{vocabulary}\n\n"),
        format!("\u{feff}{}\r\n", vocabulary.replace('\n', "\r\n")),
        // Not a distinct token: its id is what the embedding must have.
        format!("{vocabulary}{}", "[PAD]x\n".repeat(room)),
    ] {
        assert_eq!(answer(&load(with(text).path()).expect("a model")), golden);
    }
    let one_too_many = with(format!("{vocabulary}{}", "[PAD]x\n".repeat(room + 1)));
    assert!(
        fault(&one_too_many).contains("from the same model"),
        "{}",
        fault(&one_too_many)
    );
}

#[test]
fn a_stand_in_for_a_file_is_named() {
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4f\nsize 390000000\n";
    let page = "<!DOCTYPE html><html><title>Sign in</title></html>";
    for name in ["model.safetensors", "pytorch_model.bin"] {
        for (content, words) in [
            (pointer, "Git LFS pointer"),
            (page, "HTML page"),
            ("", "is empty"),
        ] {
            let folder = folder();
            fs::write(folder.path().join(name), content).expect("a file");
            let fault = fault(&folder);
            assert!(fault.contains(name) && fault.contains(words), "{fault}");
        }
        let folder = folder();
        std::os::unix::fs::symlink("../../blobs/1a2b", folder.path().join(name)).expect("a link");
        let fault = fault(&folder);
        assert!(
            fault.contains(name) && fault.contains("a link to ../../blobs/1a2b"),
            "{fault}"
        );
    }
    for name in ["config.json", "vocab.txt"] {
        let folder = folder();
        fs::remove_file(folder.path().join(name)).expect("a file");
        fs::create_dir(folder.path().join(name)).expect("a folder");
        let fault = fault(&folder);
        assert!(
            fault.contains(name) && fault.contains("a folder, not a file"),
            "{fault}"
        );
    }
    let folder = folder();
    assert!(fault(&folder).contains("no weights"), "{}", fault(&folder));
}

#[test]
fn weights_that_are_not_numbers_answer_nothing() {
    let mut damaged = tensors();
    let head = damaged.get_mut("head_clsf.bias").expect("a bias");
    assert_eq!(head.dtype, Dtype::F32);
    head.data.copy_from_slice(&f32::NAN.to_le_bytes());
    let folder = folder();
    write(&damaged, &folder.path().join("model.safetensors"));
    let engine = load(folder.path()).expect("it has the right shapes");
    let schema = Schema::parse(&json!({ "人物": null })).expect("a schema");
    let request = Request {
        text: "陈思远".into(),
        schema: Arc::new(schema),
        output_all_prefix: false,
        is_strict: false,
        deadline: None,
        allowance: Arc::default(),
    };
    let answer = engine
        .predict_all(&[request], 512)
        .pop()
        .expect("an answer");
    assert!(format!("{:?}", answer.expect_err("no numbers")).contains("not finite"));
}
