//! The network: two towers of BERT layers, cross layers over both, and two pointer heads.
//!
//! Nothing is padded to the longest: the tokens of all sequences lie behind each other in one `[N, H]` matrix, on which
//! everything but attention runs at once; attention runs once for each group of equally shaped sequences.
//!
//! Shapes: `T` tokens of a text's window, `h` tokens of a prompt, `N` tokens of all sequences, `H` hidden size.

mod linear;
mod packing;
mod precision;

use std::collections::BTreeSet;
use std::path::Path;

use tch::{Device, Kind, Tensor};

use crate::cgroup;
use crate::config::Config;
use crate::decode::Logits;
use crate::model_error::ModelError;
use crate::weights::{self, Slice, Weights};

use linear::Linear;
pub(crate) use packing::stepped;
use packing::{Group, Packing, pack};
pub use precision::{check_precision, processor_flags};
pub use uninlu_settings::Precision;

/// The last layers of the stack run over text and prompt together; their number is fixed in the reference.
const CROSS_LAYERS: usize = 6;

/// A sequence of the towers: a window of a text, or a prompt behind it.
#[derive(Debug, Clone, Copy)]
pub struct Sequence<'a> {
    /// Token ids.
    pub ids: &'a [i64],
    /// 0 for a text, 1 for a prompt.
    pub token_type: i64,
    /// 0 for a text; for a prompt the length of the text's window: its positions go on behind the text.
    pub first_position: i64,
}

/// What the cross layers look at together: the towers' states of a window `[T, H]` and of a prompt `[h, H]`.
#[derive(Debug, Clone, Copy)]
pub struct Pair<'a> {
    /// The window's states.
    pub text: &'a Tensor,
    /// The prompt's states.
    pub prompt: &'a Tensor,
}

struct LayerNorm {
    weight: Tensor,
    bias: Tensor,
    epsilon: f64,
}

struct Layer {
    heads: i64,
    /// Query, key and value in one.
    attention: Linear,
    attention_output: Linear,
    attention_norm: LayerNorm,
    intermediate: Linear,
    output: Linear,
    output_norm: LayerNorm,
}

/// The model in memory.
pub struct Model {
    config: Config,
    precision: Precision,
    device: Device,
    words: Tensor,
    positions: Tensor,
    types: Tensor,
    embedding_norm: LayerNorm,
    tower: Vec<Layer>,
    cross: Vec<Layer>,
    /// Head and tail in one, `[2, H]`.
    pointers: (Tensor, Tensor),
}

