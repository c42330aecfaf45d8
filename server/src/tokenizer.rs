//! BERT's tokenizer as the reference uses it: the same for texts and prompts.

use std::path::Path;

use serde::Deserialize;
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::bert::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::processors::bert::BertProcessing;
use tokenizers::{AddedToken, Tokenizer as HuggingFace};

use crate::files;
use crate::model_error::ModelError;

/// Tokens of a prompt at most, `[CLS]` and `[SEP]` included; a longer one loses its tail.
pub const PROMPT_MAX_LENGTH: usize = 128;

/// Ids of a prompt between the two specials at most.
const PROMPT_MOST: usize = PROMPT_MAX_LENGTH - 2;

/// The literal strings that become special tokens, wherever they stand in a text.
const SPECIAL: [&str; 5] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];

/// A tokenized text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tokens {
    /// Ids, with `[CLS]` and `[SEP]`.
    pub ids: Vec<i64>,
    /// For each token the range in Unicode code points of the original text; (0, 0) for the two specials.
    pub offsets: Vec<(usize, usize)>,
}

/// The tokenizer of one model folder.
pub struct Tokenizer {
    inner: HuggingFace,
    sep: i64,
    size: usize,
    /// Whether each Chinese character is a word of its own.
    parts_chinese: bool,
}

/// A tokenized prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// Ids, with `[CLS]` and `[SEP]`; at most [`PROMPT_MAX_LENGTH`].
    pub ids: Vec<i64>,
    /// Characters that were read to make them.
    pub characters: usize,
}

/// The fields of `tokenizer_config.json` that change what is computed.
#[derive(Debug, Deserialize)]
#[serde(default)]
struct Options {
    do_lower_case: bool,
    tokenize_chinese_chars: bool,
    strip_accents: Option<bool>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            do_lower_case: true,
            tokenize_chinese_chars: true,
            strip_accents: None,
        }
    }
}

impl Tokenizer {
    /// Reads `vocab.txt` and, when it is there, `tokenizer_config.json`.
    ///
    /// # Errors
    /// A file that cannot be read, or a vocabulary without the special tokens.
    pub fn load(folder: &Path) -> Result<Self, ModelError> {
        let options_file = folder.join("tokenizer_config.json");
        let options = if files::stands(&options_file) {
            serde_json::from_slice(&files::read(&options_file)?)
                .map_err(|error| ModelError::malformed(&options_file, error))?
        } else {
            Options::default()
        };
        let file = folder.join("vocab.txt");
        let text = String::from_utf8(files::read(&file)?)
            .map_err(|error| ModelError::malformed(&file, error))?;
        Self::build(&text, &options).map_err(|reason| ModelError::malformed(&file, reason))
    }

    /// The tokenizer of a vocabulary: one token a line, the line number is the id.
    ///
    /// # Errors
    /// A vocabulary without the special tokens.
    pub fn from_vocabulary(text: &str) -> Result<Self, String> {
        Self::build(text, &Options::default())
    }

    fn build(text: &str, options: &Options) -> Result<Self, String> {
        let vocabulary: Vec<(String, u32)> = lines(text).map(str::to_owned).zip(0..).collect();
        let id_of = |token: &str| {
            let found = vocabulary.iter().rev().find(|(known, _)| known == token);
            found
                .map(|(_, id)| *id)
                .ok_or_else(|| format!("the vocabulary has no {token}"))
        };
        let (cls, sep) = (id_of("[CLS]")?, id_of("[SEP]")?);
        id_of("[UNK]")?;
        id_of("[PAD]")?;
        let mut inner = HuggingFace::new(word_piece(&vocabulary)?);
        inner.with_normalizer(Some(BertNormalizer::new(
            true,
            options.tokenize_chinese_chars,
            options.strip_accents,
            options.do_lower_case,
        )));
        inner.with_pre_tokenizer(Some(BertPreTokenizer));
        inner.with_post_processor(Some(BertProcessing::new(
            ("[SEP]".into(), sep),
            ("[CLS]".into(), cls),
        )));
        let known: Vec<AddedToken> = SPECIAL
            .iter()
            .filter(|token| id_of(token).is_ok())
            .map(|token| AddedToken::from(*token, true))
            .collect();
        inner.add_special_tokens(&known);
        Ok(Self {
            inner,
            sep: i64::from(sep),
            size: vocabulary.len(),
            parts_chinese: options.tokenize_chinese_chars,
        })
    }

    /// Tokenizes a text whole: no truncation.
    ///
    /// # Errors
    /// The library's own refusal.
    pub fn text(&self, text: &str) -> Result<Tokens, String> {
        let encoding = self
            .inner
            .encode_char_offsets(text, true)
            .map_err(|error| error.to_string())?;
        Ok(Tokens {
            ids: encoding.get_ids().iter().map(|id| i64::from(*id)).collect(),
            offsets: encoding.get_offsets().to_vec(),
        })
    }

    /// Tokenizes a prompt, cut to [`PROMPT_MAX_LENGTH`] tokens as the reference cuts it: the tail goes, `[SEP]` stays.
    /// Characters behind what can become one of these tokens are not asked for.
    ///
    /// # Errors
    /// The library's own refusal.
    pub fn prompt(&self, prompt: impl Iterator<Item = char>) -> Result<Prompt, String> {
        let beginning = beginning(prompt, PROMPT_MOST, self.parts_chinese);
        let mut ids = self.text(&beginning)?.ids;
        if ids.len() > PROMPT_MAX_LENGTH {
            ids.truncate(PROMPT_MAX_LENGTH - 1);
            ids.push(self.sep);
        }
        let characters = beginning.chars().count();
        Ok(Prompt { ids, characters })
    }

