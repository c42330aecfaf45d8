//! docs/metrics.md names exactly what the server exports and logs. Its sources are read as text, so that no server has to
//! be built for it.

mod logs;
mod metrics;

use std::collections::BTreeSet;

use crate::project::{files_below, text};

/// The page.
const PAGE: &str = "docs/metrics.md";

/// The server's sources without their tests, in the order of their names.
fn sources() -> Vec<String> {
    let sources = files_below("server/src", &["rs"]).into_iter();
    let read = |path| std::fs::read_to_string(path).expect("readable");
    let without_tests = |source: String| {
        let code = source.split("\n#[cfg(test)]\nmod ").next();
        code.unwrap_or_default().to_owned()
    };
    sources.map(read).map(without_tests).collect()
}

/// The cells of each row of the page's table whose first column has this title, without the marks of code.
fn rows(title: &str) -> Vec<Vec<String>> {
    let page = text(PAGE);
    let head = format!("| {title} |");
    let table = page.lines().skip_while(|line| !line.starts_with(&head));
    let table = table.skip(2).take_while(|line| line.starts_with('|'));
    let cells = |line: &str| {
        let inner = line.trim_start_matches('|').trim_end_matches('|');
        let cells = inner.split('|').map(|cell| cell.trim().replace('`', ""));
        cells.collect::<Vec<_>>()
    };
    table.map(cells).collect()
}

/// What is missing on either side, in words.
fn compare(what: &str, page: &BTreeSet<String>, server: &BTreeSet<String>) {
    let missing: Vec<_> = server.difference(page).collect();
    let gone: Vec<_> = page.difference(server).collect();
    assert!(
        missing.is_empty() && gone.is_empty(),
        "{what}: {PAGE} has not {missing:#?}\nthe server has not {gone:#?}"
    );
}
