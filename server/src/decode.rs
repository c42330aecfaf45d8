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
    /// First code point, and the one behind the last. The text between them is [`span`]: spans may overlap, so that all
    /// of a text's spans together are as long as the text's square.
    pub offset: [usize; 2],
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
pub fn decode(logits: &Logits, offsets: &[(usize, usize)]) -> Vec<Entity> {
    let is_yes = |row: &[f64], token: usize| row.get(token).is_some_and(|logit| *logit > THRESHOLD);
    let mut tail = None;
    let mut entities = Vec::new();
    for token in (0..offsets.len()).rev() {
        if is_yes(&logits.tail, token) {
            tail = Some(offsets[token].1);
        }
        if let Some(end) = tail.filter(|_| is_yes(&logits.head, token)) {
            entities.push(Entity {
                offset: [offsets[token].0, end],
                score: None,
            });
        }
    }
    entities.reverse();
    entities.sort_by_key(|entity| entity.offset);
    entities
}

/// The text of a span. Python's slice: an end before the start is an empty one.
pub fn span(text: &[char], [start, end]: [usize; 2]) -> &[char] {
    text.get(start..end.max(start).min(text.len()))
        .unwrap_or_default()
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

/// A label with the tokens at its ends; none where no token covers them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    offset: [usize; 2],
    ends: Option<(usize, usize)>,
}

impl Label {
    /// Finds the tokens of all labels of a text: once for a text, however many types are asked.
    pub fn all(text: &str, offsets: &[(usize, usize)]) -> Vec<Self> {
        let ranges = labels(text);
        let most = ranges.last().map_or(0, |range| range.end);
        let tokens = first_tokens(offsets, most);
        let label = |range: Range<usize>| Self {
            ends: tokens[range.start].zip(tokens[range.end - 1]),
            offset: [range.start, range.end],
        };
        ranges.into_iter().map(label).collect()
    }

    /// Sum of the logits at its ends.
    fn likelihood(&self, logits: &Logits) -> f64 {
        self.ends.map_or(f64::NEG_INFINITY, |(head, tail)| {
            logits.head[head] + logits.tail[tail]
        })
    }
}

/// The first token that covers each of so many code points.
fn first_tokens(offsets: &[(usize, usize)], points: usize) -> Vec<Option<usize>> {
    let mut tokens = vec![None; points];
    for (token, (start, end)) in offsets.iter().enumerate() {
        let covered = tokens.get_mut(*start..(*end).min(points));
        for slot in covered.unwrap_or_default() {
            slot.get_or_insert(token);
        }
    }
    tokens
}

/// The likeliest of the labels, by the sum of the logits at its ends; its score is its share among all (softmax).
pub fn classify(logits: &Logits, labels: &[Label]) -> Option<Entity> {
    let sums: Vec<f64> = labels
        .iter()
        .map(|label| label.likelihood(logits))
        .collect();
    let (best, highest) = sums
        .iter()
        .enumerate()
        .max_by(|one, other| one.1.total_cmp(other.1))?;
    let all: f64 = sums.iter().map(|sum| (sum - highest).exp()).sum();
    Some(Entity {
        offset: labels[best].offset,
        score: Some(1.0 / all),
    })
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
        let text = "正向,负向|好";
        assert_eq!(labels(text), [0..2, 3..5]);
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
        let found = classify(&logits, &Label::all(text, &offsets)).expect("a label");
        assert_eq!(found.offset, [3, 5]);
        assert!(found.score.expect("a score") > 0.99);
    }

    #[test]
    fn a_text_without_a_bar_has_no_labels() {
        for text in ["正向,负向", "|好", ",|好", ""] {
            assert!(labels(text).is_empty(), "{text}");
        }
    }

    /// The reference's own words: for each head the first tail at or behind it.
    #[test]
    fn a_head_takes_the_first_tail_behind_it() {
        let mut random = fastrand::Rng::with_seed(1);
        for tokens in 0..40 {
            let mut row = || (0..tokens).map(|_| random.f64()).collect::<Vec<f64>>();
            let logits = Logits {
                head: row(),
                tail: row(),
            };
            let offsets: Vec<(usize, usize)> = (0..tokens).map(|at| (at, at + 1)).collect();
            let slow: Vec<[usize; 2]> = (0..tokens)
                .filter(|head| logits.head[*head] > THRESHOLD)
                .filter_map(|head| {
                    let tail = (head..tokens).find(|tail| logits.tail[*tail] > THRESHOLD)?;
                    Some([head, tail + 1])
                })
                .collect();
            let found = decode(&logits, &offsets);
            let found: Vec<[usize; 2]> = found.iter().map(|entity| entity.offset).collect();
            assert_eq!(found, slow);
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
