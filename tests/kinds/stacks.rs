//! The stacks whose objects are looked at: here as text, in `tests/deploy` by a real API server.

use std::path::{Path, PathBuf};

use uninlu::kinds::{self, Desired, Facts};
use uninlu::stack::{self, Stack};

/// A file of this repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// `stacks/minimal` itself, and with each environment of `variants.toml`.
pub(crate) fn variants() -> Vec<Stack> {
    let minimal = repository("stacks/minimal/uninlu.toml");
    let read = |file| std::fs::read_to_string(file).expect("readable");
    let text = read(minimal.clone()) + &read(repository("tests/kinds/variants.toml"));
    let document: toml::Table = text.parse().expect("TOML");
    let environments = document["env"].as_table().expect("a table of environments");
    [None]
        .into_iter()
        .chain(environments.keys().map(|name| Some(name.as_str())))
        .map(|name| stack::parse(&text, &minimal, name).expect("a valid stack"))
        .collect()
}

/// What stands in for an image that was built.
pub(crate) const IMAGE: &str = "registry.test/siamese-uninlu@sha256:0123";

#[allow(dead_code, reason = "tests of plans make goals instead")]
pub(crate) fn desired(stack: &Stack) -> Desired {
    let facts = Facts {
        image: IMAGE.into(),
    };
    kinds::desired(stack, &facts)
}
