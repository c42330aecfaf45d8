//! The tensors of a model folder: `model.safetensors`, or `pytorch_model.bin` in its zip or its older form, whole or in shards.
//!
//! Nothing in a file is ever executed: a pickle is read as data, and what is no tensor is skipped.

mod pickle;
mod safetensors_file;
mod slice;
mod torch_file;

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use memmap2::Mmap;
use serde::Deserialize;
use tch::Tensor;

use crate::files;
use crate::model_error::ModelError;
use slice::Slices;

pub use slice::Slice;

/// A model's files in memory, and where its tensors lie in them. Tensors are copied out one by one, so that a model
/// never needs twice its size.
pub struct Weights {
    files: Vec<Mmap>,
    slices: Slices,
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
            Some(Err(reason)) => Err(reason),
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

/// Reads the tensors of one file.
type Read = fn(&[u8]) -> Result<Slices, String>;

/// The names that weights have in published folders, in the order in which they are looked for.
const FORMS: [(&str, Read); 2] = [
    ("model.safetensors", safetensors_file::read),
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
    let malformed = |reason: String| ModelError::malformed(index, reason);
    let Index { weight_map } = serde_json::from_slice(&files::read(index)?)
        .map_err(|error| malformed(format!("{error}; fix: download it again")))?;
    let names: BTreeSet<&String> = weight_map.values().collect();
    if names.is_empty() {
        return Err(malformed(
            "it lists no files; fix: download it again".into(),
        ));
    }
    names
        .into_iter()
        .map(|name| {
            if Path::new(name).file_name() == Some(name.as_ref()) {
                Ok(index.with_file_name(name))
            } else {
                Err(malformed(format!(
                    "it lists {name:?}, which is not a file in this folder"
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
        let slices = read(&file).map_err(|reason| ModelError::malformed(path, reason))?;
        if slices.is_empty() {
            let reason = "it has no named tensors; fix: save the model with `torch.save(model.state_dict(), …)`";
            return Err(ModelError::malformed(path, reason));
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
