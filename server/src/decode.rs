//! Logits → entities: the merge of overlapping windows and the pointers' decoding. Pure.

use std::ops::Range;

use serde::Serialize;

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

/// A span of the text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Entity {
    /// First code point, and the one behind the last.
    pub offset: [usize; 2],
    /// The text between them.
    pub span: String,
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
    }
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
