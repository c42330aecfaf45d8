//! The tensors of a model folder: `model.safetensors`, or `pytorch_model.bin` in its zip or its older form.
//!
//! Nothing in a file is ever executed: a pickle is read as data, and what is no tensor is skipped.

mod pickle;
mod torch_file;

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;

use memmap2::Mmap;
use safetensors::{Dtype, SafeTensors};
use tch::{Kind, Tensor};

use crate::config::ModelError;

/// Tensors by name, in fp32.
pub type Weights = HashMap<String, Tensor>;

/// Reads the folder's weights; safetensors first where both are there.
///
/// # Errors
/// A file that is missing, truncated, or of an unknown form.
pub fn load(folder: &Path) -> Result<Weights, ModelError> {
    let safetensors = folder.join("model.safetensors");
    if safetensors.exists() {
        read_file(&safetensors, read_safetensors)
    } else {
        read_file(&folder.join("pytorch_model.bin"), torch_file::read)
    }
}

fn read_file(
    file: &Path,
    read: impl Fn(&[u8]) -> Result<Weights, String>,
) -> Result<Weights, ModelError> {
    read(&map(file)?).map_err(|fault| ModelError::malformed(file, fault))
}

#[expect(
    unsafe_code,
    reason = "a mapping is unsafe because the file could change; a model folder is mounted read-only"
)]
fn map(file: &Path) -> Result<Mmap, ModelError> {
    let unreadable = |source| ModelError::Unreadable {
        file: file.display().to_string(),
        source,
    };
    let handle = File::open(file).map_err(unreadable)?;
    // SAFETY: the mapping is only read, and only while the tensors are copied out of it.
    unsafe { Mmap::map(&handle) }.map_err(unreadable)
}

fn read_safetensors(bytes: &[u8]) -> Result<Weights, String> {
    let file =
        SafeTensors::deserialize(bytes).map_err(|error| format!("{error}; is the file whole?"))?;
    file.tensors()
        .into_iter()
        .map(|(name, view)| {
            let kind = safetensors_kind(view.dtype())
                .ok_or_else(|| format!("{name}: type {:?} is not supported", view.dtype()))?;
            let shape: Vec<i64> = view.shape().iter().map(|size| *size as i64).collect();
            let tensor =
                tensor(view.data(), &shape, kind).map_err(|fault| format!("{name}: {fault}"))?;
            Ok((name, tensor))
        })
        .collect()
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

/// A contiguous tensor copied from little-endian bytes, in fp32 unless it holds integers.
fn tensor(bytes: &[u8], shape: &[i64], kind: Kind) -> Result<Tensor, String> {
    let count = shape.iter().try_fold(1_i64, |product, size| {
        product.checked_mul(*size).filter(|_| *size >= 0)
    });
    let wanted = count.and_then(|count| {
        usize::try_from(count)
            .ok()?
            .checked_mul(kind.elt_size_in_bytes())
    });
    if wanted != Some(bytes.len()) {
        return Err(format!(
            "{} bytes do not make the shape {shape:?}",
            bytes.len()
        ));
    }
    let tensor = Tensor::f_from_data_size(bytes, shape, kind).map_err(|error| error.to_string())?;
    Ok(if matches!(kind, Kind::Int64 | Kind::Int) {
        tensor
    } else {
        tensor.to_kind(Kind::Float)
    })
}
