//! `y = x·Wᵀ + b` in the form that is fastest where the model runs.

#![expect(
    unsafe_code,
    reason = "oneDNN's packed weights are reached through C functions"
)]

use std::ffi::{CStr, c_char, c_void};

use tch::{Device, Kind, Tensor};
use uninlu_settings::Precision;

use crate::model_error::ModelError;

/// A linear layer, ready to run.
pub(super) enum Linear {
    /// Weights in oneDNN's layout.
    OneDnn { weight: Tensor, bias: Tensor },
    /// Weights of 8 bits.
    Int8(Int8),
    /// libtorch's own, on any device.
    Plain { weight: Tensor, bias: Tensor },
}

impl Linear {
    /// Packs `weight` `[output, input]` and `bias` `[output]`, fp32 on the CPU both.
    pub(super) fn pack(
        weight: &Tensor,
        bias: &Tensor,
        precision: Precision,
        device: Device,
    ) -> Result<Self, ModelError> {
        let kind = match precision {
            Precision::Int8 => return Ok(Self::Int8(Int8::pack(weight, bias)?)),
            Precision::Bf16 => Kind::BFloat16,
            Precision::Fp16 => Kind::Half,
            Precision::Fp32 => Kind::Float,
        };
        let (weight, bias) = (
            weight.f_to_device(device)?.f_to_kind(kind)?,
            bias.f_to_device(device)?.f_to_kind(kind)?,
        );
        if device == Device::Cpu {
            let weight = onednn_pack(&weight)?;
            Ok(Self::OneDnn { weight, bias })
        } else {
            Ok(Self::Plain { weight, bias })
        }
    }

    /// `[tokens, input]` → `[tokens, output]` of the weights' kind.
    pub(super) fn apply(&self, input: &Tensor) -> Result<Tensor, ModelError> {
        self.run(input, false)
    }

    /// The same with the exact GELU behind it.
    pub(super) fn apply_gelu(&self, input: &Tensor) -> Result<Tensor, ModelError> {
        self.run(input, true)
    }

    /// The same added to `residual` `[tokens, output]`; the sum is as exact as the more exact of both.
    pub(super) fn apply_add(
        &self,
        input: &Tensor,
        residual: &Tensor,
    ) -> Result<Tensor, ModelError> {
        match self {
            Self::OneDnn { weight, bias } if bias.kind() == residual.kind() => {
                asked_tensor(|fault| {
                    // SAFETY: the tensors live through the call.
                    unsafe {
                        uninlu_onednn_linear_add(
                            raw(input),
                            raw(residual),
                            raw(weight),
                            raw(bias),
                            fault,
                            FAULT,
                        )
                    }
                })
            }
            _ => Ok(self.run(input, false)?.f_add(residual)?),
        }
    }

    fn run(&self, input: &Tensor, gelu: bool) -> Result<Tensor, ModelError> {
        match self {
            Self::OneDnn { weight, bias } => {
                onednn_linear(&input.f_to_kind(bias.kind())?, weight, bias, gelu)
            }
            Self::Int8(packed) => activated(packed.apply(input)?, gelu),
            Self::Plain { weight, bias } => {
                let input = input.f_to_kind(weight.kind())?;
                activated(input.f_linear(weight, Some(bias))?, gelu)
            }
        }
    }

    /// Another handle on the same weights, for another thread.
    pub(super) fn share(&self) -> Self {
        match self {
            Self::OneDnn { weight, bias } => Self::OneDnn {
                weight: weight.shallow_clone(),
                bias: bias.shallow_clone(),
            },
            Self::Int8(packed) => Self::Int8(packed.share()),
            Self::Plain { weight, bias } => Self::Plain {
                weight: weight.shallow_clone(),
                bias: bias.shallow_clone(),
            },
        }
    }
}

fn activated(output: Tensor, gelu: bool) -> Result<Tensor, ModelError> {
    Ok(if gelu { output.f_gelu("none")? } else { output })
}

/// Parameters that only libtorch's quantised operators can read.
pub(super) struct Int8(*mut c_void);

