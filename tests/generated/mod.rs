//! Files of the project that are written from its code.

use std::path::Path;

/// Fails where the file has another text than what the code says; `INSTA_UPDATE=always` writes it instead. `test` is what
/// `cargo test` needs to run this test.
pub(crate) fn compare(file: &str, expected: &str, test: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    if found == expected {
        return;
    }
    if std::env::var("INSTA_UPDATE").is_ok_and(|update| update == "always") {
        return std::fs::write(path, expected).expect("writable");
    }
    let lines = found.lines().zip(expected.lines());
    let same = lines.take_while(|(found, expected)| found == expected);
    panic!(
        "{file} differs from what the code says, from line {}\nfix: INSTA_UPDATE=always cargo test {test}",
        same.count() + 1
    );
}
