//! Snapshots of stacks are differences from the default one: a new default then changes one snapshot and not all.

use similar::TextDiff;

/// A unified difference without line numbers, which would move with every line above.
pub(crate) fn difference(before: &str, after: &str) -> String {
    let difference = TextDiff::from_lines(before, after);
    let hunks = difference.unified_diff().context_radius(4).to_string();
    let (words, numbers): (Vec<&str>, Vec<&str>) =
        hunks.lines().partition(|line| !line.starts_with("@@"));
    if numbers.is_empty() {
        "no difference\n".into()
    } else {
        words.join("\n") + "\n"
    }
}