// SAFETY: the pointer owns a reference-counted object whose count is atomic and which is never written after packing.
unsafe impl Send for Int8 {}

impl Int8 {
    fn pack(weight: &Tensor, bias: &Tensor) -> Result<Self, ModelError> {
        asked(|fault| {
            // SAFETY: both tensors live through the call.
            unsafe { uninlu_int8_pack(raw(weight), raw(bias), fault, FAULT) }
        })
        .map(Self)
    }

    fn apply(&self, input: &Tensor) -> Result<Tensor, ModelError> {
        asked_tensor(|fault| {
            // SAFETY: input and parameters live through the call.
            unsafe { uninlu_int8_linear(raw(input), self.0, fault, FAULT) }
        })
    }

    fn share(&self) -> Self {
        // SAFETY: `self.0` is alive as long as `self`.
        Self(unsafe { uninlu_int8_share(self.0) })
    }
}

impl Drop for Int8 {
    fn drop(&mut self) {
        // SAFETY: made by `uninlu_int8_pack` or `uninlu_int8_share`, and freed only here.
        unsafe { uninlu_int8_free(self.0) }
    }
}

fn onednn_pack(weight: &Tensor) -> Result<Tensor, ModelError> {
    asked_tensor(|fault| {
        // SAFETY: the tensor lives through the call.
        unsafe { uninlu_onednn_pack(raw(weight), fault, FAULT) }
    })
}

fn onednn_linear(
    input: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    gelu: bool,
) -> Result<Tensor, ModelError> {
    asked_tensor(|fault| {
        // SAFETY: the tensors live through the call.
        unsafe { uninlu_onednn_linear(raw(input), raw(weight), raw(bias), gelu, fault, FAULT) }
    })
}

/// Bytes for what an operator says when it refuses.
const FAULT: usize = 1_024;

fn asked(call: impl FnOnce(*mut c_char) -> *mut c_void) -> Result<*mut c_void, ModelError> {
    let mut fault: [c_char; FAULT] = [0; FAULT];
    let answer = call(fault.as_mut_ptr());
    if answer.is_null() {
        // SAFETY: the buffer ends with a zero, written by snprintf or from the start.
        let fault = unsafe { CStr::from_ptr(fault.as_ptr()) };
        let text = fault.to_string_lossy();
        let first = text.lines().next().unwrap_or_default().to_owned();
        return Err(ModelError::Torch(tch::TchError::Torch(first)));
    }
    Ok(answer)
}

fn asked_tensor(call: impl FnOnce(*mut c_char) -> *mut c_void) -> Result<Tensor, ModelError> {
    // SAFETY: the operators answer a tensor of their own making, which is ours now.
    asked(call).map(|tensor| unsafe { Tensor::from_ptr(tensor.cast()) })
}

fn raw(tensor: &Tensor) -> *mut c_void {
    tensor.as_ptr().cast_mut().cast()
}

unsafe extern "C" {
    fn uninlu_onednn_pack(weight: *mut c_void, fault: *mut c_char, size: usize) -> *mut c_void;
    fn uninlu_onednn_linear(
        input: *mut c_void,
        packed: *mut c_void,
        bias: *mut c_void,
        gelu: bool,
        fault: *mut c_char,
        size: usize,
    ) -> *mut c_void;
    fn uninlu_onednn_linear_add(
        input: *mut c_void,
        residual: *mut c_void,
        packed: *mut c_void,
        bias: *mut c_void,
        fault: *mut c_char,
        size: usize,
    ) -> *mut c_void;
    fn uninlu_int8_pack(
        weight: *mut c_void,
        bias: *mut c_void,
        fault: *mut c_char,
        size: usize,
    ) -> *mut c_void;
    fn uninlu_int8_linear(
        input: *mut c_void,
        packed: *mut c_void,
        fault: *mut c_char,
        size: usize,
    ) -> *mut c_void;
    fn uninlu_int8_share(packed: *mut c_void) -> *mut c_void;
    fn uninlu_int8_free(packed: *mut c_void);
}
