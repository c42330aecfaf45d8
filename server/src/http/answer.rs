//! An answer's bytes: put together off the threads that answer others, up to a bound, and not for a caller that left.

use std::io::{self, Write};

use serde::Serialize;

use super::request::{Offsets, Question, View};
use crate::extract::Step;
use crate::view::{self, Group};
use crate::worker::{ANSWER_LIMIT, Allowance, PredictError, Prediction};

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Answer<'a> {
    Output(&'a Arranged<'a>),
    Outputs(&'a [Arranged<'a>]),
}

#[derive(Serialize)]
#[serde(untagged)]
enum Arranged<'a> {
    Paths(&'a [Vec<Step>]),
    Grouped(Group<'a>),
}

/// The answer as JSON.
///
/// # Errors
/// When it has more bytes than an answer may have, or the caller left.
pub(super) fn json(
    question: &Question,
    mut predictions: Vec<Prediction>,
    allowance: &Allowance,
) -> Result<Vec<u8>, PredictError> {
    if question.offsets == Offsets::Utf16 {
        for (text, prediction) in question.texts.iter().zip(&mut predictions) {
            view::in_utf16(text, &mut prediction.output);
        }
    }
    let arranged = |prediction| arranged(question.view, prediction);
    let outputs: Vec<Arranged<'_>> = predictions.iter().map(arranged).collect();
    let answer = match outputs.as_slice() {
        [output] if !question.is_batch => Answer::Output(output),
        outputs => Answer::Outputs(outputs),
    };
    let mut bytes = Bounded {
        bytes: Vec::new(),
        allowance,
    };
    serde_json::to_writer(&mut bytes, &answer).map_err(|_| PredictError::AnswerTooLarge)?;
    Ok(bytes.bytes)
}

fn arranged(view: View, prediction: &Prediction) -> Arranged<'_> {
    match view {
        View::Paths => Arranged::Paths(&prediction.output),
        View::Grouped => Arranged::Grouped(view::grouped(&prediction.output)),
    }
}

/// Bytes up to the bound: what an output takes was only estimated, since characters may be escaped.
struct Bounded<'a> {
    bytes: Vec<u8>,
    allowance: &'a Allowance,
}

impl Write for Bounded<'_> {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + piece.len() > ANSWER_LIMIT || self.allowance.is_left() {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(piece);
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn question(rest: &str) -> Question {
        let body = format!(r#"{{"schema": {{"人物": null}}, {rest}}}"#);
        Question::parse(body.as_bytes(), 100).expect("a question")
    }

    fn prediction(spans: &[&str]) -> Prediction {
        let step = |(at, span): (usize, &&str)| Step {
            kind: "人物".into(),
            span: (*span).into(),
            offset: [at, at + 1],
            score: None,
        };
        Prediction {
            output: spans
                .iter()
                .enumerate()
                .map(|found| vec![step(found)])
                .collect(),
            passes: 0,
            tokens: 0,
            queued: Duration::ZERO,
            computed: Duration::ZERO,
        }
    }

    fn written(rest: &str, predictions: Vec<Prediction>) -> String {
        let bytes = json(&question(rest), predictions, &Allowance::default());
        String::from_utf8(bytes.expect("an answer")).expect("UTF-8")
    }

    #[test]
    fn one_text_has_an_output_and_several_have_outputs() {
        assert_eq!(
            written(r#""text": "雷""#, vec![prediction(&["雷"])]),
            r#"{"output":[[{"type":"人物","span":"雷","offset":[0,1]}]]}"#
        );
        assert_eq!(
            written(
                r#""texts": ["雷"], "view": "grouped""#,
                vec![prediction(&["雷"])]
            ),
            r#"{"outputs":[{"人物":[{"span":"雷","offset":[0,1]}]}]}"#
        );
        assert_eq!(
            written(
                r#""texts": ["😀雷", ""], "offsets": "utf-16""#,
                vec![prediction(&["", "雷"]), prediction(&[])]
            ),
            r#"{"outputs":[[[{"type":"人物","span":"","offset":[0,2]}],[{"type":"人物","span":"雷","offset":[2,3]}]],[]]}"#
        );
    }

    /// Each character becomes six bytes.
    #[test]
    fn what_escapes_make_too_long_is_refused() {
        let span = "\u{1}".repeat(ANSWER_LIMIT / 5);
        for view in ["paths", "grouped"] {
            let question = question(&format!(r#""text": "x", "view": "{view}""#));
            let refused = json(&question, vec![prediction(&[&span])], &Allowance::default());
            assert!(matches!(refused, Err(PredictError::AnswerTooLarge)));
        }
    }

    #[test]
    fn a_caller_that_left_gets_no_bytes() {
        let allowance = Allowance::default();
        allowance.leave();
        let written = json(
            &question(r#""text": "x""#),
            vec![prediction(&["x"])],
            &allowance,
        );
        assert!(written.is_err());
    }
}
