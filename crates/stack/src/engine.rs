//! `[engine]`: what the network computes with.

use schemars::JsonSchema;
use serde::Deserialize;

use super::at::{At, value_or};
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

/// How the linears compute. The server does not start where the processor would emulate it, or where check sentences
/// are answered differently than in fp32
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// As the reference does
    Fp32,
    /// bfloat16: processors with AVX512-BF16 or AMX, and GPUs
    Bf16,
    /// Weights of 8 bits: processors with VNNI
    Int8,
    /// Half precision: GPUs
    Fp16,
}

impl Precision {
    /// As the server's `--precision` takes it.
    pub const fn name(self) -> &'static str {
        match self {
            Precision::Fp32 => "fp32",
            Precision::Bf16 => "bf16",
            Precision::Int8 => "int8",
            Precision::Fp16 => "fp16",
        }
    }
}

/// What the network computes with
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Engine")]
pub(super) struct RawEngine {
    /// `fp32` (default), `bf16`, `int8`, or `fp16`
    precision: Option<At<Precision>>,
    /// GPUs of a pod: 0 (default) or 1; with one, the image's target is `gpu`
    gpus: Option<At<u32>>,
}

impl RawEngine {
    pub(super) fn validate(self, model: Option<&ModelSource>, faults: &mut Faults) -> Engine {
        let gpus = value_or(&self.gpus, 0);
        let precision = value_or(&self.precision, Precision::Fp32);
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
            let is_possible = match precision {
                Precision::Fp32 | Precision::Bf16 => true,
                Precision::Int8 => gpus == 0,
                Precision::Fp16 => gpus > 0,
            };
            faults.check(
                is_possible,
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
