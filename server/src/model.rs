//! The network: two towers of BERT layers, cross layers over both, and two pointer heads.
//!
//! Shapes: `k` windows of a text, `T` tokens of a window, `h` tokens of a hint, `H` hidden size.

use std::collections::BTreeSet;
use std::path::Path;

use tch::{Device, Kind, Tensor};

use crate::config::{Config, ModelError};
use crate::decode::{Logits, STRIDE, WINDOW, window_count};
use crate::weights::{self, Weights};

/// The last layers of the stack run over text and hint together; their number is fixed in the reference.
const CROSS_LAYERS: usize = 6;
/// What a masked position adds to an attention score: after the softmax nothing is left of it.
const MASKED: f64 = -3.0e38;
/// What a padded position adds to a logit.
const PADDED_LOGIT: f64 = -10_000.0;

struct Linear {
    weight: Tensor,
    bias: Tensor,
}

struct LayerNorm {
    weight: Tensor,
    bias: Tensor,
}

struct Layer {
    query: Linear,
    key: Linear,
    value: Linear,
    attention_output: Linear,
    attention_norm: LayerNorm,
    intermediate: Linear,
    output: Linear,
    output_norm: LayerNorm,
}

/// The model in memory, fp32.
pub struct Model {
    config: Config,
    words: Tensor,
    positions: Tensor,
    types: Tensor,
    embedding_norm: LayerNorm,
    tower: Vec<Layer>,
    cross: Vec<Layer>,
    head: Linear,
    tail: Linear,
}

/// What the text tower made of a text: computed once, used for every hint.
pub struct EncodedText {
    /// `[k, T, H]`
    states: Tensor,
    /// `[k, T]`, 1 for a token and 0 for padding.
    mask: Tensor,
}

impl EncodedText {
    /// Number of windows and tokens of each.
    pub fn shape(&self) -> (i64, i64) {
        let size = self.mask.size();
        (size[0], size[1])
    }
}

impl Model {
    /// Reads `config.json` and the weights of a model folder.
    ///
    /// # Errors
    /// Whatever keeps the folder from being a model; missing and misshapen tensors are all named.
    pub fn load(folder: &Path) -> Result<Self, ModelError> {
        let config = Config::load(folder)?;
        let weights = weights::load(folder)?;
        Self::build(config, weights).map_err(|faults| ModelError::Tensors {
            file: folder.display().to_string(),
            faults,
        })
    }

