//! What `/info` and the log show of the model.

use std::path::Path;

use serde::Serialize;
use tch::Device;
use uninlu_settings::{Choice, Precision};

use crate::capabilities::{self, Task};
use crate::model::Model;

/// What is known of the model once it is loaded.
#[derive(Debug, Clone, Serialize)]
pub struct Info {
    /// Layers of the towers.
    pub tower_layers: usize,
    /// Layers over text and prompt together.
    pub cross_layers: usize,
    /// Width of a layer.
    pub hidden_size: i64,
    /// Entries of the vocabulary.
    pub vocabulary: i64,
    /// How the network computes.
    pub precision: Precision,
    /// Where it runs: `cpu` or `cuda:0`.
    pub device: String,
    /// What it is trained for, where its folder says so.
    pub tasks: Option<Vec<Task>>,
}

impl Info {
    pub(super) fn of(model: &Model, folder: &Path) -> Self {
        let (tower_layers, cross_layers) = model.layers();
        Self {
            tower_layers,
            cross_layers,
            hidden_size: model.config().hidden_size,
            vocabulary: model.config().vocab_size,
            precision: model.precision(),
            device: match model.device() {
                Device::Cuda(index) => format!("cuda:{index}"),
                other => format!("{other:?}").to_lowercase(),
            },
            tasks: capabilities::read(folder),
        }
    }

    /// Writes it to the log, with the seconds that a token takes.
    pub(super) fn log(&self, seconds_per_token: f64, seconds_per_token_in_bulk: f64) {
        tracing::info!(
            tower_layers = self.tower_layers,
            cross_layers = self.cross_layers,
            hidden_size = self.hidden_size,
            vocabulary = self.vocabulary,
            precision = self.precision.name(),
            device = self.device,
            seconds_per_token,
            seconds_per_token_in_bulk,
            "model loaded"
        );
    }
}
