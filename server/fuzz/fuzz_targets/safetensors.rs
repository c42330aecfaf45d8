//! `model.safetensors` of strangers: tensors or an error, never a crash, and no more memory than the file has bytes.

#![no_main]

use libfuzzer_sys::fuzz_target;
use uninlu_server::weights;

fuzz_target!(|bytes: &[u8]| {
    let folder = std::env::temp_dir().join(format!("uninlu-fuzz-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join("model.safetensors"), bytes).expect("a file");
    let Ok(weights) = weights::load(&folder) else {
        return;
    };
    for name in weights.names() {
        if let Ok(slice) = weights.slice(name) {
            drop(weights.tensor(slice));
        }
    }
});
