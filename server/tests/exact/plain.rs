//! The model's specification written down once more, as slow as it reads: every prompt alone, every text encoded anew at
//! every node, padded windows with their mask, libtorch's own operators. What is fast must equal it.

use tch::{Kind, Tensor};
use uninlu_server::config::Config;
use uninlu_server::decode::{Entity, Logits, STRIDE, WINDOW, decode, merge, window_count};
use uninlu_server::extract::{Extraction, NodeId, Step};
use uninlu_server::schema::Schema;
use uninlu_server::tokenizer::{Tokenizer, Tokens};
use uninlu_server::weights::{self, Weights};

use std::path::Path;
use std::sync::Arc;

pub(crate) struct Plain {
    config: Config,
    weights: Weights,
    pub(crate) tokenizer: Tokenizer,
}

impl Plain {
    pub(crate) fn load(folder: &Path) -> Self {
        Self {
            config: Config::load(folder).expect("config.json"),
            weights: weights::load(folder).expect("weights"),
            tokenizer: Tokenizer::load(folder).expect("vocab.txt"),
        }
    }

    fn tensor(&self, name: &str) -> Tensor {
        let slice = self.weights.slice(name).expect(name);
        self.weights.tensor(slice).expect(name)
    }

    fn linear(&self, name: &str, input: &Tensor) -> Tensor {
        let bias = self.tensor(&format!("{name}.bias"));
        input.linear(&self.tensor(&format!("{name}.weight")), Some(&bias))
    }

    fn norm(&self, name: &str, input: &Tensor) -> Tensor {
        let (weight, bias) = (
            self.tensor(&format!("{name}.weight")),
            self.tensor(&format!("{name}.bias")),
        );
        let epsilon = self.config.layer_norm_eps;
        input.layer_norm(weight.size(), Some(&weight), Some(&bias), epsilon, false)
    }

    /// `[t, H]` → `[t, H]`; `mask` is `[t]`.
    fn layer(&self, name: &str, states: &Tensor, mask: &Tensor) -> Tensor {
        let heads = self.config.num_attention_heads;
        let tokens = states.size()[0];
        let split = |part: &str| {
            self.linear(&format!("{name}.attention.self.{part}"), states)
                .view([tokens, heads, -1])
                .transpose(0, 1)
        };
        let (query, key, value) = (split("query"), split("key"), split("value"));
        let width = query.size()[2] as f64;
        let scores = query.matmul(&key.transpose(1, 2)) / width.sqrt();
        let scores: Tensor = scores + (mask - 1.0) * 1e30;
        let context = scores.softmax(-1, Kind::Float).matmul(&value);
        let context = context.transpose(0, 1).reshape([tokens, -1]);
        let attended = self.linear(&format!("{name}.attention.output.dense"), &context) + states;
        let attended = self.norm(&format!("{name}.attention.output.LayerNorm"), &attended);
        let widened = self.linear(&format!("{name}.intermediate.dense"), &attended);
        let output = self.linear(&format!("{name}.output.dense"), &widened.gelu("none"));
        self.norm(&format!("{name}.output.LayerNorm"), &(output + attended))
    }

    fn tower(&self, ids: &[i64], token_type: i64, first: i64, mask: &Tensor) -> Tensor {
        let count = ids.len() as i64;
        let table = |name: &str| self.tensor(&format!("plm.embeddings.{name}_embeddings.weight"));
        let words = table("word").index_select(0, &Tensor::from_slice(ids));
        let positions = table("position").narrow(0, first, count);
        let states = words + positions + table("token_type").get(token_type);
        let layers = self.config_layers();
        (0..layers).fold(
            self.norm("plm.embeddings.LayerNorm", &states),
            |states, layer| self.layer(&format!("plm.encoder.layer.{layer}"), &states, mask),
        )
    }

    fn config_layers(&self) -> usize {
        (0..)
            .take_while(|layer| {
                let name = format!("plm.encoder.layer.{layer}.output.dense.bias");
                self.weights.slice(&name).is_ok()
            })
            .count()
    }

    fn window(&self, ids: &[i64], length: usize, prompt: &[i64]) -> Logits {
        let mut padded = ids.to_vec();
        padded.resize(length, 0);
        let ones = Tensor::ones([ids.len() as i64], (Kind::Float, tch::Device::Cpu));
        let mask = ones.constant_pad_nd([0, (length - ids.len()) as i64]);
        let text = self.tower(&padded, 0, 0, &mask);
        let prompt_mask = Tensor::ones([prompt.len() as i64], (Kind::Float, tch::Device::Cpu));
        let prompt = self.tower(prompt, 1, length as i64, &prompt_mask);
        let both = Tensor::cat(&[&mask, &prompt_mask], 0);
        let states = (0..6).fold(Tensor::cat(&[text, prompt], 0), |states, layer| {
            self.layer(&format!("crossattention.layer.{layer}"), &states, &both)
        });
        let states = states.narrow(0, 0, ids.len() as i64);
        let row = |name: &str| {
            let logits = self
                .linear(name, &states)
                .squeeze_dim(-1)
                .to_kind(Kind::Double);
            Vec::<f64>::try_from(&logits).expect("a row")
        };
        Logits {
            head: row("head_clsf"),
            tail: row("tail_clsf"),
        }
    }

    /// Logits of a prompt over the whole text.
    pub(crate) fn logits(&self, tokens: &Tokens, prompt: &str) -> Logits {
        let prompt = self.tokenizer.prompt(prompt.chars()).expect("a prompt").ids;
        let count = tokens.ids.len();
        let length = count.min(WINDOW);
        let windows: Vec<Logits> = (0..window_count(count))
            .map(|index| index * STRIDE)
            .map(|start| &tokens.ids[start..count.min(start + WINDOW)])
            .map(|ids| self.window(ids, length, &prompt))
            .collect();
        merge(&windows, count)
    }

    /// The reference's own recursion: depth first.
    pub(crate) fn output(&self, text: &str, schema: &Arc<Schema>) -> Vec<Vec<Step>> {
        let _no_gradients = tch::no_grad_guard();
        let tokens = self.tokenizer.text(text).expect("tokens");
        let characters: Vec<char> = text.chars().collect();
        let (mut extraction, root) = Extraction::new(schema.clone(), false);
        self.walk(&mut extraction, root, &tokens, &characters);
        let output = extraction.output(&characters, |_| Ok(()));
        output.expect("no bound")
    }

    fn walk(&self, extraction: &mut Extraction, node: NodeId, tokens: &Tokens, text: &[char]) {
        let found: Vec<Vec<Entity>> = extraction
            .prompts(node, text)
            .map(|prompt| {
                decode(
                    &self.logits(tokens, &String::from_iter(prompt)),
                    &tokens.offsets,
                )
            })
            .collect();
        for child in extraction.answer(node, found) {
            self.walk(extraction, child, tokens, text);
        }
    }
}
