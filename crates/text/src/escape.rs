//! Text of others, made harmless: whatever came from a cluster, a registry, a log, a build or a file is shown, and never
//! obeyed, by a terminal, a CI system, or a page that renders Markdown. The terminal and the writers of reports use it;
//! nothing else escapes by itself.

use std::fmt::Write;

use crate::style::is_mark;

/// Control characters, and what changes the direction or is not seen, are written as `\u{1b}`. Line ends and tabs stay.
///
/// Joiners (U+200C, U+200D) stay too: Persian, Indic scripts and emoji need them.
pub fn visible(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_hidden(c) {
            escape(&mut shown, c);
        } else {
            shown.push(c);
        }
    }
    shown
}

fn escape(shown: &mut String, c: char) {
    let _ = write!(shown, "{}", c.escape_unicode());
}

fn is_hidden(c: char) -> bool {
    match c {
        '\n' | '\t' => false,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' => true,
        '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' => true,
        '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}' => true,
        c => c.is_control(),
    }
}

/// As [`visible`], and no line is a command to the CI system whose log it goes to: `::name::` at its beginning, or
/// `##[name]`, `##vso[…]`, `##teamcity[…]` anywhere.
///
/// Sources: actions/runner `ActionCommand.cs` (the line is trimmed before `::`; `##[` is looked for anywhere), Azure
/// Pipelines' logging commands, TeamCity's service messages.
pub fn log(text: &str) -> String {
    let lines: Vec<String> = visible(text).split('\n').map(no_command).collect();
    lines.join("\n")
}

fn no_command(line: &str) -> String {
    let is_before = |c: char| c.is_whitespace() || is_mark(c);
    let content = line.trim_start_matches(is_before);
    let (before, content) = line.split_at(line.len() - content.len());
    let mut shown = before.to_owned();
    let mut rest = content;
    if content.starts_with("::") {
        escape(&mut shown, ':');
        rest = &content[1..];
    }
    while let Some(at) = rest.find("##") {
        shown.push_str(&rest[..at]);
        rest = &rest[at..];
        let word = rest[2..].trim_start_matches(|c: char| c.is_ascii_alphabetic());
        if word.starts_with('[') {
            escape(&mut shown, '#');
        } else {
            shown.push('#');
        }
        rest = &rest[1..];
    }
    shown + rest
}

/// JSON whose strings keep their values: what [`visible`] would write otherwise is written as `\u001b` is.
pub fn json(document: &str) -> String {
    let mut shown = String::with_capacity(document.len());
    for c in document.chars() {
        if is_hidden(c) {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                let _ = write!(shown, "\\u{unit:04x}");
            }
        } else {
            shown.push(c);
        }
    }
    shown.replace("##", "#\\u0023")
}

/// Text within a line of Markdown: nothing in it is a link, an image, HTML, a mention, a reference or a line's end. What
/// stands in backticks stays code.
pub fn markdown(text: &str) -> String {
    inline(text, "|")
}

/// As [`markdown`], in a cell of a table.
pub fn cell(text: &str) -> String {
    inline(text, "\\|")
}

fn inline(text: &str, bar: &str) -> String {
    let text = visible(text).replace('\n', " ");
    let mut parts = text.split('`');
    let mut shown = String::new();
    words(&mut shown, parts.next().unwrap_or_default());
    while let Some(inside) = parts.next() {
        match parts.next() {
            Some(after) if !inside.is_empty() => {
                // Two runs of backticks that touch would be one.
                if shown.ends_with('`') {
                    shown.push_str(NOTHING);
                }
                let _ = write!(shown, "`{}`", inside.replace('|', bar));
                words(&mut shown, after);
            }
            after => {
                shown.push_str("\\`");
                words(&mut shown, inside);
                if let Some(after) = after {
                    shown.push_str("\\`");
                    words(&mut shown, after);
                }
            }
        }
    }
    shown
}

/// A character without width keeps apart what together would be a mention or a link. Backslashes do not: mentions are
/// looked for in what Markdown became.
const NOTHING: &str = "&#8203;";

/// Text outside of code.
fn words(shown: &mut String, text: &str) {
    for (at, c) in text.char_indices() {
        let (before, after) = (&text[..at], &text[at + c.len_utf8()..]);
        let is_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        let (is_after_word, is_before_word) = (
            is_word(before.chars().next_back()),
            is_word(after.chars().next()),
        );
        match c {
            '&' => shown.push_str("&amp;"),
            '<' => shown.push_str("&lt;"),
            '>' => shown.push_str("&gt;"),
            '_' if is_after_word && is_before_word => shown.push('_'),
            '\\' | '*' | '_' | '[' | ']' | '|' | '~' | '$' => {
                shown.push('\\');
                shown.push(c);
            }
            '@' | '#' | '!' | '%' if is_before_word => {
                shown.push(c);
                shown.push_str(NOTHING);
            }
            ':' if after.starts_with("//") => {
                shown.push(c);
                shown.push_str(NOTHING);
            }
            '-' if ends_in_word(before, "gh") && is_before_word => {
                shown.push(c);
                shown.push_str(NOTHING);
            }
            '.' if ends_in_word(before, "www") => {
                shown.push_str(NOTHING);
                shown.push(c);
            }
            c => shown.push(c),
        }
    }
}

