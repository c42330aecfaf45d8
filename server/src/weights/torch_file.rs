//! Files written by `torch.save`: the zip form (since 1.6) and the stream of pickles before it.

use std::collections::HashMap;
use std::io::Cursor;
use std::rc::Rc;

use tch::{Kind, Tensor};

use super::pickle::{self, TensorRef, Value};
use super::{Weights, tensor};

/// Reads either form.
pub(super) fn read(bytes: &[u8]) -> Result<Weights, String> {
    if bytes.starts_with(b"PK\x03\x04") {
        read_zip(bytes)
    } else {
        read_legacy(bytes)
    }
}

fn read_zip(bytes: &[u8]) -> Result<Weights, String> {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes))
        .map_err(|error| format!("{error}; is the file whole?"))?;
    let mut files: HashMap<String, &[u8]> = HashMap::new();
    for index in 0..archive.len() {
        let entry = archive
            .by_index_raw(index)
            .map_err(|error| error.to_string())?;
        if entry.compression() != zip::CompressionMethod::Stored {
            return Err(format!(
                "{} is compressed, which torch.save never does",
                entry.name()
            ));
        }
        // The first folder is the archive's own name, whatever it was saved as.
        let name = entry
            .name()
            .split_once('/')
            .map_or(entry.name(), |(_, rest)| rest)
            .to_owned();
        let start =
            usize::try_from(entry.data_start()).map_err(|_| "an entry lies outside of the file")?;
        let length =
            usize::try_from(entry.size()).map_err(|_| "an entry lies outside of the file")?;
        let end = start.checked_add(length).filter(|end| *end <= bytes.len());
        let data = &bytes[start.min(bytes.len())
            ..end.ok_or("an entry lies outside of the file; is the file whole?")?];
        files.insert(name, data);
    }
    let description = files
        .get("data.pkl")
        .ok_or("the archive holds no data.pkl: it is no file of torch.save")?;
    let (state, _) = pickle::read(description)?;
    build(&state, |key| files.get(&format!("data/{key}")).copied())
}

/// Magic number, protocol version, system information, state, storage keys, then each storage with its length.
fn read_legacy(bytes: &[u8]) -> Result<Weights, String> {
    let no_file =
        |fault: String| format!("this is neither a zip nor an older file of torch.save ({fault})");
    let (_, rest) = pickle::read(bytes).map_err(no_file)?;
    let (_, rest) = pickle::read(rest).map_err(no_file)?;
    let (_, rest) = pickle::read(rest).map_err(no_file)?;
    let (state, rest) = pickle::read(rest)?;
    let (keys, mut rest) = pickle::read(rest)?;
    let Value::List(keys) = keys else {
        return Err("the list of storages is missing".into());
    };
    let classes: HashMap<Rc<str>, Rc<str>> = tensors(&state)
        .into_iter()
        .map(|(_, tensor)| (tensor.storage.key.clone(), tensor.storage.class.clone()))
        .collect();
    let mut storages: HashMap<Rc<str>, &[u8]> = HashMap::new();
    for key in keys.iter() {
        let Value::Text(key) = key else {
            return Err("the list of storages is malformed".into());
        };
        let class = classes
            .get(key)
            .ok_or_else(|| format!("storage {key} belongs to no tensor"))?;
        let truncated = || format!("storage {key} is cut off; is the file whole?");
        let (count, after) = rest.split_first_chunk::<8>().ok_or_else(truncated)?;
        let count = usize::try_from(u64::from_le_bytes(*count)).map_err(|_| truncated())?;
        let length = count
            .checked_mul(kind(class)?.elt_size_in_bytes())
            .ok_or_else(truncated)?;
        let (data, after) = after.split_at_checked(length).ok_or_else(truncated)?;
        storages.insert(key.clone(), data);
        rest = after;
    }
    build(&state, |key| storages.get(key).copied())
}

fn build<'a>(state: &Value, storage: impl Fn(&str) -> Option<&'a [u8]>) -> Result<Weights, String> {
    tensors(state)
        .into_iter()
        .map(|(name, reference)| {
            let data = storage(&reference.storage.key)
                .ok_or_else(|| format!("{name}: its storage is missing"))?;
            let tensor = place(&reference, data).map_err(|fault| format!("{name}: {fault}"))?;
            Ok((name.to_string(), tensor))
        })
        .collect()
}

/// The tensors of a state dict, also of one that a checkpoint wraps.
fn tensors(state: &Value) -> Vec<(Rc<str>, Rc<TensorRef>)> {
    let Value::Dict(entries) = state else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for (key, value) in entries.iter() {
        match (key, value) {
            (Value::Text(name), Value::Tensor(tensor)) => {
                found.push((name.clone(), tensor.clone()))
            }
            (Value::Text(name), Value::Dict(_))
                if matches!(
                    &**name,
                    "state_dict" | "model" | "module" | "model_state_dict"
                ) =>
            {
                found.extend(tensors(value));
            }
            _ => (),
        }
    }
    found
}

/// Cuts the tensor out of its storage; one that is not contiguous is laid out anew.
fn place(reference: &TensorRef, data: &[u8]) -> Result<Tensor, String> {
    const OUTSIDE: &str = "it lies outside of its storage; is the file whole?";
    let kind = kind(&reference.storage.class)?;
    let width = kind.elt_size_in_bytes();
    let elements = i64::try_from(data.len() / width).map_err(|_| OUTSIDE)?;
    if reference.size.len() != reference.stride.len()
        || reference
            .size
            .iter()
            .chain(&reference.stride)
            .any(|number| *number < 0)
        || reference.offset < 0
    {
        return Err("its shape is malformed".into());
    }
    let last = last_element(reference).ok_or(OUTSIDE)?;
    if last.is_some_and(|last| last >= elements) {
        return Err(OUTSIDE.into());
    }
    let used = &data[..data.len() / width * width];
    let storage = tensor(used, &[elements], kind)?;
    let placed = storage
        .f_as_strided(&reference.size, &reference.stride, reference.offset)
        .map_err(|error| error.to_string())?;
    Ok(placed.contiguous().copy())
}

/// Index of the last element used; `Some(None)` for an empty tensor, `None` when it does not fit a number.
fn last_element(reference: &TensorRef) -> Option<Option<i64>> {
    if reference.size.contains(&0) {
        return Some(None);
    }
    let span = reference
        .size
        .iter()
        .zip(&reference.stride)
        .try_fold(reference.offset, |sum, (size, stride)| {
            sum.checked_add((size - 1).checked_mul(*stride)?)
        })?;
    Some(Some(span))
}

fn kind(class: &str) -> Result<Kind, String> {
    Ok(match class {
        "FloatStorage" => Kind::Float,
        "DoubleStorage" => Kind::Double,
        "HalfStorage" => Kind::Half,
        "BFloat16Storage" => Kind::BFloat16,
        "LongStorage" => Kind::Int64,
        "IntStorage" => Kind::Int,
        other => return Err(format!("the storage type {other} is not supported")),
    })
}
