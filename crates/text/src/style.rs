//! Styles of text, as marks that are no text: what shows the text turns them into a terminal's codes.

use std::fmt::Display;

/// A style of ours: a character that Unicode keeps for a program's own use stands for it until the text is written. So
/// a terminal's codes come from here alone, and those in the text of others are escaped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style(char);

/// Additions, and what went well.
pub const GREEN: Style = Style('\u{fdd0}');
/// Changes and warnings.
pub const YELLOW: Style = Style('\u{fdd1}');
/// Removals and failures.
pub const RED: Style = Style('\u{fdd2}');
/// What a reader may skip.
pub const DIM: Style = Style('\u{fdd3}');
/// What a reader must not skip.
pub const BOLD: Style = Style('\u{fdd4}');
/// Ends any of them.
pub const END: char = '\u{fdd5}';

/// `text` in `style`, to be shown.
pub fn paint(style: Style, text: impl Display) -> String {
    format!("{}{text}{END}", style.0)
}

/// Whether the character stands for a style's beginning or end.
pub fn is_mark(c: char) -> bool {
    (GREEN.0..=END).contains(&c)
}

/// The style that begins with the character, if one does.
pub fn style_of(mark: char) -> Option<Style> {
    (is_mark(mark) && mark != END).then_some(Style(mark))
}

/// The text without its styles.
pub fn plain(text: &str) -> String {
    text.replace(is_mark, "")
}
