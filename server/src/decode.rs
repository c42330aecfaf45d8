//! Logits → entities: the merge of overlapping windows and the pointers' decoding. Pure.

use std::ops::Range;

/// Tokens of a window.
pub const WINDOW: usize = 384;
/// Tokens from one window's start to the next one's: windows overlap by 32.
pub const STRIDE: usize = 352;
/// A logit above it is a yes. The heads give raw logits, no sigmoid.
pub const THRESHOLD: f64 = 0.5;

/// Head and tail logits, one pair per token.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Logits {
    /// Whether an entity begins at the token.
    pub head: Vec<f64>,
    /// Whether an entity ends at the token.
    pub tail: Vec<f64>,
}

impl Logits {
    /// Whether all are numbers: damaged weights make NaN, which would look like a text without entities.
    pub fn are_finite(&self) -> bool {
        self.head
            .iter()
            .chain(&self.tail)
            .all(|logit| logit.is_finite())
    }
}

/// A span of the text.
#[derive(Debug, Clone, PartialEq)]
pub struct Entity {
    /// First code point, and the one behind the last.
    pub offset: [usize; 2],
    /// The text between them.
    pub span: String,
    /// Its share among the labels, where it is one of them.
    pub score: Option<f64>,
}

/// How many windows a text of so many tokens has.
pub fn window_count(tokens: usize) -> usize {
    if tokens <= WINDOW {
        1
    } else {
        (tokens - WINDOW).div_ceil(STRIDE) + 1
    }
}

/// The tokens of a text's window. The last window of several may be shorter than the others.
pub fn window(tokens: usize, index: usize) -> Range<usize> {
    let start = index * STRIDE;
    start..tokens.min(start + WINDOW)
}

/// One row of logits for the whole text: where windows overlap, the mean of both (in f64, as the reference does).
pub fn merge(windows: &[Logits], tokens: usize) -> Logits {
    Logits {
        head: merge_row(windows.iter().map(|window| window.head.as_slice()), tokens),
        tail: merge_row(windows.iter().map(|window| window.tail.as_slice()), tokens),
    }
}

fn merge_row<'a>(windows: impl Iterator<Item = &'a [f64]>, tokens: usize) -> Vec<f64> {
    let mut merged: Vec<Option<f64>> = vec![None; tokens];
    for (index, window) in windows.enumerate() {
        for (slot, value) in merged.iter_mut().skip(index * STRIDE).zip(window) {
            *slot = Some(slot.map_or(*value, |first| (first + value) / 2.0));
        }
    }
    merged
        .into_iter()
        .map(|value| value.unwrap_or(f64::NEG_INFINITY))
        .collect()
}

/// Every head takes the first tail at or behind it. Nothing is left out: no limit of length, no removal of duplicates,
/// and the special tokens may point too, as in the reference.
pub fn decode(logits: &Logits, offsets: &[(usize, usize)], text: &[char]) -> Vec<Entity> {
    let is_yes = |row: &[f64], token: usize| row.get(token).is_some_and(|logit| *logit > THRESHOLD);
    let mut entities: Vec<Entity> = (0..offsets.len())
        .filter(|head| is_yes(&logits.head, *head))
        .filter_map(|head| {
            let tail = (head..offsets.len()).find(|tail| is_yes(&logits.tail, *tail))?;
            Some(entity(offsets[head].0, offsets[tail].1, text))
        })
        .collect();
    entities.sort_by_key(|entity| entity.offset);
    entities
}

/// Python's slice: an end before the start is an empty span.
fn entity(start: usize, end: usize, text: &[char]) -> Entity {
    let span = text
        .get(start..end.max(start).min(text.len()))
        .unwrap_or_default();
    Entity {
        offset: [start, end],
        span: span.iter().collect(),
        score: None,
    }
}

/// The labels of a classification: what commas part before the first `|`, as ranges of code points.
pub fn labels(text: &str) -> Vec<Range<usize>> {
    let Some((prefix, _)) = text.split_once('|') else {
        return Vec::new();
    };
    let mut start = 0;
    prefix
        .split(',')
        .map(|label| {
            let range = start..start + label.chars().count();
            start = range.end + 1;
            range
        })
        .filter(|range| !range.is_empty())
        .collect()
}

/// The likeliest of the labels, by the sum of the logits at its ends; its score is its share among all (softmax).
pub fn classify(
    logits: &Logits,
    offsets: &[(usize, usize)],
    text: &[char],
    labels: &[Range<usize>],
) -> Option<Entity> {
    let sums: Vec<f64> = labels
        .iter()
        .map(|label| {
            let head = token_at(offsets, label.start);
            let tail = token_at(offsets, label.end - 1);
            head.zip(tail).map_or(f64::NEG_INFINITY, |(head, tail)| {
                logits.head[head] + logits.tail[tail]
            })
        })
        .collect();
    let (best, highest) = sums
        .iter()
        .enumerate()
        .max_by(|one, other| one.1.total_cmp(other.1))?;
    let all: f64 = sums.iter().map(|sum| (sum - highest).exp()).sum();
    let label = &labels[best];
    Some(Entity {
        score: Some(1.0 / all),
        ..entity(label.start, label.end, text)
    })
}

/// The token that covers a code point.
fn token_at(offsets: &[(usize, usize)], point: usize) -> Option<usize> {
    offsets
        .iter()
        .position(|(start, end)| (*start..*end).contains(&point))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_counted_as_the_reference_counts_them() {
        let counts = [(2, 1), (384, 1), (385, 2), (736, 2), (737, 3)];
        for (tokens, windows) in counts {
            assert_eq!(window_count(tokens), windows, "{tokens} tokens");
        }
    }

    #[test]
    fn the_likeliest_label_is_the_answer() {
        let text: Vec<char> = "正向,负向|好".chars().collect();
        let labels = labels("正向,负向|好");
        assert_eq!(labels, [0..2, 3..5]);
        let offsets: Vec<(usize, usize)> = [(0, 0)]
            .into_iter()
            .chain((0..7).map(|point| (point, point + 1)))
            .chain([(0, 0)])
            .collect();
        let mut logits = Logits {
            head: vec![-5.0; 9],
            tail: vec![-5.0; 9],
        };
        logits.head[4] = 1.0;
        logits.tail[5] = 2.0;
        // More likely than any label, and none.
        (logits.head[7], logits.tail[7]) = (9.0, 9.0);
        let found = classify(&logits, &offsets, &text, &labels).expect("a label");
        assert_eq!((found.span.as_str(), found.offset), ("负向", [3, 5]));
        assert!(found.score.expect("a score") > 0.99);
    }

    #[test]
    fn a_text_without_a_bar_has_no_labels() {
        for text in ["正向,负向", "|好", ",|好", ""] {
            assert!(labels(text).is_empty(), "{text}");
        }
    }

    #[test]
    fn overlapping_logits_are_averaged() {
        let window = |value: f64| Logits {
            head: vec![value; WINDOW],
            tail: vec![value; WINDOW],
        };
        let merged = merge(&[window(1.0), window(2.0)], 400);
        assert_eq!(
            (merged.head[0], merged.head[STRIDE], merged.head[WINDOW]),
            (1.0, 1.5, 2.0)
        );
        assert_eq!(merged.head.len(), 400);
    }
}
