//! Files written by `torch.save`: the zip form (since 1.6) and the stream of pickles before it.

use std::collections::HashMap;
use std::io::Cursor;
use std::ops::Range;
use std::rc::Rc;

use tch::Kind;

use super::pickle::{self, TensorRef, Value};
use super::slice::{Slice, Slices};

/// Reads either form.
pub(super) fn read(bytes: &[u8]) -> Result<Slices, String> {
    if bytes.starts_with(b"PK\x03\x04") {
        read_zip(bytes)
    } else {
        read_legacy(bytes)
    }
}

const OUTSIDE_THE_FILE: &str = "an entry is outside the file; is the file complete?";

fn read_zip(bytes: &[u8]) -> Result<Slices, String> {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes))
        .map_err(|error| format!("{error}; is the file complete?"))?;
    let mut files: HashMap<String, Range<usize>> = HashMap::new();
    for index in 0..archive.len() {
        let entry = archive
            .by_index_raw(index)
            .map_err(|error| error.to_string())?;
        if entry.compression() != zip::CompressionMethod::Stored {
            return Err(format!(
                "{} is compressed, which torch.save never does; fix: save the model again with torch.save",
                entry.name()
            ));
        }
        // The first folder is the archive's own name, whatever it was saved as.
        let name = entry
            .name()
            .split_once('/')
            .map_or(entry.name(), |(_, rest)| rest)
            .to_owned();
        let start = usize::try_from(entry.data_start()).map_err(|_| OUTSIDE_THE_FILE)?;
        let length = usize::try_from(entry.size()).map_err(|_| OUTSIDE_THE_FILE)?;
        let end = start.checked_add(length).filter(|end| *end <= bytes.len());
        let end = end.ok_or(OUTSIDE_THE_FILE)?;
        files.insert(name, start..end);
    }
    let description = files
        .get("data.pkl")
        .ok_or("the archive has no data.pkl, so torch.save did not write it")?;
    let state = pickle::read(&bytes[description.clone()])?.value;
    let byteorder = files.get("byteorder").map(|range| &bytes[range.clone()]);
    let is_big_endian = byteorder.is_some_and(|order| order.trim_ascii() == b"big");
    Ok(build(&state, is_big_endian, |key| {
        files.get(&format!("data/{key}")).cloned()
    }))
}

/// Magic number, protocol version, system information, state, storage keys, then each storage with its length. Lengths
/// and elements are little-endian whatever machine wrote them (`THPStorage_writeFileRaw`).
fn read_legacy(bytes: &[u8]) -> Result<Slices, String> {
    let not_a_file = |reason: String| {
        format!("this is not a file of torch.save, neither zip nor legacy ({reason})")
    };
    let mut rest = bytes;
    for _ in 0..3 {
        rest = pickle::read(rest).map_err(not_a_file)?.rest;
    }
    let state = pickle::read(rest)?;
    let keys = pickle::read(state.rest)?;
    let Value::List(list) = &keys.value else {
        return Err("the list of storages is missing".into());
    };
    let mut rest = keys.rest;
    let mut storages: HashMap<Rc<str>, Range<usize>> = HashMap::new();
    for key in list.iter() {
        let Value::Text(key) = key else {
            return Err("the list of storages is malformed".into());
        };
        // Also those of tensors that nobody needs: what follows can only be found behind them.
        let class = state
            .storages
            .get(key)
            .ok_or_else(|| format!("storage {key} belongs to no tensor"))?;
        let truncated = || format!("storage {key} is truncated; is the file complete?");
        let (count, after) = rest.split_first_chunk::<8>().ok_or_else(truncated)?;
        let count = usize::try_from(u64::from_le_bytes(*count)).map_err(|_| truncated())?;
        let length = count
            .checked_mul(element(class)?.width)
            .ok_or_else(truncated)?;
        let start = bytes.len() - after.len();
        let (_, after) = after.split_at_checked(length).ok_or_else(truncated)?;
        storages.insert(key.clone(), start..start + length);
        rest = after;
    }
    Ok(build(&state.value, false, |key| storages.get(key).cloned()))
}

fn build(
    state: &Value,
    is_big_endian: bool,
    storage: impl Fn(&str) -> Option<Range<usize>>,
) -> Slices {
    let slice = |reference: &TensorRef| {
        let data =
            storage(&reference.storage.key).ok_or("has no storage; is the file complete?")?;
        let slice = place(reference, &data)?;
        Ok(Slice {
            is_big_endian,
            ..slice
        })
    };
    tensors(state)
        .into_iter()
        .map(|(name, reference)| (name.to_string(), slice(&reference)))
        .collect()
}

