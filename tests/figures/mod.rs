//! Every figure of the documentation is a record's: `docs/figures/NAME.json`, which the measurements write
//! (`tests/bench/run --record`, `make autoscaling`). A page names the record in a comment, and what stands behind it is
//! the record's. `INSTA_UPDATE=always` brings the pages up to date.

mod claim;
mod guard;
mod page;
mod record;

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::generated;
use crate::project::root;
use record::Records;

/// The pages that a reader finds figures in; the page of the stack file is printed by the tool.
fn pages() -> Vec<(String, String)> {
    let documents = std::fs::read_dir(root().join("docs")).expect("a folder");
    let documents = documents.map(|it| it.expect("readable").path());
    let is_page = |path: &PathBuf| path.extension().is_some_and(|it| it == "md");
    let mut files: Vec<PathBuf> = documents.filter(is_page).collect();
    files.extend(["README.md", "README.zh-CN.md"].map(|page| root().join(page)));
    files.retain(|path| !path.ends_with("stack-file.md"));
    files.sort();
    let page = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).expect("readable");
        let name = path.strip_prefix(root()).expect("inside").display();
        (name.to_string(), text)
    };
    files.into_iter().map(page).collect()
}

#[test]
fn every_figure_is_its_records() {
    let records = Records::read();
    for (name, text) in pages() {
        let expected = page::filled(&name, &text, &records);
        generated::compare(&name, &expected, "--test offline figures");
    }
}

#[test]
fn every_record_says_where_it_is_from_and_is_used() {
    let records = Records::read();
    let used: BTreeSet<String> = pages()
        .iter()
        .flat_map(|(_, text)| page::records_named_in(text))
        .collect();
    let written: BTreeSet<String> = records.names().map(str::to_owned).collect();
    assert_eq!(
        used, written,
        "records that pages name, and those that there are"
    );
    for name in records.names() {
        records.of(name).check(name);
    }
}

/// A measured number without a record would be noticed by no one when it is no longer true.
#[test]
fn a_number_with_a_unit_is_a_records_or_is_listed_as_not_measured() {
    guard::check(&pages());
}