    fn build(config: Config, weights: Weights) -> Result<Self, Vec<String>> {
        let prefixes = layer_prefixes(&weights)?;
        let (hidden, vocabulary) = (config.hidden_size, config.vocab_size);
        let mut source = Source {
            weights,
            faults: Vec::new(),
        };
        let layers: Vec<Layer> = prefixes
            .iter()
            .map(|prefix| source.layer(prefix, &config))
            .collect();
        let mut layers = layers.into_iter();
        let embeddings = "plm.embeddings";
        let model = Self {
            words: source.tensor(
                &format!("{embeddings}.word_embeddings.weight"),
                &[vocabulary, hidden],
            ),
            positions: source.tensor(
                &format!("{embeddings}.position_embeddings.weight"),
                &[config.max_position_embeddings, hidden],
            ),
            types: source.tensor(
                &format!("{embeddings}.token_type_embeddings.weight"),
                &[config.type_vocab_size, hidden],
            ),
            embedding_norm: source.layer_norm(&format!("{embeddings}.LayerNorm"), hidden),
            tower: layers
                .by_ref()
                .take(prefixes.len() - CROSS_LAYERS)
                .collect(),
            cross: layers.collect(),
            head: source.linear("head_clsf", 1, hidden),
            tail: source.linear("tail_clsf", 1, hidden),
            config,
        };
        if source.faults.is_empty() {
            Ok(model)
        } else {
            Err(source.faults)
        }
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Number of layers: of the towers, and over text and hint together.
    pub fn layers(&self) -> (usize, usize) {
        (self.tower.len(), self.cross.len())
    }

    /// Runs the text tower over the windows of a text's ids.
    ///
    /// # Errors
    /// What libtorch refuses.
    pub fn encode_text(&self, ids: &[i64]) -> Result<EncodedText, ModelError> {
        let windows = window_count(ids.len());
        let length = if windows == 1 { ids.len() } else { WINDOW };
        let starts = (0..windows).map(|window| window * STRIDE);
        let rows: Vec<&[i64]> = starts
            .map(|start| &ids[start..ids.len().min(start + length)])
            .collect();
        let (ids, mask) = padded(&rows, length)?;
        let states = self.embed(&ids, 0, 0)?;
        let states = self.run(&self.tower, states, &mask)?;
        Ok(EncodedText { states, mask })
    }

    /// Logits of each hint over each window of the text. At most `batch_tokens` tokens stand in one pass, but at least
    /// one window with its hint. `go_on` is asked before each pass.
    ///
    /// # Errors
    /// What libtorch refuses; [`ModelError::Abandoned`] when `go_on` said no.
    pub fn score(
        &self,
        text: &EncodedText,
        hints: &[Vec<i64>],
        batch_tokens: usize,
        go_on: &dyn Fn() -> bool,
    ) -> Result<Vec<Vec<Logits>>, ModelError> {
        let (windows, length) = text.shape();
        let longest = hints.iter().map(Vec::len).max().unwrap_or(0);
        let pass_tokens = length as usize + longest;
        let pairs: Vec<(usize, i64)> = (0..hints.len())
            .flat_map(|hint| (0..windows).map(move |window| (hint, window)))
            .collect();
        let mut rows = Vec::with_capacity(pairs.len());
        for pass in pairs.chunks((batch_tokens / pass_tokens).max(1)) {
            if !go_on() {
                return Err(ModelError::Abandoned);
            }
            rows.extend(self.score_pass(text, hints, pass)?);
        }
        let mut rows = rows.into_iter();
        Ok(hints
            .iter()
            .map(|_| rows.by_ref().take(windows as usize).collect())
            .collect())
    }

    fn score_pass(
        &self,
        text: &EncodedText,
        hints: &[Vec<i64>],
        pairs: &[(usize, i64)],
    ) -> Result<Vec<Logits>, ModelError> {
        let (_, length) = text.shape();
        let rows: Vec<&[i64]> = pairs
            .iter()
            .map(|(hint, _)| hints[*hint].as_slice())
            .collect();
        let longest = rows.iter().map(|row| row.len()).max().unwrap_or(0);
        let (ids, hint_mask) = padded(&rows, longest)?;
        let hint_states = self.run(&self.tower, self.embed(&ids, 1, length)?, &hint_mask)?;
        let windows: Vec<i64> = pairs.iter().map(|(_, window)| *window).collect();
        let windows = Tensor::f_from_slice(&windows)?;
        let text_states = text.states.f_index_select(0, &windows)?;
        let text_mask = text.mask.f_index_select(0, &windows)?;
        let states = Tensor::f_cat(&[text_states, hint_states], 1)?;
        let mask = Tensor::f_cat(&[&text_mask, &hint_mask], 1)?;
        let states = self
            .run(&self.cross, states, &mask)?
            .f_narrow(1, 0, length)?;
        self.point(&states, &text_mask)
    }

    /// `[n, T, H]` → head and tail logits of each row.
    fn point(&self, states: &Tensor, mask: &Tensor) -> Result<Vec<Logits>, ModelError> {
        let padding = (mask - 1.0) * -PADDED_LOGIT;
        let rows = |linear: &Linear| -> Result<Vec<Vec<f64>>, ModelError> {
            let logits = linear
                .apply(states)?
                .f_squeeze_dim(-1)?
                .f_add(&padding)?
                .f_to_kind(Kind::Double)?;
            Ok(Vec::<Vec<f64>>::try_from(&logits)?)
        };
        let (heads, tails) = (rows(&self.head)?, rows(&self.tail)?);
        Ok(heads
            .into_iter()
            .zip(tails)
            .map(|(head, tail)| Logits { head, tail })
            .collect())
    }

    /// `[n, t]` ids → `[n, t, H]`, at positions from `first_position` on.
    fn embed(
        &self,
        ids: &Tensor,
        token_type: i64,
        first_position: i64,
    ) -> Result<Tensor, ModelError> {
        let words = Tensor::f_embedding(&self.words, ids, -1, false, false)?;
        let positions = self.positions.f_narrow(0, first_position, ids.size()[1])?;
        let states = words
            .f_add(&positions)?
            .f_add(&self.types.f_get(token_type)?)?;
        self.embedding_norm
            .apply(&states, self.config.layer_norm_eps)
    }

    fn run(&self, layers: &[Layer], states: Tensor, mask: &Tensor) -> Result<Tensor, ModelError> {
        let bias = ((mask - 1.0) * -MASKED).f_unsqueeze(1)?.f_unsqueeze(1)?;
        layers.iter().try_fold(states, |states, layer| {
            layer.apply(&states, &bias, &self.config)
        })
    }
}

impl Layer {
    /// `[n, t, H]` → `[n, t, H]`; `bias` is `[n, 1, 1, t]`.
    fn apply(&self, states: &Tensor, bias: &Tensor, config: &Config) -> Result<Tensor, ModelError> {
        let size = states.size();
        let (rows, tokens) = (size[0], size[1]);
        let split = |tensor: Tensor| {
            tensor
                .f_view([rows, tokens, config.num_attention_heads, -1])?
                .f_transpose(1, 2)
        };
        let query = split(self.query.apply(states)?)?;
        let key = split(self.key.apply(states)?)?;
        let value = split(self.value.apply(states)?)?;
        let context = Tensor::f_scaled_dot_product_attention(
            &query,
            &key,
            &value,
            Some(bias),
            0.0,
            false,
            None::<f64>,
            false,
        )?;
        let context = context
            .f_transpose(1, 2)?
            .f_reshape([rows, tokens, config.hidden_size])?;
        let attended = self.attention_output.apply(&context)?.f_add(states)?;
        let attended = self
            .attention_norm
            .apply(&attended, config.layer_norm_eps)?;
        let widened = self.intermediate.apply(&attended)?.f_gelu("none")?;
        let output = self.output.apply(&widened)?.f_add(&attended)?;
        self.output_norm.apply(&output, config.layer_norm_eps)
    }
}

impl Linear {
    fn apply(&self, input: &Tensor) -> Result<Tensor, ModelError> {
        Ok(input.f_linear(&self.weight, Some(&self.bias))?)
    }
}

impl LayerNorm {
    fn apply(&self, input: &Tensor, epsilon: f64) -> Result<Tensor, ModelError> {
        Ok(input.f_layer_norm(
            self.weight.size(),
            Some(&self.weight),
            Some(&self.bias),
            epsilon,
            false,
        )?)
    }
}

/// Ids and mask of rows of different lengths, padded with 0 at the right.
fn padded(rows: &[&[i64]], length: usize) -> Result<(Tensor, Tensor), ModelError> {
    let mut ids = vec![0_i64; rows.len() * length];
    let mut mask = vec![0_f32; rows.len() * length];
    for (row, values) in rows.iter().enumerate() {
        let start = row * length;
        ids[start..start + values.len()].copy_from_slice(values);
        mask[start..start + values.len()].fill(1.0);
    }
    let shape = [rows.len() as i64, length as i64];
    Ok((
        Tensor::f_from_slice(&ids)?.f_view(shape)?,
        Tensor::f_from_slice(&mask)?.f_view(shape)?,
    ))
}

/// The prefixes of all layers in order. The number of layers is counted from the names: a checkpoint that was saved
/// from a live model carries a `num_hidden_layers` that the reference has already halved. A checkpoint may also hold
/// all layers in one stack.
fn layer_prefixes(weights: &Weights) -> Result<Vec<String>, Vec<String>> {
    let (tower, cross) = ("plm.encoder.layer", "crossattention.layer");
    let (tower_layers, cross_layers) = (count_layers(weights, tower), count_layers(weights, cross));
    let is_whole = if cross_layers == 0 {
        tower_layers >= CROSS_LAYERS
    } else {
        cross_layers == CROSS_LAYERS
    };
    if !is_whole {
        return Err(vec![format!(
            "there are {tower_layers} layers `{tower}.N` and {cross_layers} layers `{cross}.N`; \
             SiameseUniNLU has {CROSS_LAYERS} cross layers, the last ones of the stack"
        )]);
    }
    let names = |prefix: &str, count: usize| {
        (0..count)
            .map(|layer| format!("{prefix}.{layer}"))
            .collect::<Vec<_>>()
    };
    Ok([names(tower, tower_layers), names(cross, cross_layers)].concat())
}

fn count_layers(weights: &Weights, prefix: &str) -> usize {
    let numbers: BTreeSet<usize> = weights
        .keys()
        .filter_map(|name| {
            name.strip_prefix(prefix)?
                .strip_prefix('.')?
                .split('.')
                .next()?
                .parse()
                .ok()
        })
        .collect();
    numbers
        .last()
        .map_or(0, |last: &usize| last.saturating_add(1))
        .min(1_000)
}

/// Takes tensors out of the weights and notes every fault.
struct Source {
    weights: Weights,
    faults: Vec<String>,
}

impl Source {
    fn tensor(&mut self, name: &str, shape: &[i64]) -> Tensor {
        match self.weights.remove(name) {
            Some(tensor) if tensor.size() == shape && tensor.kind() == Kind::Float => {
                return tensor;
            }
            Some(tensor) if tensor.size() == shape => {
                self.faults.push(format!("{name} holds integers"))
            }
            Some(tensor) => self.faults.push(format!(
                "{name} has the shape {:?}, not {shape:?}",
                tensor.size()
            )),
            None => self.faults.push(format!("{name} is missing")),
        }
        // Stands in until all faults are known; never of the configured shape, which may be absurd.
        Tensor::zeros([1], (Kind::Float, Device::Cpu))
    }