fn ends_in_word(text: &str, word: &str) -> bool {
    let last = text.rsplit(|c: char| !c.is_alphanumeric()).next();
    last.is_some_and(|last| last.eq_ignore_ascii_case(word))
}

/// Text as code in a line of Markdown.
pub fn code(text: &str) -> String {
    let text = visible(text).replace('\n', " ");
    let fence = fence(&text, 1);
    let space = if text.starts_with('`') || text.ends_with('`') || text.is_empty() {
        " "
    } else {
        ""
    };
    format!("{fence}{space}{text}{space}{fence}")
}

/// Backticks that the text does not hold, `least` at least.
pub fn fence(text: &str, least: usize) -> String {
    let runs = text.split(|c| c != '`').map(str::len);
    let longest = runs.max().unwrap_or(0);
    "`".repeat(least.max(longest + 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::style::{RED, paint, plain};

    #[test]
    fn what_a_terminal_would_obey_is_seen() {
        for (text, shown) in [
            ("tab\tand\nline", "tab\tand\nline"),
            ("line\r\nend", "line\nend"),
            ("10%\r20%", "10%\\u{d}20%"),
            ("\u{1b}[31mred\u{1b}[0m", "\\u{1b}[31mred\\u{1b}[0m"),
            ("\u{1b}]52;c;cm0=\u{7}", "\\u{1b}]52;c;cm0=\\u{7}"),
            (
                "\u{1b}]8;;http://e\u{1b}\\x",
                "\\u{1b}]8;;http://e\\u{1b}\\x",
            ),
            ("\u{9b}2J\u{9d}0;t\u{9c}", "\\u{9b}2J\\u{9d}0;t\\u{9c}"),
            ("\0\u{8}\u{7f}", "\\u{0}\\u{8}\\u{7f}"),
            (
                "a\u{202e}b\u{2066}c\u{200f}",
                "a\\u{202e}b\\u{2066}c\\u{200f}",
            ),
            (
                "a\u{200b}b\u{feff}\u{e0041}",
                "a\\u{200b}b\\u{feff}\\u{e0041}",
            ),
            (
                "中文 é 👩\u{200d}💻 می\u{200c}خواهم",
                "中文 é 👩\u{200d}💻 می\u{200c}خواهم",
            ),
        ] {
            assert_eq!(visible(text), shown);
        }
    }

    #[test]
    fn no_line_is_a_workflow_command() {
        for (text, shown) in [
            ("::error::x", "\\u{3a}:error::x"),
            ("a\n  ::set-env name=A::b", "a\n  \\u{3a}:set-env name=A::b"),
            ("a ::error::x", "a ::error::x"),
            ("a ##[error]x", "a \\u{23}#[error]x"),
            ("##vso[task.x]", "\\u{23}#vso[task.x]"),
            ("###[group]", "#\\u{23}#[group]"),
            ("##teamcity[x]##[y]", "\\u{23}#teamcity[x]\\u{23}#[y]"),
            ("## heading [x]", "## heading [x]"),
        ] {
            assert_eq!(log(text), shown);
        }
        let painted = paint(RED, "::error::x");
        assert_eq!(plain(&log(&painted)), "\\u{3a}:error::x");
    }

    #[test]
    fn json_keeps_its_values() {
        for value in ["\u{1b}[2J", "\u{9b}\u{7f}\u{202e}\u{e0041}", "##[error]"] {
            let document = serde_json::Value::from(value).to_string();
            let shown = json(&document);
            assert_eq!(visible(&shown), shown);
            assert!(!shown.contains("##["), "{shown}");
            let read: serde_json::Value = serde_json::from_str(&shown).expect("JSON");
            assert_eq!(read, value);
        }
    }

    #[test]
    fn markdown_of_others_is_text() {
        for (text, shown) in [
            ("[x](http://e)", "\\[x\\](http:&#8203;//e)"),
            ("![x](y)", "!\\[x\\](y)"),
            ("<img src=x>&amp;", "&lt;img src=x&gt;&amp;amp;"),
            (
                "cc @all #12 o/r#3 !4 GH-5",
                "cc @&#8203;all #&#8203;12 o/r#&#8203;3 !&#8203;4 GH-&#8203;5",
            ),
            ("www.e.com", "www&#8203;.e.com"),
            ("*a* _b_ c_d ~e~ a|b", "\\*a\\* \\_b\\_ c_d \\~e\\~ a\\|b"),
            ("key `a|<b>` is\nset", "key `a|<b>` is set"),
            ("one ` @x", "one \\` @&#8203;x"),
            ("`` @x ``", "\\`\\` @&#8203;x \\`\\`"),
            ("`a``b`", "`a`&#8203;`b`"),
            ("\\`@x`", "\\\\`@x`"),
        ] {
            assert_eq!(markdown(text), shown, "{text}");
        }
        assert_eq!(cell("`a|b` | c"), "`a\\|b` \\| c");
        assert_eq!(code("a`b"), "``a`b``");
        assert_eq!(code("`"), "`` ` ``");
    }
}
