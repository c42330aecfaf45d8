//! The tensors of a model folder: `model.safetensors`, or `pytorch_model.bin` in its zip or its older form, whole or in shards.
//!
//! Nothing in a file is ever executed: a pickle is read as data, and what is no tensor is skipped.

mod pickle;
mod torch_file;

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::path::{Path, PathBuf};

use memmap2::Mmap;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde::Deserialize;
use tch::{Kind, Tensor};

use crate::config::ModelError;
use crate::files;

/// A model's files in memory, and where its tensors lie in them. Tensors are copied out one by one, so that a model
/// never needs twice its size.
pub struct Weights {
    files: Vec<Mmap>,
    slices: Slices,
}

/// Where each tensor lies, or why it cannot be used: a file may hold more than the network needs.
type Slices = HashMap<String, Result<Slice, String>>;

/// Where a tensor lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slice {
    /// Which of the files.
    file: usize,
    /// Bytes of the file, from the first element used to the last.
    bytes: Range<usize>,
    /// How the elements are written.
    pub kind: Kind,
    /// Whether they were written by a big-endian machine.
    is_big_endian: bool,
    /// Sizes.
    pub shape: Vec<i64>,
    /// Elements from one index to the next, where the tensor does not lie row behind row.
    stride: Option<Vec<i64>>,
}

impl Weights {
    /// Names of all tensors, as the published model has them.
    pub fn names(&self) -> impl Iterator<Item = &String> {
        self.slices.keys()
    }

    /// Where a tensor lies.
    ///
    /// # Errors
    /// What is wrong with it, as the end of a sentence that begins with its name.
    pub fn slice(&self, name: &str) -> Result<&Slice, &str> {
        match self.slices.get(name) {
            Some(Ok(slice)) => Ok(slice),
            Some(Err(fault)) => Err(fault),
            None => Err("is missing"),
        }
    }

    /// Copies a tensor out of its file: contiguous, in fp32 unless it holds integers.
    ///
    /// # Errors
    /// What libtorch refuses.
    pub fn tensor(&self, slice: &Slice) -> Result<Tensor, ModelError> {
        Ok(slice.tensor(&self.files[slice.file])?)
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
                "has {} bytes, which do not make the shape {shape:?}",
                bytes.len()
            ));
        }
        Ok(Self {
            file: 0,
            bytes,
            kind,
            is_big_endian: false,
            shape,
            stride: None,
        })
    }

    /// No tensor at all.
    pub fn none() -> Self {
        Self {
            file: 0,
            bytes: 0..0,
            kind: Kind::Float,
            is_big_endian: false,
            shape: Vec::new(),
            stride: None,
        }
    }

    /// Whether it holds integers.
    pub fn is_integer(&self) -> bool {
        matches!(self.kind, Kind::Int64 | Kind::Int)
    }

    fn little_endian<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        if !self.is_big_endian {
            return bytes.into();
        }
        let elements = bytes.chunks_exact(self.kind.elt_size_in_bytes());
        let turned = elements.flat_map(|element| element.iter().rev().copied());
        Cow::Owned(turned.collect())
    }

    fn tensor(&self, file: &[u8]) -> Result<Tensor, tch::TchError> {
        let bytes = &*self.little_endian(&file[self.bytes.clone()]);
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

/// Reads the tensors of one file.
type Read = fn(&[u8]) -> Result<Slices, String>;

/// The names that weights have in published folders, in the order in which they are looked for.
const FORMS: [(&str, Read); 2] = [
    ("model.safetensors", read_safetensors),
    ("pytorch_model.bin", torch_file::read),
];

/// Reads the folder's weights, in one file or in shards with an index; safetensors first where both are there.
///
/// # Errors
/// A file that is missing, truncated, or of an unknown form.
pub fn load(folder: &Path) -> Result<Weights, ModelError> {
    for (name, read) in FORMS {
        let (file, index) = (folder.join(name), folder.join(format!("{name}.index.json")));
        if files::stands(&file) {
            return read_files(&[file], read);
        }
        if files::stands(&index) {
            return read_files(&shards(&index)?, read);
        }
    }
    let names = FORMS.map(|(name, _)| name).join(" or ");
    Err(ModelError::malformed(
        folder,
        format!("the folder has no weights; fix: set UNINLU_MODEL to a folder with {names}"),
    ))
}

/// `model.safetensors.index.json` and the like.
#[derive(Deserialize)]
struct Index {
    /// Each tensor's file.
    weight_map: HashMap<String, String>,
}

/// The files that an index names.
fn shards(index: &Path) -> Result<Vec<PathBuf>, ModelError> {
    let malformed = |fault: String| ModelError::malformed(index, fault);
    let Index { weight_map } = serde_json::from_slice(&files::read(index)?)
        .map_err(|error| malformed(format!("{error}; fix: download it again")))?;
    let names: BTreeSet<&String> = weight_map.values().collect();
    if names.is_empty() {
        return Err(malformed("it names no file; fix: download it again".into()));
    }
    names
        .into_iter()
        .map(|name| {
            if Path::new(name).file_name() == Some(name.as_ref()) {
                Ok(index.with_file_name(name))
            } else {
                Err(malformed(format!(
                    "it names {name:?}, which is not a file of this folder"
                )))
            }
        })
        .collect()
}

fn read_files(paths: &[PathBuf], read: Read) -> Result<Weights, ModelError> {
    let mut weights = Weights {
        files: Vec::new(),
        slices: Slices::new(),
    };
    for (path, number) in paths.iter().zip(0..) {
        let file = map(path)?;
        let slices = read(&file).map_err(|fault| ModelError::malformed(path, fault))?;
        if slices.is_empty() {
            let fault =
                "it holds no tensor by a name; fix: save it as `torch.save(model.state_dict(), …)`";
            return Err(ModelError::malformed(path, fault));
        }
        for (name, slice) in slices {
            let slice = slice.map(|slice| Slice {
                file: number,
                ..slice
            });
            weights.slices.insert(published_name(&name), slice);
        }
        weights.files.push(file);
    }
    Ok(weights)
}

/// A tensor's name as the published model has it: training on several devices puts `module.` before all names, and
/// TensorFlow's names for the two parts of a layer normalisation are gamma and beta.
fn published_name(name: &str) -> String {
    let name = name.trim_start_matches("module.");
    match name.rsplit_once('.') {
        Some((layer, "gamma")) => format!("{layer}.weight"),
        Some((layer, "beta")) => format!("{layer}.bias"),
        _ => name.to_owned(),
    }
}

#[expect(
    unsafe_code,
    reason = "a mapping is unsafe because the file could change; a model folder is mounted read-only"
)]
fn map(file: &Path) -> Result<Mmap, ModelError> {
    let handle = files::open(file)?;
    // SAFETY: the mapping is only read, and only to copy tensors out of it.
    unsafe { Mmap::map(&handle) }.map_err(|source| ModelError::unreadable(file, source))
}

fn read_safetensors(bytes: &[u8]) -> Result<Slices, String> {
    let file =
        SafeTensors::deserialize(bytes).map_err(|error| format!("{error}; is the file whole?"))?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_other_origins_become_the_published_ones() {
        for (name, published) in [
            ("module.plm.a.LayerNorm.gamma", "plm.a.LayerNorm.weight"),
            ("module.module.plm.a.LayerNorm.beta", "plm.a.LayerNorm.bias"),
            ("head_clsf.weight", "head_clsf.weight"),
            ("plm.module.x", "plm.module.x"),
            ("gamma", "gamma"),
        ] {
            assert_eq!(published_name(name), published);
        }
    }
}
