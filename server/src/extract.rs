//! A schema over a text → paths of entities: the reference's recursion, over whatever scores hints.

use serde::Serialize;

use crate::decode::{Entity, Logits, decode, merge};
use crate::schema::Schema;
use crate::tokenizer::Tokens;

/// One step of a path. The order of the fields is the order of the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// The type as it was asked for.
    #[serde(rename = "type")]
    pub kind: String,
    /// The text found.
    pub span: String,
    /// First code point, and the one behind the last.
    pub offset: [usize; 2],
}

/// Scores hints over one text.
pub trait Scorer {
    /// Why scoring failed.
    type Error;

    /// For each hint the logits of each window of the text.
    ///
    /// # Errors
    /// Whatever keeps the model from answering.
    fn score(&mut self, hints: &[String]) -> Result<Vec<Vec<Logits>>, Self::Error>;
}

/// Why an extraction ended early.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExtractError<E> {
    /// The schema's questions multiplied beyond the bound.
    #[error(
        "the schema asks more than {limit} questions of this text: each entity of one level asks all types of the next"
    )]
    TooManyHints {
        /// The bound.
        limit: usize,
    },
    /// The model failed.
    #[error(transparent)]
    Scorer(E),
}

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The text in code points.
    pub text: &'a [char],
    /// Its tokens.
    pub tokens: &'a Tokens,
    /// Whether paths that end early are given too.
    pub output_all_prefix: bool,
    /// Hints at most, over all levels.
    pub hint_limit: usize,
}

/// Finds all paths, depth first: all entities of a level come from one call, in the order of the schema and then of
/// the text.
///
/// # Errors
/// [`ExtractError`]
pub fn extract<S: Scorer>(
    question: &Question<'_>,
    schema: &Schema,
    scorer: &mut S,
) -> Result<Vec<Vec<Step>>, ExtractError<S::Error>> {
    let mut walk = Walk {
        question,
        scorer,
        hints: 0,
        output: Vec::new(),
    };
    walk.level(&[], schema)?;
    Ok(walk.output)
}

struct Walk<'a, S> {
    question: &'a Question<'a>,
    scorer: &'a mut S,
    hints: usize,
    output: Vec<Vec<Step>>,
}

impl<S: Scorer> Walk<'_, S> {
    fn level(&mut self, prefix: &[Step], schema: &Schema) -> Result<(), ExtractError<S::Error>> {
        let entities = self.entities(prefix, schema)?;
        for ((kind, nested), found) in schema.types.iter().zip(entities) {
            for entity in found {
                let mut path = prefix.to_vec();
                path.push(Step {
                    kind: kind.clone(),
                    span: entity.span,
                    offset: entity.offset,
                });
                match nested {
                    None => self.output.push(path),
                    Some(nested) => {
                        if self.question.output_all_prefix {
                            self.output.push(path.clone());
                        }
                        self.level(&path, nested)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn entities(
        &mut self,
        prefix: &[Step],
        schema: &Schema,
    ) -> Result<Vec<Vec<Entity>>, ExtractError<S::Error>> {
        let hints: Vec<String> = schema
            .types
            .iter()
            .map(|(kind, _)| hint(prefix, kind))
            .collect();
        self.hints += hints.len();
        if self.hints > self.question.hint_limit {
            return Err(ExtractError::TooManyHints {
                limit: self.question.hint_limit,
            });
        }
        let scores = self.scorer.score(&hints).map_err(ExtractError::Scorer)?;
        let Question { text, tokens, .. } = self.question;
        Ok(scores
            .iter()
            .map(|windows| decode(&merge(windows, tokens.ids.len()), &tokens.offsets, text))
            .collect())
    }
}

/// `type₁: span₁, type₂: span₂, type: `
pub fn hint(prefix: &[Step], kind: &str) -> String {
    let mut hint = String::new();
    for step in prefix {
        hint.push_str(&format!("{}: {}, ", step.kind, step.span));
    }
    hint + kind + ": "
}
