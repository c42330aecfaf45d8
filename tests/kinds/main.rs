//! Stack → objects, offline: rendering as a library and as a command, and what a live state is told as.

mod progress;
mod render;
mod variants;

use std::path::{Path, PathBuf};

use uninlu::kinds::{self, Desired, Facts};
use uninlu::stack::Stack;

/// A file of this repository.
fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn desired(stack: &Stack) -> Desired {
    let facts = Facts {
        image: "registry.test/siamese-uninlu@sha256:0123".into(),
    };
    kinds::desired(stack, &facts)
}