/// The tensors of a state dict, also of one that a checkpoint wraps. Only one wrapper is looked into: dictionaries that
/// refer to each other could multiply without end.
fn tensors(state: &Value) -> Vec<(Rc<str>, Rc<TensorRef>)> {
    const WRAPPERS: [&str; 4] = ["state_dict", "model", "module", "model_state_dict"];
    let wrapped = entries(state)
        .filter(|(name, _)| WRAPPERS.contains(&name.as_ref()))
        .flat_map(|(_, value)| entries(value));
    entries(state)
        .chain(wrapped)
        .filter_map(|(name, value)| match value {
            Value::Tensor(tensor) => Some((name.clone(), tensor.clone())),
            _ => None,
        })
        .collect()
}

/// The named entries of a dictionary; of anything else none.
fn entries(value: &Value) -> impl Iterator<Item = (&Rc<str>, &Value)> {
    let entries = if let Value::Dict(entries) = value {
        entries.as_slice()
    } else {
        &[]
    };
    entries.iter().filter_map(|(key, value)| match key {
        Value::Text(name) => Some((name, value)),
        _ => None,
    })
}

/// Cuts the tensor out of the bytes of its storage.
fn place(reference: &TensorRef, data: &Range<usize>) -> Result<Slice, String> {
    const OUTSIDE: &str = "is outside its storage; is the file complete?";
    let class = &reference.storage.class;
    let Element { width, kind } = element(class)?;
    let kind =
        kind.ok_or_else(|| format!("has the storage type {class}, which weights do not use"))?;
    let elements = i64::try_from(data.len() / width).map_err(|_| OUTSIDE)?;
    if reference.size.len() != reference.stride.len()
        || reference
            .size
            .iter()
            .chain(&reference.stride)
            .any(|number| *number < 0)
        || reference.offset < 0
    {
        return Err("has an invalid shape".into());
    }
    // A stride of 0 would let a few bytes stand for a tensor of any size.
    let count = reference
        .size
        .iter()
        .try_fold(1_i64, |product, size| product.checked_mul(*size));
    if count.is_none_or(|count| count > elements) {
        return Err(OUTSIDE.into());
    }
    let end = end_of_elements(reference).ok_or(OUTSIDE)?;
    if end > elements {
        return Err(OUTSIDE.into());
    }
    // Only the elements used are copied: many tensors may lie in one large storage.
    let start = reference.offset.min(end);
    let byte = |element: i64| data.start + element as usize * width;
    Ok(Slice {
        file: 0,
        bytes: byte(start)..byte(end),
        kind,
        is_big_endian: false,
        shape: reference.size.clone(),
        stride: Some(reference.stride.clone()),
    })
}

/// The element behind the last one used; `None` when it does not fit a number.
fn end_of_elements(reference: &TensorRef) -> Option<i64> {
    if reference.size.contains(&0) {
        return Some(0);
    }
    let last = reference
        .size
        .iter()
        .zip(&reference.stride)
        .try_fold(reference.offset, |sum, (size, stride)| {
            sum.checked_add((size - 1).checked_mul(*stride)?)
        })?;
    last.checked_add(1)
}

/// What a storage holds.
struct Element {
    /// Bytes.
    width: usize,
    /// `None` for what no weight is made of.
    kind: Option<Kind>,
}

