//! BERT's tokenizer as the reference uses it: the same for texts and hints.

use std::path::Path;

use serde::Deserialize;
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::bert::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::processors::bert::BertProcessing;
use tokenizers::{AddedToken, Tokenizer as HuggingFace};

use crate::config::ModelError;
use crate::files;

/// Tokens of a hint at most, `[CLS]` and `[SEP]` included; a longer one loses its tail.
pub const HINT_MAX_LENGTH: usize = 128;

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
        Self::build(&text, &options).map_err(|fault| ModelError::malformed(&file, fault))
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
        let model = WordPiece::builder()
            .vocab(
                vocabulary
                    .iter()
                    .cloned()
                    .collect::<ahash::AHashMap<_, _>>(),
            )
            .unk_token("[UNK]".into())
            .continuing_subword_prefix("##".into())
            .max_input_chars_per_word(100)
            .build()
            .map_err(|error| error.to_string())?;
        let mut inner = HuggingFace::new(model);
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

    /// Tokenizes a hint, cut to [`HINT_MAX_LENGTH`] tokens as the reference cuts it: the tail goes, `[SEP]` stays.
    ///
    /// # Errors
    /// The library's own refusal.
    pub fn hint(&self, hint: &str) -> Result<Vec<i64>, String> {
        let mut ids = self.text(hint)?.ids;
        if ids.len() > HINT_MAX_LENGTH {
            ids.truncate(HINT_MAX_LENGTH - 1);
            ids.push(self.sep);
        }
        Ok(ids)
    }

    /// Entries of the vocabulary, one more than its highest id: a token that stands twice counts twice.
    pub fn vocabulary_size(&self) -> usize {
        self.size
    }
}

/// The lines of a vocabulary. Editors leave blank lines at the end and a mark at the start, which are no tokens.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines = text.trim_end_matches(['\n', '\r']).split('\n');
    lines.map(|line| line.strip_suffix('\r').unwrap_or(line))
}
