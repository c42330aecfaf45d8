//! Files in the safetensors format.

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use tch::Kind;

use super::slice::{Slice, Slices};

/// Reads the tensors of a file.
pub(super) fn read(bytes: &[u8]) -> Result<Slices, String> {
    let file = SafeTensors::deserialize(bytes)
        .map_err(|error| format!("{error}; is the file complete?"))?;
    let slice = |view: &TensorView<'_>| {
        let kind = safetensors_kind(view.dtype())
            .ok_or_else(|| format!("has the type {:?}, which is not supported", view.dtype()))?;
        let shape = view.shape().iter().map(|size| *size as i64).collect();
        let start = view.data().as_ptr().addr() - bytes.as_ptr().addr();
        Slice::new(start..start + view.data().len(), kind, shape)
    };
    let tensors = file.tensors().into_iter();
    Ok(tensors.map(|(name, view)| (name, slice(&view))).collect())
}

const fn safetensors_kind(dtype: Dtype) -> Option<Kind> {
    Some(match dtype {
        Dtype::F64 => Kind::Double,
        Dtype::F32 => Kind::Float,
        Dtype::F16 => Kind::Half,
        Dtype::BF16 => Kind::BFloat16,
        Dtype::I64 => Kind::Int64,
        Dtype::I32 => Kind::Int,
        _ => return None,
    })
}