/// The storages of `torch/storage.py`.
fn element(class: &str) -> Result<Element, String> {
    let (width, kind) = match class {
        "FloatStorage" => (4, Some(Kind::Float)),
        "DoubleStorage" => (8, Some(Kind::Double)),
        "HalfStorage" => (2, Some(Kind::Half)),
        "BFloat16Storage" => (2, Some(Kind::BFloat16)),
        "LongStorage" => (8, Some(Kind::Int64)),
        "IntStorage" => (4, Some(Kind::Int)),
        "BoolStorage" | "ByteStorage" | "CharStorage" | "UntypedStorage" => (1, None),
        "QInt8Storage" | "QUInt8Storage" | "QUInt4x2Storage" | "QUInt2x4Storage" => (1, None),
        "ShortStorage" => (2, None),
        "QInt32Storage" => (4, None),
        "ComplexFloatStorage" => (8, None),
        "ComplexDoubleStorage" => (16, None),
        other => {
            return Err(format!(
                "has the storage type {other}, which is not supported"
            ));
        }
    };
    Ok(Element { width, kind })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ZIP: &[u8] = include_bytes!("../../tests/torch_save/small.zip.bin");
    const LEGACY: &[u8] = include_bytes!("../../tests/torch_save/small.legacy.bin");
    const STRANGE: [&[u8]; 6] = [
        include_bytes!("../../tests/torch_save/strange.protocol-1.zip.bin"),
        include_bytes!("../../tests/torch_save/strange.protocol-2.zip.bin"),
        include_bytes!("../../tests/torch_save/strange.protocol-4.zip.bin"),
        include_bytes!("../../tests/torch_save/strange.protocol-5.zip.bin"),
        include_bytes!("../../tests/torch_save/strange.big-endian.zip.bin"),
        include_bytes!("../../tests/torch_save/strange.legacy.bin"),
    ];

    fn values(bytes: &[u8], weights: &Slices, name: &str) -> (Vec<i64>, Vec<f64>) {
        let slice = weights[name].as_ref().expect("a place");
        let tensor = slice.tensor(bytes).expect("a tensor");
        let flat = tensor.to_kind(Kind::Double).view([-1]);
        (
            tensor.size(),
            Vec::try_from(&flat).expect("a row of numbers"),
        )
    }

    #[test]
    fn both_forms_hold_the_same_tensors() {
        for bytes in [ZIP, LEGACY] {
            let weights = read(bytes).expect("weights");
            assert_eq!(weights.len(), 6);
            assert_eq!(
                values(bytes, &weights, "plain"),
                (vec![2, 3], vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0])
            );
            assert_eq!(values(bytes, &weights, "part"), (vec![2], vec![4.0, 5.0]));
            assert_eq!(
                values(bytes, &weights, "transposed"),
                (vec![3, 2], vec![0.0, 3.0, 1.0, 4.0, 2.0, 5.0])
            );
            assert_eq!(values(bytes, &weights, "half"), (vec![2], vec![0.5, -2.0]));
            let half = weights["half"].as_ref().expect("a place");
            let half = half.tensor(bytes).expect("a tensor");
            assert_eq!(half.kind(), Kind::Float);
            assert_eq!(
                values(bytes, &weights, "position_ids"),
                (vec![1, 2], vec![7.0, 8.0])
            );
            assert_eq!(values(bytes, &weights, "empty"), (vec![0], vec![]));
        }
    }

    #[test]
    fn what_else_a_checkpoint_holds_is_skipped() {
        for bytes in STRANGE {
            let weights = read(bytes).expect("weights");
            for name in ["module.norm.gamma", "module.norm.beta"] {
                assert_eq!(values(bytes, &weights, name), (vec![2], vec![1.5, -2.5]));
            }
            for name in ["rng_state", "module.mask", "module.short", "module.char"] {
                let reason = weights[name].as_ref().expect_err(name);
                assert!(
                    reason.contains("Storage, which weights do not use"),
                    "{reason}"
                );
            }
        }
    }

    #[test]
    fn a_file_cut_off_anywhere_is_refused() {
        for bytes in [ZIP, LEGACY].into_iter().chain(STRANGE) {
            for length in 0..bytes.len() {
                assert!(read(&bytes[..length]).is_err(), "the first {length} bytes");
            }
        }
    }

    /// Whatever a damaged byte makes of the file, the answer is tensors or an error, never a panic.
    #[test]
    fn a_damaged_byte_never_panics() {
        for bytes in [ZIP, LEGACY, STRANGE[2], STRANGE[5]] {
            for place in 0..bytes.len() {
                for change in [0x01, 0x80, 0xff] {
                    let mut damaged = bytes.to_vec();
                    damaged[place] ^= change;
                    let read = read(&damaged).unwrap_or_default();
                    for slice in read.values().flatten() {
                        drop(slice.tensor(&damaged));
                    }
                }
            }
        }
    }

    #[test]
    fn what_a_pickle_would_execute_is_not_executed() {
        let name = "posix\nsystem";
        let file = tempfile::NamedTempFile::new().expect("a file");
        let victim = file.path().display().to_string();
        let short = u8::try_from(victim.len() + 3).expect("a short path");
        let attack = [
            format!("c{name}\nU").as_bytes(),
            &[short],
            format!("rm {victim}").as_bytes(),
            b"\x85R.",
        ]
        .concat();
        let value = pickle::read(&attack).expect("a value").value;
        assert!(matches!(value, Value::Other));
        assert!(file.path().exists());
    }

    #[test]
    fn nesting_and_multiplying_are_bounded() {
        let nested = [vec![b']'; 100_000], vec![b'a'; 99_999], vec![b'.']].concat();
        assert!(
            pickle::read(&nested).is_err(),
            "100,000 lists in each other"
        );
        // {"model": d, "module": d} fifty levels deep: 2^50 dictionaries for whoever follows all of them.
        let mut bytes = b"}q\0".to_vec();
        for _ in 0..50 {
            bytes.extend_from_slice(b"0}(X\x05\0\0\0modelh\0X\x06\0\0\0moduleh\0uq\0");
        }
        bytes.push(b'.');
        let value = pickle::read(&bytes).expect("a value").value;
        assert!(tensors(&value).is_empty());
    }
}
