//! Long lines broken between words, for a terminal. Elsewhere a line stays whole, so that it can be searched for.

use super::style::is_mark;

/// Spaces by which further lines are indented.
const INDENT: usize = 2;

/// Every line of the text in at most `width` columns, where its words allow that. What comes after a break is indented
/// further than the line's beginning. A command in backticks stays whole, so that it can be copied: one that is longer
/// than the width is left to the terminal.
pub fn fold(text: &str, width: usize) -> String {
    fold_under(text, width, |line| Some(" ".repeat(inside(line))))
}

/// As [`fold`]; `under` says what begins the further lines of a line, and that a line is left as it is.
pub fn fold_under(text: &str, width: usize, under: impl Fn(&str) -> Option<String>) -> String {
    let lines = text.split('\n').map(|line| {
        let under = (columns(line) > width).then(|| under(line)).flatten();
        under.map_or_else(|| line.to_owned(), |under| folded(line, width, &under))
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Where the further lines of a line begin: below what a label stands before; else at its own beginning where that is
/// indented, and further inside below a line that is not, or that begins with a sign.
fn inside(line: &str) -> usize {
    let seen = seen(line);
    let words = seen.trim_start_matches(' ');
    let indent = seen.len() - words.len();
    let has_sign = SIGNS.iter().any(|sign| words.starts_with(sign));
    match labelled(words) {
        Some(value) => indent + value,
        None if indent == 0 || has_sign => indent + INDENT,
        None => indent,
    }
}

/// Where the value begins behind a label (`fix: …`), if there is one.
fn labelled(words: &str) -> Option<usize> {
    let (label, value) = words.split_once(": ")?;
    let is_label = !label.is_empty() && label.chars().all(|c| c.is_ascii_lowercase());
    let value = value.trim_start_matches(' ').len();
    is_label.then(|| words.len() - value)
}

/// Before the words of a line: of an action, of a state.
const SIGNS: [&str; 9] = ["+ ", "~ ", "± ", "- ", "= ", "✓ ", "✗ ", "… ", "! "];

fn folded(line: &str, width: usize, under: &str) -> String {
    let mut text = String::new();
    let mut at = 0;
    for (gap, word) in words(line) {
        let (gap_wide, wide) = (columns(gap), columns(word));
        let fits_below = columns(under) + wide <= width;
        if !text.is_empty() && at + gap_wide + wide > width && fits_below {
            text.push('\n');
            text.push_str(under);
            at = columns(under);
        } else {
            text.push_str(gap);
            at += gap_wide;
        }
        text.push_str(word);
        at += wide;
    }
    text
}

/// The words of a line, each with the spaces before it; what stands in backticks is one word.
fn words(line: &str) -> Vec<(&str, &str)> {
    let (mut words, mut start, mut word) = (Vec::new(), 0, None);
    let mut is_quoted = false;
    for (index, c) in line.char_indices() {
        is_quoted ^= c == '`';
        match (c, word) {
            (' ', Some(begin)) if !is_quoted => {
                words.push((&line[start..begin], &line[begin..index]));
                (start, word) = (index, None);
            }
            (' ', _) => (),
            (_, None) => word = Some(index),
            (_, Some(_)) => (),
        }
    }
    let begin = word.unwrap_or(line.len());
    words.push((&line[start..begin], &line[begin..]));
    words
}

/// How many columns the text takes: marks and a terminal's codes take none.
pub fn columns(text: &str) -> usize {
    seen(text).chars().count()
}

/// What is seen of a text: it without marks and without a terminal's codes.
pub fn seen(text: &str) -> String {
    let mut seen = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        match c {
            '\u{1b}' => drop(characters.find(char::is_ascii_alphabetic)),
            c if is_mark(c) => (),
            c => seen.push(c),
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::style::{RED, paint, plain};

    #[test]
    fn a_line_that_fits_stays() {
        for text in ["", "one two", "  a\n\nb\n"] {
            assert_eq!(fold(text, 8), text);
        }
    }

    #[test]
    fn further_lines_are_indented() {
        assert_eq!(fold("one two three four", 10), "one two\n  three\n  four");
        assert_eq!(
            fold("    ! one two three", 12),
            "    ! one\n      two\n      three"
        );
        assert_eq!(fold("    one two three", 12), "    one two\n    three");
    }

    #[test]
    fn what_follows_a_label_stays_below_it() {
        let folded = fold("  fix: one two three", 14);
        assert_eq!(folded, "  fix: one two\n       three");
        assert_eq!(fold("one: two three four", 14), "one: two three\n     four");
        assert_eq!(fold("a label: two three", 14), "a label: two\n  three");
    }

    #[test]
    fn a_command_is_never_broken() {
        let text = "next: `uninlu verify a.toml` checks, and `uninlu status` shows the pods";
        for width in 10..70 {
            let folded = fold(text, width);
            for command in ["`uninlu verify a.toml`", "`uninlu status`"] {
                assert!(folded.contains(command), "{width}: {folded}");
            }
        }
    }

    #[test]
    fn nothing_is_lost_and_only_a_long_word_makes_a_long_line() {
        let text = paint(RED, "!") + " the rollout will get stuck: 0 of 2 new pods find room";
        for width in 1..60 {
            let folded = fold(&text, width);
            let words = |text: &str| -> Vec<String> {
                plain(text).split_whitespace().map(str::to_owned).collect()
            };
            assert_eq!(words(&folded), words(&text), "{width}");
            // A word that no line takes is left to the terminal.
            let is_long = |word: &str| columns(word) + 2 * INDENT > width;
            for line in folded.lines().filter(|line| columns(line) > width) {
                assert!(line.split(' ').any(is_long), "{width}: {folded}");
            }
        }
    }

    #[test]
    fn codes_and_marks_take_no_column() {
        assert_eq!(columns("\u{1b}[31m×\u{1b}[0m one"), 5);
        assert_eq!(columns(&paint(RED, "one")), 3);
        let text = format!("{} two", paint(RED, "one"));
        assert_eq!(fold(&text, 7), text);
    }
}