    /// Entries of the vocabulary, one more than its highest id: a token that stands twice counts twice.
    pub fn vocabulary_size(&self) -> usize {
        self.size
    }
}

fn word_piece(vocabulary: &[(String, u32)]) -> Result<WordPiece, String> {
    let vocabulary: ahash::AHashMap<String, u32> = vocabulary.iter().cloned().collect();
    WordPiece::builder()
        .vocab(vocabulary)
        .unk_token("[UNK]".into())
        .continuing_subword_prefix("##".into())
        .max_input_chars_per_word(100)
        .build()
        .map_err(|error| error.to_string())
}

/// The lines of a vocabulary. Editors leave blank lines at the end and a mark at the start, which are no tokens.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines = text.trim_end_matches(['\n', '\r']).split('\n');
    lines.map(|line| line.strip_suffix('\r').unwrap_or(line))
}

/// As much of a text as its first `most` tokens, and one more, can come from.
///
/// It ends where the tokenizer parts words whatever stands on either side, behind so many words of which each is a token
/// at least. What may vanish or may join with its neighbours (marks, controls, symbols) counts as no word.
fn beginning(text: impl Iterator<Item = char>, most: usize, parts_chinese: bool) -> String {
    let mut beginning = String::new();
    let (mut words, mut is_in_word) = (0, false);
    for character in text {
        let is_alone = character.is_ascii_punctuation() && !matches!(character, '[' | ']')
            || parts_chinese && is_chinese(character);
        let is_space = matches!(character, ' ' | '\t' | '\n' | '\r');
        if words > most && (is_alone || is_space) {
            break;
        }
        if is_alone {
            words += 1;
        }
        let is_letter = character.is_ascii_alphanumeric();
        if is_letter && !is_in_word {
            words += 1;
        }
        is_in_word = !is_alone && !is_space && (is_letter || is_in_word);
        beginning.push(character);
    }
    beginning
}

/// The characters that BERT's tokenizer sets apart.
fn is_chinese(character: char) -> bool {
    matches!(u32::from(character),
        0x4E00..=0x9FFF | 0x3400..=0x4DBF | 0x20000..=0x2A6DF | 0x2A700..=0x2B73F | 0x2B740..=0x2B81F
        | 0x2B920..=0x2CEAF | 0xF900..=0xFAFF | 0x2F800..=0x2FA1F)
}

#[cfg(test)]
mod tests {
    use fastrand::Rng;

    use super::*;

    /// What joins, vanishes, or parts words in ways of its own.
    const PIECES: [&str; 30] = [
        "人",
        "物",
        "龘",
        "a",
        "1",
        "word",
        " ",
        "  ",
        ", ",
        ": ",
        "\u{300}",
        "\u{3099}",
        "\u{302e}",
        "\u{200b}",
        "\u{85}",
        "\u{3000}",
        "\u{fffd}",
        "😀",
        "👨‍👩‍👧",
        "각",
        "か",
        "İ",
        "≮",
        "[UNK]",
        "[CLS]",
        "[",
        "]",
        "[UN",
        "，",
        "\u{2028}",
    ];

    fn tokenizer(options: &Options) -> Tokenizer {
        let vocabulary = include_str!("../../tests/golden/tokenizer_vocab_21128.txt");
        Tokenizer::build(vocabulary, options).expect("the tokenizer")
    }

    /// Whole, and cut only then.
    fn slow(tokenizer: &Tokenizer, prompt: &str) -> Vec<i64> {
        let mut ids = tokenizer.text(prompt).expect("tokens").ids;
        if ids.len() > PROMPT_MAX_LENGTH {
            ids.truncate(PROMPT_MAX_LENGTH - 1);
            ids.push(tokenizer.sep);
        }
        ids
    }

    fn random_prompt(random: &mut Rng) -> String {
        // A few pieces only, so that some texts never part.
        let pieces: Vec<&str> = (0..random.usize(1..6))
            .map(|_| PIECES[random.usize(..PIECES.len())])
            .collect();
        let count = random.usize(..700);
        (0..count)
            .map(|_| pieces[random.usize(..pieces.len())])
            .collect()
    }

    #[test]
    fn a_cut_prompt_has_the_ids_of_the_whole() {
        for (lower, chinese, accents) in [
            (true, true, None),
            (false, true, None),
            (true, false, None),
            (true, true, Some(false)),
        ] {
            let tokenizer = tokenizer(&Options {
                do_lower_case: lower,
                tokenize_chinese_chars: chinese,
                strip_accents: accents,
            });
            let mut random = Rng::with_seed(1);
            for _ in 0..80 {
                let prompt = random_prompt(&mut random);
                let cut = tokenizer.prompt(prompt.chars()).expect("a prompt");
                assert_eq!(cut.ids, slow(&tokenizer, &prompt), "{prompt:?}");
            }
        }
    }

    #[test]
    fn what_cannot_matter_is_not_read() {
        let tokenizer = tokenizer(&Options::default());
        for (endless, most) in [("人物", 130), ("word ", 660), (", ", 260)] {
            let prompt = tokenizer.prompt(endless.chars().cycle()).expect("a prompt");
            assert_eq!(prompt.ids.len(), PROMPT_MAX_LENGTH);
            assert!(
                prompt.characters <= most,
                "{endless}: {}",
                prompt.characters
            );
        }
    }
}
