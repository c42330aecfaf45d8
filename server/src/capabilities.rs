//! `capabilities.json` of a model folder: the tasks that the model is trained for, which its weights cannot say.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::files;

const FILE: &str = "capabilities.json";

/// A task of the model's card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Task {
    /// Named entity recognition.
    NamedEntityRecognition,
    /// Relation extraction.
    RelationExtraction,
    /// Event extraction.
    EventExtraction,
    /// Aspect-based sentiment.
    AspectSentiment,
    /// Coreference resolution.
    CoreferenceResolution,
    /// Sentiment classification.
    SentimentClassification,
    /// Text classification.
    TextClassification,
    /// Text matching.
    TextMatching,
    /// Natural language inference.
    NaturalLanguageInference,
    /// Multiple-choice reading comprehension.
    MultipleChoice,
    /// Extractive reading comprehension.
    ReadingComprehension,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Capabilities {
    tasks: Vec<Task>,
}

/// The tasks; none where the folder does not say. Only the page and `/info` show them, so a file that cannot be used is a
/// warning.
pub(crate) fn read(folder: &Path) -> Option<Vec<Task>> {
    let file = folder.join(FILE);
    if !files::stands(&file) {
        return None;
    }
    let parsed = files::read(&file)
        .map_err(|error| error.to_string())
        .and_then(|bytes| parse(&bytes).map_err(|error| error.to_string()));
    parsed
        .inspect_err(|reason| {
            tracing::warn!(file = FILE, reason, "the tasks of the model are not known")
        })
        .ok()
}

fn parse(bytes: &[u8]) -> Result<Vec<Task>, serde_json::Error> {
    serde_json::from_slice(bytes).map(|it: Capabilities| it.tasks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_are_named_as_in_the_documentation() {
        let bytes = br#"{"tasks": ["named-entity-recognition", "text-matching"]}"#;
        let tasks = parse(bytes).expect("valid");
        assert_eq!(tasks, [Task::NamedEntityRecognition, Task::TextMatching]);
    }

    #[test]
    fn a_folder_may_say_nothing_and_a_wrong_file_is_no_list() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(read(folder.path()), None);
        for wrong in [
            "",
            "[]",
            "{}",
            r#"{"tasks": ["cooking"]}"#,
            r#"{"tasks": [], "more": 1}"#,
        ] {
            std::fs::write(folder.path().join(FILE), wrong).expect("writable");
            assert_eq!(read(folder.path()), None, "{wrong}");
        }
        std::fs::write(folder.path().join(FILE), r#"{"tasks": []}"#).expect("writable");
        assert_eq!(read(folder.path()), Some(Vec::new()));
    }
}
