//! The tensors of a model folder: `model.safetensors`, or `pytorch_model.bin` in its zip or its older form.
//!
//! Nothing in a file is ever executed: a pickle is read as data, and what is no tensor is skipped.

mod pickle;
mod torch_file;

use std::collections::HashMap;
use std::fs::File;
use std::ops::Range;
use std::path::Path;

use memmap2::Mmap;
use safetensors::{Dtype, SafeTensors};
use tch::{Kind, Tensor};

use crate::config::ModelError;

/// A model's file in memory, and where its tensors lie in it. Tensors are copied out one by one, so that a model never
/// needs twice its size.
pub struct Weights {
    file: Mmap,
    slices: HashMap<String, Slice>,
}

/// Where a tensor lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slice {
    /// Bytes of the file, from the first element used to the last.
    bytes: Range<usize>,
    /// How the elements are written.
    pub kind: Kind,
    /// Sizes.
    pub shape: Vec<i64>,
    /// Elements from one index to the next, where the tensor does not lie row behind row.
    stride: Option<Vec<i64>>,
}

impl Weights {
    /// Names of all tensors.
    pub fn names(&self) -> impl Iterator<Item = &String> {
        self.slices.keys()
    }

    /// Where a tensor lies.
    pub fn slice(&self, name: &str) -> Option<&Slice> {
        self.slices.get(name)
    }

    /// Copies a tensor out of the file: contiguous, in fp32 unless it holds integers.
    ///
    /// # Errors
    /// What libtorch refuses.
    pub fn tensor(&self, slice: &Slice) -> Result<Tensor, ModelError> {
        Ok(slice.tensor(&self.file)?)
    }
}

impl Slice {
    /// A tensor that lies row behind row.
    fn new(bytes: Range<usize>, kind: Kind, shape: Vec<i64>) -> Result<Self, String> {
        let elements = shape.iter().try_fold(1_i64, |product, size| {
            product.checked_mul(*size).filter(|_| *size >= 0)
        });
        let wanted = elements.and_then(|elements| {
            usize::try_from(elements)
                .ok()?
                .checked_mul(kind.elt_size_in_bytes())
        });
        if wanted != Some(bytes.len()) {
            return Err(format!(
                "{} bytes do not make the shape {shape:?}",
                bytes.len()
            ));
        }
        Ok(Self {
            bytes,
            kind,
            shape,
            stride: None,
        })
    }

    /// No tensor at all.
    pub fn none() -> Self {
        Self {
            bytes: 0..0,
            kind: Kind::Float,
            shape: Vec::new(),
            stride: None,
        }
    }

    /// Whether it holds integers.
    pub fn is_integer(&self) -> bool {
        matches!(self.kind, Kind::Int64 | Kind::Int)
    }

    fn tensor(&self, file: &[u8]) -> Result<Tensor, tch::TchError> {
        let bytes = &file[self.bytes.clone()];
        let lying = match &self.stride {
            None => Tensor::f_from_data_size(bytes, &self.shape, self.kind)?,
            Some(stride) => {
                let elements = (bytes.len() / self.kind.elt_size_in_bytes()) as i64;
                Tensor::f_from_data_size(bytes, &[elements], self.kind)?
                    .f_as_strided(&self.shape, stride, 0)?
                    .f_contiguous()?
            }
        };
        if self.is_integer() {
            Ok(lying)
        } else {
            lying.f_to_kind(Kind::Float)
        }
    }
}

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

type Slices = HashMap<String, Slice>;

fn read_file(
    path: &Path,
    read: impl Fn(&[u8]) -> Result<Slices, String>,
) -> Result<Weights, ModelError> {
    let file = map(path)?;
    let slices = read(&file).map_err(|fault| ModelError::malformed(path, fault))?;
    Ok(Weights { file, slices })
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
    // SAFETY: the mapping is only read, and only to copy tensors out of it.
    unsafe { Mmap::map(&handle) }.map_err(unreadable)
}

fn read_safetensors(bytes: &[u8]) -> Result<Slices, String> {
    let file =
        SafeTensors::deserialize(bytes).map_err(|error| format!("{error}; is the file whole?"))?;
    file.tensors()
        .into_iter()
        .map(|(name, view)| {
            let kind = safetensors_kind(view.dtype())
                .ok_or_else(|| format!("{name}: type {:?} is not supported", view.dtype()))?;
            let shape = view.shape().iter().map(|size| *size as i64).collect();
            let start = view.data().as_ptr().addr() - bytes.as_ptr().addr();
            let slice = Slice::new(start..start + view.data().len(), kind, shape)
                .map_err(|fault| format!("{name}: {fault}"))?;
            Ok((name, slice))
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