impl Model {
    /// Reads `config.json` and the weights of a model folder.
    ///
    /// # Errors
    /// Whatever keeps the folder from being a model; missing and misshapen tensors are all named.
    pub fn load(folder: &Path, precision: Precision, device: Device) -> Result<Self, ModelError> {
        let _no_gradients = tch::no_grad_guard();
        check_precision(precision, device, &processor_flags()).map_err(ModelError::Precision)?;
        let config = Config::load(folder)?;
        let weights = weights::load(folder)?;
        let in_folder = |problems| ModelError::Tensors {
            file: folder.display().to_string(),
            problems,
        };
        let prefixes = layer_prefixes(&weights).map_err(in_folder)?;
        let mut source = Source {
            weights: &weights,
            problems: Vec::new(),
        };
        let raw = source.model(&config, &prefixes);
        if !source.problems.is_empty() {
            return Err(in_folder(source.problems));
        }
        if device == Device::Cpu {
            let needed = needed_memory(&config, prefixes.len(), precision);
            check_memory(needed, cgroup::memory_limit())?;
        }
        raw.pack(&weights, config, precision, device)
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// How the linears compute.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// Where the model runs.
    pub fn device(&self) -> Device {
        self.device
    }

    /// Number of layers: of the towers, and over text and prompt together.
    pub fn layers(&self) -> (usize, usize) {
        (self.tower.len(), self.cross.len())
    }

    /// Another handle on the same weights, for another thread.
    pub fn share(&self) -> Self {
        Self {
            config: self.config.clone(),
            precision: self.precision,
            device: self.device,
            words: self.words.shallow_clone(),
            positions: self.positions.shallow_clone(),
            types: self.types.shallow_clone(),
            embedding_norm: self.embedding_norm.share(),
            tower: self.tower.iter().map(Layer::share).collect(),
            cross: self.cross.iter().map(Layer::share).collect(),
            pointers: (
                self.pointers.0.shallow_clone(),
                self.pointers.1.shallow_clone(),
            ),
        }
    }

    /// Runs the towers: the states of each sequence, `[T, H]` or `[h, H]`. `pause` is called before each layer.
    ///
    /// # Errors
    /// What libtorch refuses.
    pub fn encode(
        &self,
        sequences: &[Sequence<'_>],
        pause: &dyn Fn(),
    ) -> Result<Vec<Tensor>, ModelError> {
        let _no_gradients = tch::no_grad_guard();
        let shapes: Vec<(i64, i64)> = sequences
            .iter()
            .map(|sequence| (sequence.ids.len() as i64, 0))
            .collect();
        let packing = Packing::of(&shapes);
        let mut states = self.embed(packing.order.iter().map(|index| &sequences[*index]))?;
        for layer in &self.tower {
            pause();
            states = layer.apply(&states, &packing.groups)?;
        }
        packing
            .rows(&states)?
            .iter()
            // A copy: a view would keep the states of all sequences in memory.
            .map(|rows| Ok(rows.f_alias_copy()?))
            .collect()
    }

    /// Runs the cross layers and the heads: the logits of each window's tokens. `pause` is called before each layer.
    ///
    /// # Errors
    /// What libtorch refuses.
    pub fn score(&self, pairs: &[Pair<'_>], pause: &dyn Fn()) -> Result<Vec<Logits>, ModelError> {
        let _no_gradients = tch::no_grad_guard();
        let shapes: Vec<(i64, i64)> = pairs
            .iter()
            .map(|pair| (pair.text.size()[0], pair.prompt.size()[0]))
            .collect();
        let packing = Packing::of(&shapes);
        let parts: Vec<&Tensor> = packing
            .order
            .iter()
            .flat_map(|index| [pairs[*index].text, pairs[*index].prompt])
            .collect();
        let mut states = pack(&parts)?;
        let (last, before) = self
            .cross
            .split_last()
            .expect("loading refuses another number of cross layers");
        for layer in before {
            pause();
            states = layer.apply(&states, &packing.groups)?;
        }
        pause();
        // Only the text's tokens point, so nothing else needs the last layer.
        let states = last.apply_to_text(&states, &packing.groups)?;
        self.point(&states, &packing.of_text())
    }

    /// `[N, H]` → head and tail logits of each row.
    fn point(&self, states: &Tensor, packing: &Packing) -> Result<Vec<Logits>, ModelError> {
        let (weight, bias) = &self.pointers;
        let logits = states
            .f_to_kind(Kind::Float)?
            .f_linear(weight, Some(bias))?
            .f_to_device(Device::Cpu)?
            .f_to_kind(Kind::Double)?
            .f_transpose(0, 1)?
            .f_contiguous()?;
        let column = |index: i64| -> Result<Vec<f64>, ModelError> {
            Ok(Vec::<f64>::try_from(&logits.f_get(index)?)?)
        };
        let (heads, tails) = (column(0)?, column(1)?);
        Ok(packing.ordered(packing.ranges().map(|range| Logits {
            head: heads[range.clone()].to_vec(),
            tail: tails[range].to_vec(),
        })))
    }

    /// Sequences → `[N, H]`.
    fn embed<'a>(
        &self,
        sequences: impl Iterator<Item = &'a Sequence<'a>>,
    ) -> Result<Tensor, ModelError> {
        let (mut ids, mut types, mut positions) = (Vec::new(), Vec::new(), Vec::new());
        for sequence in sequences {
            let length = sequence.ids.len();
            ids.extend_from_slice(sequence.ids);
            types.resize(types.len() + length, sequence.token_type);
            positions.extend(sequence.first_position..sequence.first_position + length as i64);
        }
        let rows = |table: &Tensor, indices: &[i64]| -> Result<Tensor, ModelError> {
            let indices = Tensor::f_from_slice(indices)?.f_to_device(self.device)?;
            Ok(Tensor::f_embedding(table, &indices, -1, false, false)?)
        };
        let states = rows(&self.words, &ids)?
            .f_add(&rows(&self.positions, &positions)?)?
            .f_add(&rows(&self.types, &types)?)?;
        pack(&[&self.embedding_norm.apply(&states)?])
    }
}

impl Layer {
    /// `[N, H]` → `[N, H]`.
    fn apply(&self, states: &Tensor, groups: &[Group]) -> Result<Tensor, ModelError> {
        let context = self.attend(states, groups, Group::tokens)?;
        self.feed_forward(states, &context)
    }

    /// `[N, H]` → `[N', H]`: only the rows of texts.
    fn apply_to_text(&self, states: &Tensor, groups: &[Group]) -> Result<Tensor, ModelError> {
        let context = self.attend(states, groups, |group| group.text)?;
        let texts: Vec<Tensor> = groups
            .iter()
            .map(|group| group.text_rows(states))
            .collect::<Result<_, _>>()?;
        let texts: Vec<&Tensor> = texts.iter().collect();
        self.feed_forward(&pack(&texts)?, &context)
    }

    /// Attention of the first `queries` tokens of each sequence over all of its tokens.
    fn attend(
        &self,
        states: &Tensor,
        groups: &[Group],
        queries: impl Fn(&Group) -> i64,
    ) -> Result<Tensor, ModelError> {
        let mixed = self.attention.apply(states)?;
        let contexts: Vec<Tensor> = groups
            .iter()
            .map(|group| group.attend(&mixed, self.heads, queries(group)))
            .collect::<Result<_, _>>()?;
        let contexts: Vec<&Tensor> = contexts.iter().collect();
        pack(&contexts)
    }

    fn feed_forward(&self, states: &Tensor, context: &Tensor) -> Result<Tensor, ModelError> {
        let attended = self.attention_output.apply_add(context, states)?;
        let attended = self.attention_norm.apply(&attended)?;
        let widened = self.intermediate.apply_gelu(&attended)?;
        let output = self.output.apply_add(&widened, &attended)?;
        self.output_norm.apply(&output)
    }

    fn share(&self) -> Self {
        Self {
            heads: self.heads,
            attention: self.attention.share(),
            attention_output: self.attention_output.share(),
            attention_norm: self.attention_norm.share(),
            intermediate: self.intermediate.share(),
            output: self.output.share(),
            output_norm: self.output_norm.share(),
        }
    }
}

impl LayerNorm {
    fn apply(&self, input: &Tensor) -> Result<Tensor, ModelError> {
        Ok(input.f_layer_norm(
            self.weight.size(),
            Some(&self.weight),
            Some(&self.bias),
            self.epsilon,
            false,
        )?)
    }

    fn share(&self) -> Self {
        Self {
            weight: self.weight.shallow_clone(),
            bias: self.bias.shallow_clone(),
            epsilon: self.epsilon,
        }
    }
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

/// Bytes that a process with the model takes at least: its weights as they are laid out, and what libtorch and one
/// pass need beside them.
fn needed_memory(config: &Config, layers: usize, precision: Precision) -> u64 {
    const BESIDE_THE_WEIGHTS: u64 = 64 << 20;
    let size = |field: i64| field as u64;
    let (hidden, inner) = (size(config.hidden_size), size(config.intermediate_size));
    let embedded = config.vocab_size + config.max_position_embeddings + config.type_vocab_size;
    let linears = layers as u64 * (4 * hidden * hidden + 2 * hidden * inner);
    4 * size(embedded) * hidden + precision.bytes() * linears + BESIDE_THE_WEIGHTS
}

/// A process that is killed while it loads could not say why.
fn check_memory(needed: u64, granted: Option<u64>) -> Result<(), ModelError> {
    match granted {
        Some(granted) if granted < needed => Err(ModelError::Memory {
            needed_mib: needed.div_ceil(1 << 20),
            granted_mib: granted >> 20,
        }),
        _ => Ok(()),
    }
}

fn count_layers(weights: &Weights, prefix: &str) -> usize {
    let numbers: BTreeSet<usize> = weights
        .names()
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

/// Where a weight and its bias lie in the file.
type Raw = (Slice, Slice);

struct RawLayer {
    query: Raw,
    key: Raw,
    value: Raw,
    attention_output: Raw,
    attention_norm: Raw,
    intermediate: Raw,
    output: Raw,
    output_norm: Raw,
}

struct RawModel {
    words: Slice,
    positions: Slice,
    types: Slice,
    embedding_norm: Raw,
    layers: Vec<RawLayer>,
    head: Raw,
    tail: Raw,
}

impl RawModel {
    /// Copies the weights out of the file, layer by layer, and lays them out for `device`.
    fn pack(
        self,
        weights: &Weights,
        config: Config,
        precision: Precision,
        device: Device,
    ) -> Result<Model, ModelError> {
        let packer = Packer {
            weights,
            config: &config,
            precision,
            device,
        };
        let layers = self.layers.into_iter().map(|layer| packer.layer(layer));
        let mut layers: Vec<Layer> = layers.collect::<Result<_, _>>()?;
        let cross = layers.split_off(layers.len() - CROSS_LAYERS);
        let (weight, bias) = packer.joined(&[self.head, self.tail])?;
        Ok(Model {
            precision,
            device,
            words: packer.placed(&self.words)?,
            positions: packer.placed(&self.positions)?,
            types: packer.placed(&self.types)?,
            embedding_norm: packer.norm(self.embedding_norm)?,
            tower: layers,
            cross,
            pointers: (weight.f_to_device(device)?, bias.f_to_device(device)?),
            config,
        })
    }
}

/// Copies weights out of their file.
struct Packer<'a> {
    weights: &'a Weights,
    config: &'a Config,
    precision: Precision,
    device: Device,
}

impl Packer<'_> {
    fn layer(&self, raw: RawLayer) -> Result<Layer, ModelError> {
        Ok(Layer {
            heads: self.config.num_attention_heads,
            attention: self.linear(&[raw.query, raw.key, raw.value])?,
            attention_output: self.linear(&[raw.attention_output])?,
            attention_norm: self.norm(raw.attention_norm)?,
            intermediate: self.linear(&[raw.intermediate])?,
            output: self.linear(&[raw.output])?,
            output_norm: self.norm(raw.output_norm)?,
        })
    }

    fn linear(&self, raw: &[Raw]) -> Result<Linear, ModelError> {
        let (weight, bias) = self.joined(raw)?;
        Linear::pack(&weight, &bias, self.precision, self.device)
    }

    fn norm(&self, (weight, bias): Raw) -> Result<LayerNorm, ModelError> {
        Ok(LayerNorm {
            weight: self.placed(&weight)?,
            bias: self.placed(&bias)?,
            epsilon: self.config.layer_norm_eps,
        })
    }

    /// A tensor on the device, in the kind of what is not a linear.
    fn placed(&self, slice: &Slice) -> Result<Tensor, ModelError> {
        let kind = if self.precision == Precision::Fp16 {
            Kind::Half
        } else {
            Kind::Float
        };
        let tensor = self.weights.tensor(slice)?;
        Ok(tensor.f_to_device(self.device)?.f_to_kind(kind)?)
    }

    /// Weights and biases of several linears in one.
    fn joined(&self, raw: &[Raw]) -> Result<(Tensor, Tensor), ModelError> {
        Ok((
            self.concatenated(raw.iter().map(|(weight, _)| weight))?,
            self.concatenated(raw.iter().map(|(_, bias)| bias))?,
        ))
    }

    fn concatenated<'s>(
        &self,
        slices: impl Iterator<Item = &'s Slice>,
    ) -> Result<Tensor, ModelError> {
        let parts: Vec<Tensor> = slices
            .map(|slice| self.weights.tensor(slice))
            .collect::<Result<_, _>>()?;
        Ok(Tensor::f_cat(&parts, 0)?)
    }
}

/// Finds tensors in the weights and notes everything that is wrong.
struct Source<'a> {
    weights: &'a Weights,
    problems: Vec<String>,
}

