//! `[engine]`: what the network computes with.

use schemars::JsonSchema;
use serde::Deserialize;
use uninlu_settings::{Choice, Precision};

use super::at::{At, value_or};
use super::choice;
use super::fault::Faults;
use super::model::ModelSource;

/// What the network computes with.
#[derive(Debug, Clone, PartialEq)]
pub struct Engine {
    /// How the linears compute.
    pub precision: Precision,
    /// GPUs of a pod (`nvidia.com/gpu`); 0 means the processor computes.
    pub gpus: u32,
}

/// What the network computes with
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Engine")]
pub(super) struct RawEngine {
    /// How the linears compute: `fp32` (default), `bf16`, `int8`, or `fp16`. The server does not start where the
    /// processor would emulate it, or where check sentences are answered differently than in fp32
    #[schemars(schema_with = "choice::schema::<Precision>")]
    precision: Option<At<Precision>>,
    /// GPUs of a pod: 0 (default) or 1; with one, the image's target is `gpu`
    gpus: Option<At<u32>>,
}

impl RawEngine {
    pub(super) fn validate(self, model: Option<&ModelSource>, faults: &mut Faults) -> Engine {
        let gpus = value_or(&self.gpus, 0);
        let precision = value_or(&self.precision, Precision::default());
        if let Some(at) = &self.gpus {
            faults.check(
                gpus <= 1,
                &at.span,
                format!(
                    "{gpus} GPUs a pod: the server uses one, the others would be paid for nothing"
                ),
                "write `gpus = 1`, and more pods (`replicas`)",
            );
            faults.check(
                gpus == 0 || !matches!(model, Some(ModelSource::Image { .. })),
                &at.span,
                "no target of the Dockerfile has both CUDA and a model",
                "take the model from a claim: `[model] source = { pvc = \"…\" }`",
            );
        }
        if let Some(at) = &self.precision {
            faults.check(
                precision.runs_on(gpus > 0),
                &at.span,
                format!(
                    "`{}` is for {}",
                    precision.name(),
                    if gpus > 0 {
                        "processors only"
                    } else {
                        "GPUs only"
                    }
                ),
                if gpus > 0 {
                    "write `fp16`, or `gpus = 0`"
                } else {
                    "write `bf16`, or `gpus = 1`"
                },
            );
        }
        Engine { precision, gpus }
    }
}
