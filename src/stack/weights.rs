//! The size of a model folder's weights on this machine.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

use uninlu_stack::MODEL_FILES;

/// Bytes of the weights in a model folder: of the first form that is there, as the server takes it, and of all shards
/// where it is an index. `None` where there are none, or where they cannot be read.
pub fn weights_size(folder: &Path) -> Option<u64> {
    let [.., weights] = MODEL_FILES;
    let file = weights
        .iter()
        .map(|name| folder.join(name))
        .find(|file| file.is_file())?;
    let size = |path: &Path| Some(fs::metadata(path).ok()?.len());
    if file.extension().is_none_or(|extension| extension != "json") {
        return size(&file);
    }
    let index: Value = serde_json::from_slice(&fs::read(&file).ok()?).ok()?;
    let shards: BTreeSet<&str> = index["weight_map"]
        .as_object()?
        .values()
        .filter_map(Value::as_str)
        .collect();
    shards
        .into_iter()
        .map(|name| size(&folder.join(name)))
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_counted_together() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let write = |name: &str, text: &str| {
            fs::write(folder.path().join(name), text).expect("a file");
        };
        assert_eq!(weights_size(folder.path()), None);
        let map = r#"{"weight_map": {"x": "a.bin", "y": "b.bin", "z": "a.bin"}}"#;
        write("pytorch_model.bin.index.json", map);
        write("a.bin", "12345");
        assert_eq!(weights_size(folder.path()), None, "b.bin is missing");
        write("b.bin", "123");
        assert_eq!(weights_size(folder.path()), Some(8));
        write("model.safetensors", "1");
        assert_eq!(weights_size(folder.path()), Some(1));
    }
}