impl Source<'_> {
    fn tensor(&mut self, name: &str, shape: &[i64]) -> Slice {
        match self.weights.slice(name) {
            Ok(slice) if slice.shape == shape && !slice.is_integer() => return slice.clone(),
            Ok(slice) if slice.shape == shape => {
                self.problems.push(format!("{name} holds integers"))
            }
            Ok(slice) => self.problems.push(format!(
                "{name} has the shape {:?}, not {shape:?}",
                slice.shape
            )),
            Err(reason) => self.problems.push(format!("{name} {reason}")),
        }
        // Stands in until all problems are known.
        Slice::none()
    }

    fn linear(&mut self, name: &str, output: i64, input: i64) -> Raw {
        (
            self.tensor(&format!("{name}.weight"), &[output, input]),
            self.tensor(&format!("{name}.bias"), &[output]),
        )
    }

    fn norm(&mut self, name: &str, size: i64) -> Raw {
        (
            self.tensor(&format!("{name}.weight"), &[size]),
            self.tensor(&format!("{name}.bias"), &[size]),
        )
    }

    fn layer(&mut self, name: &str, config: &Config) -> RawLayer {
        let (hidden, intermediate) = (config.hidden_size, config.intermediate_size);
        let attention = format!("{name}.attention");
        RawLayer {
            query: self.linear(&format!("{attention}.self.query"), hidden, hidden),
            key: self.linear(&format!("{attention}.self.key"), hidden, hidden),
            value: self.linear(&format!("{attention}.self.value"), hidden, hidden),
            attention_output: self.linear(&format!("{attention}.output.dense"), hidden, hidden),
            attention_norm: self.norm(&format!("{attention}.output.LayerNorm"), hidden),
            intermediate: self.linear(&format!("{name}.intermediate.dense"), intermediate, hidden),
            output: self.linear(&format!("{name}.output.dense"), hidden, intermediate),
            output_norm: self.norm(&format!("{name}.output.LayerNorm"), hidden),
        }
    }

    fn model(&mut self, config: &Config, prefixes: &[String]) -> RawModel {
        let hidden = config.hidden_size;
        let mut embedding = |name: &str, entries: i64| {
            let name = format!("plm.embeddings.{name}_embeddings.weight");
            self.tensor(&name, &[entries, hidden])
        };
        RawModel {
            words: embedding("word", config.vocab_size),
            positions: embedding("position", config.max_position_embeddings),
            types: embedding("token_type", config.type_vocab_size),
            embedding_norm: self.norm("plm.embeddings.LayerNorm", hidden),
            layers: prefixes
                .iter()
                .map(|prefix| self.layer(prefix, config))
                .collect(),
            head: self.linear("head_clsf", 1, hidden),
            tail: self.linear("tail_clsf", 1, hidden),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_below_the_weights_is_told_before_they_are_loaded() {
        // The published model: 21,128 tokens, 12 layers of 768.
        let config = Config {
            vocab_size: 21_128,
            ..Config::default()
        };
        let needed = needed_memory(&config, 12, Precision::Fp32);
        assert_eq!(needed >> 20, 451);
        assert!(needed_memory(&config, 12, Precision::Int8) < needed);
        assert!(check_memory(needed, None).is_ok());
        assert!(check_memory(needed, Some(needed)).is_ok());
        let refused = check_memory(needed, Some(256 << 20)).expect_err("too little");
        assert_eq!(
            refused.to_string(),
            "the model needs at least 452 MiB of memory, but the limit is 256 MiB; fix: raise [resources] memory.limit"
        );
    }
}
