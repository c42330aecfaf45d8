//! Numbers with a unit that no record has: bounds, defaults, sizes that are set. `not-measured.txt` lists them.

use std::ops::Range;

use crate::project::{pattern, root};

/// `PAGE | words around the number, as the page has them`; `PAGE | *` where a page has no measurement at all.
const LIST: &str = "tests/figures/not-measured.txt";

/// What a measurement is given in.
const UNITS: &str = r"\d[\d.,]*\s?(%|(ms|s|min|minutes|seconds|hours|h|[kMG]i?B|times|requests(/s)?|tokens|calls|core|cores)\b|倍|毫秒|秒|分钟|小时|个请求|次请求|个核)";

pub(super) fn check(pages: &[(String, String)]) {
    let list = std::fs::read_to_string(root().join(LIST)).expect("readable");
    let listed: Vec<(&str, &str)> = list
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| line.split_once(" | ").expect("PAGE | words"))
        .collect();
    let mut unused = listed.clone();
    let mut open = Vec::new();
    for (name, text) in pages {
        let (name, of_page) = (name.as_str(), |it: &&(&str, &str)| it.0 == name.as_str());
        let words: Vec<&str> = listed.iter().filter(of_page).map(|it| it.1).collect();
        for hit in numbers(text) {
            let listed = words.iter().find(|words| covers(text, words, &hit));
            match listed {
                Some(words) => unused.retain(|it| *it != (name, *words)),
                None => open.push(place(name, text, &hit)),
            }
        }
    }
    assert!(
        open.is_empty(),
        "{} numbers have no record:\n{}\nfix: record the measurement (docs/figures), or list a bound in {LIST}",
        open.len(),
        open.join("\n"),
    );
    assert!(unused.is_empty(), "no page has these any more: {unused:#?}");
}

fn covers(text: &str, words: &str, hit: &Range<usize>) -> bool {
    words == "*"
        || text
            .match_indices(words)
            .any(|(at, it)| at <= hit.start && hit.end <= at + it.len())
}

fn place(name: &str, text: &str, hit: &Range<usize>) -> String {
    let line = text[..hit.start].matches('\n').count() + 1;
    format!("{name}:{line}: {}", &text[hit.clone()])
}

/// Outside code, and outside what records fill in.
fn numbers(text: &str) -> Vec<Range<usize>> {
    let apart =
        pattern(r"(?s)```.*?```|`[^`\n]*`|<!-- (figures?|table): .*?<!-- / -->|\]\([^)\n]*\)");
    let blank = |found: &regex::Captures| "_".repeat(found[0].len());
    let text = apart.replace_all(text, blank);
    let found = pattern(UNITS);
    let is_alone = |at: &Range<usize>| {
        let before = text[..at.start].chars().next_back();
        !before.is_some_and(|it| it.is_ascii_alphanumeric() || ".-/#_".contains(it))
    };
    found
        .find_iter(&text)
        .map(|it| it.range())
        .filter(is_alone)
        .collect()
}

#[test]
fn numbers_are_found_outside_code_and_records() {
    let text =
        "takes 12 ms, `13 ms`, <!-- figure: a/b -->14<!-- / --> ms, 2.8 倍, v1.15 s, 99 balloons";
    let found: Vec<&str> = numbers(text).into_iter().map(|it| &text[it]).collect();
    assert_eq!(found, ["12 ms", "2.8 倍"]);
}
