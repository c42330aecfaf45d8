//! `config.json` of a model folder.

use std::path::Path;

use serde::Deserialize;

use crate::files;
use crate::model_error::ModelError;

/// The fields of a BERT configuration that inference needs; the defaults are BERT's.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Entries of the vocabulary.
    pub vocab_size: i64,
    /// Width of a layer.
    pub hidden_size: i64,
    /// Attention heads of a layer; divides the width.
    pub num_attention_heads: i64,
    /// Width of the feed-forward part.
    pub intermediate_size: i64,
    /// Activation; only the exact GELU is supported.
    pub hidden_act: String,
    /// Positions with an embedding; a window and its prompt must fit.
    pub max_position_embeddings: i64,
    /// Token types with an embedding: 0 for the text, 1 for prompts.
    pub type_vocab_size: i64,
    /// Epsilon of the layer normalisations.
    pub layer_norm_eps: f64,
    /// Only `absolute` is supported.
    pub position_embedding_type: String,
}

/// No size of a model that fits a machine is larger.
const LARGEST: i64 = 1 << 24;

impl Default for Config {
    fn default() -> Self {
        Self {
            vocab_size: 30_522,
            hidden_size: 768,
            num_attention_heads: 12,
            intermediate_size: 3_072,
            hidden_act: "gelu".into(),
            max_position_embeddings: 512,
            type_vocab_size: 2,
            layer_norm_eps: 1e-12,
            position_embedding_type: "absolute".into(),
        }
    }
}

impl Config {
    /// Reads `config.json`.
    ///
    /// # Errors
    /// A file that cannot be read, is no JSON, or asks for what this server does not compute.
    pub fn load(folder: &Path) -> Result<Self, ModelError> {
        let file = folder.join("config.json");
        let config: Config = serde_json::from_slice(&files::read(&file)?)
            .map_err(|error| ModelError::malformed(&file, error))?;
        config
            .check()
            .map_err(|reason| ModelError::malformed(&file, reason))?;
        Ok(config)
    }

    fn check(&self) -> Result<(), String> {
        self.check_sizes()?;
        let only = |name: &str, value: &str, supported: &str| {
            let refused = format!("{name} {value:?} is not supported, only {supported:?}");
            (value == supported).then_some(()).ok_or(refused)
        };
        only("hidden_act", &self.hidden_act, "gelu")?;
        only(
            "position_embedding_type",
            &self.position_embedding_type,
            "absolute",
        )?;
        if self.type_vocab_size < 2 {
            return Err(
                "type_vocab_size is below 2: prompts need a token type of their own".into(),
            );
        }
        if self.max_position_embeddings < 512 {
            return Err(
                "max_position_embeddings is below 512, the tokens of a window and its prompt"
                    .into(),
            );
        }
        Ok(())
    }

    fn check_sizes(&self) -> Result<(), String> {
        let sizes = [
            ("vocab_size", self.vocab_size),
            ("hidden_size", self.hidden_size),
            ("num_attention_heads", self.num_attention_heads),
            ("intermediate_size", self.intermediate_size),
            ("max_position_embeddings", self.max_position_embeddings),
        ];
        let mut sizes = sizes.into_iter();
        if let Some((name, size)) = sizes.find(|(_, size)| !(1..=LARGEST).contains(size)) {
            return Err(format!("{name} {size} is not between 1 and {LARGEST}"));
        }
        if self.hidden_size % self.num_attention_heads != 0 {
            return Err(format!(
                "hidden_size {} is not a multiple of num_attention_heads {}",
                self.hidden_size, self.num_attention_heads
            ));
        }
        Ok(())
    }
}