    fn linear(&mut self, name: &str, output: i64, input: i64) -> Linear {
        Linear {
            weight: self.tensor(&format!("{name}.weight"), &[output, input]),
            bias: self.tensor(&format!("{name}.bias"), &[output]),
        }
    }

    fn layer_norm(&mut self, name: &str, size: i64) -> LayerNorm {
        LayerNorm {
            weight: self.tensor(&format!("{name}.weight"), &[size]),
            bias: self.tensor(&format!("{name}.bias"), &[size]),
        }
    }

    fn layer(&mut self, name: &str, config: &Config) -> Layer {
        let (hidden, intermediate) = (config.hidden_size, config.intermediate_size);
        Layer {
            query: self.linear(&format!("{name}.attention.self.query"), hidden, hidden),
            key: self.linear(&format!("{name}.attention.self.key"), hidden, hidden),
            value: self.linear(&format!("{name}.attention.self.value"), hidden, hidden),
            attention_output: self.linear(
                &format!("{name}.attention.output.dense"),
                hidden,
                hidden,
            ),
            attention_norm: self.layer_norm(&format!("{name}.attention.output.LayerNorm"), hidden),
            intermediate: self.linear(&format!("{name}.intermediate.dense"), intermediate, hidden),
            output: self.linear(&format!("{name}.output.dense"), hidden, intermediate),
            output_norm: self.layer_norm(&format!("{name}.output.LayerNorm"), hidden),
        }
    }
}
