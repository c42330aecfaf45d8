//! Text whose lines know where they come from.

use crate::place::Place;

/// Where a line comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Line {
    /// The template's line.
    pub template: Option<Place>,
    /// The values that went into it.
    pub values: Vec<Place>,
}

/// Values that are kept of one line.
const MOST_PLACES: usize = 32;

/// Text, and where each of its lines comes from; a line without an entry comes from nowhere.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Text {
    pub text: String,
    pub lines: Vec<Line>,
}

impl Text {
    pub(super) fn plain(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            lines: Vec::new(),
        }
    }

    /// All of it comes from one place.
    pub(super) fn of(text: impl Into<String>, place: Option<&Place>) -> Self {
        let text = text.into();
        let line = Line {
            template: None,
            values: place.into_iter().cloned().collect(),
        };
        let count = text.split('\n').count();
        Self {
            text,
            lines: vec![line; count],
        }
    }

    /// What it takes to keep it, in bytes.
    pub(super) fn weight(&self) -> usize {
        self.text.len() + self.lines.len() * size_of::<Line>()
    }

    /// Appends what stands at that place of a template.
    pub(super) fn push(&mut self, text: &Text, place: Option<&Place>) {
        // Counting all line breaks at each turn would take the square of the text's length.
        if self.lines.is_empty() {
            let count = self.text.split('\n').count();
            self.lines.resize(count, Line::default());
        }
        let last = self.lines.len() - 1;
        for (index, piece) in text.text.split('\n').enumerate() {
            if index > 0 {
                self.text.push('\n');
            }
            self.text.push_str(piece);
            let number = last + index;
            if self.lines.len() <= number {
                self.lines.resize(number + 1, Line::default());
            }
            let line = &mut self.lines[number];
            if line.template.is_none() && !piece.trim().is_empty() {
                line.template = place.cloned();
            }
            let from = text.lines.get(index).map(|line| line.values.as_slice());
            for place in from.unwrap_or_default() {
                if line.values.len() < MOST_PLACES && !line.values.contains(place) {
                    line.values.push(place.clone());
                }
            }
        }
    }

    /// Appends a template's own text, which begins at that place.
    pub(super) fn push_literal(&mut self, text: &str, begin: &Place) {
        let mut rest = text;
        let mut place = begin.clone();
        loop {
            let end = rest.find('\n').map_or(rest.len(), |at| at + 1);
            self.push(&Text::plain(&rest[..end]), Some(&place));
            rest = &rest[end..];
            if rest.is_empty() {
                return;
            }
            place.line += 1;
        }
    }

    /// The text changed by `change`. Lines keep their places as long as none comes or goes.
    pub(super) fn map(&self, change: impl FnOnce(&str) -> String) -> Text {
        let text = change(&self.text);
        let is_same = text.matches('\n').count() == self.text.matches('\n').count();
        let lines = match is_same {
            true => self.lines.clone(),
            // One place is better than none.
            false => self.lines.first().cloned().into_iter().collect(),
        };
        Text { text, lines }
    }

    /// Without the blanks around it.
    pub(super) fn trimmed(&self) -> Text {
        let start = self.text.len() - self.text.trim_start().len();
        let gone = self.text[..start].matches('\n').count();
        let text = self.text.trim().to_owned();
        let count = text.split('\n').count();
        let lines = self.lines.iter().skip(gone).take(count).cloned().collect();
        Text { text, lines }
    }

    /// As sprig's `indent` and, after a line break, `nindent`.
    pub(super) fn indented(&self, width: usize, after_break: bool) -> Text {
        let pad = " ".repeat(width);
        let text = format!("{pad}{}", self.text.replace('\n', &format!("\n{pad}")));
        if !after_break {
            return Text {
                text,
                lines: self.lines.clone(),
            };
        }
        let mut lines = vec![Line::default()];
        lines.extend(self.lines.iter().cloned());
        Text {
            text: format!("\n{text}"),
            lines,
        }
    }
}
