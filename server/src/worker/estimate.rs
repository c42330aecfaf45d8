//! About how many tokens a request has, before it is tokenized.

use super::text::pass_tokens;
use crate::decode::window_count;
use crate::schema::Schema;
use crate::tokenizer::PROMPT_MAX_LENGTH;

/// The passes that a question needs at least: those of its schema's first level.
pub(super) struct FirstLevel {
    /// Windows of all texts.
    pub(super) windows: usize,
    /// Tokens of the passes.
    pub(super) tokens: usize,
    /// Tokens of the prompts.
    pub(super) prompts: usize,
}

impl FirstLevel {
    pub(super) fn of(texts: &[String], schema: &Schema) -> Self {
        let (types, prompts) = (schema.types.len(), prompt_tokens(schema));
        let lengths = texts.iter().map(|text| length(text));
        let (windows, tokens) = lengths.fold((0, 0), |(windows, tokens), length| {
            (
                windows + window_count(length),
                tokens + pass_tokens_of(length, types, prompts),
            )
        });
        Self {
            windows,
            tokens,
            prompts,
        }
    }
}

/// Tokens of the passes of a text for so many types, whose prompts have so many.
pub(super) fn text_tokens(text: &str, types: usize, prompts: usize) -> usize {
    pass_tokens_of(length(text), types, prompts)
}

/// About the tokens of a text: each character one, but for the letters of a word, of which a
/// token has some.
fn length(text: &str) -> usize {
    const LETTERS: usize = 4;
    let (mut tokens, mut letters) = (2, 0);
    for character in text.chars() {
        if character.is_ascii_alphanumeric() {
            tokens += usize::from(letters % LETTERS == 0);
            letters += 1;
        } else {
            tokens += usize::from(!character.is_whitespace());
            letters = 0;
        }
    }
    tokens
}

/// Tokens of the prompts of the schema's first level.
fn prompt_tokens(schema: &Schema) -> usize {
    let prompt = |kind: &str| (kind.chars().count() + 4).min(PROMPT_MAX_LENGTH);
    schema.types.iter().map(|(kind, _)| prompt(kind)).sum()
}

fn pass_tokens_of(text: usize, types: usize, prompts: usize) -> usize {
    types * pass_tokens(text, 0) + window_count(text) * prompts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_a_text_is_about_its_tokens() {
        let folder = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../tests/golden/tokenizer_vocab_21128.txt"
        );
        let vocabulary = std::fs::read_to_string(folder).expect("the vocabulary");
        let tokenizer =
            crate::tokenizer::Tokenizer::from_vocabulary(&vocabulary).expect("the tokenizer");
        for text in [
            "在北京冬奥会自由式滑雪女子大跳台决赛中，中国选手谷爱凌以188.25分夺得金牌。",
            "The quick brown fox jumps over the lazy dog, and the dog does not mind at all.",
            "小米 MIX 4 于 2021 年 8 月发布，售价 4999 元。",
            "",
        ] {
            let exact = tokenizer.text(text).expect("tokens").ids.len() as f64;
            let about = length(text) as f64;
            assert!(
                (0.7..1.5).contains(&(about / exact)),
                "{text}: {about}, {exact}"
            );
        }
    }
}
