//! What was measured, as it was recorded.

use std::collections::BTreeMap;

use crate::project::{pattern, root};
use serde::Deserialize;

/// A run of one scenario.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    pub(super) scenario: String,
    pub(super) command: String,
    date: String,
    commit: String,
    machine: String,
    #[serde(default, rename = "quick")]
    _is_quick: bool,
    #[serde(default)]
    note: String,
    pub(super) facts: Vec<Fact>,
    pub(super) figures: serde_json::Map<String, serde_json::Value>,
    #[serde(default)]
    pub(super) tables: BTreeMap<String, Table>,
}

/// Something that must hold, and what was seen.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fact {
    pub(super) fact: String,
    pub(super) holds: bool,
    pub(super) seen: String,
}

/// Cells as they are shown.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Table {
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<Vec<String>>,
}

impl Record {
    /// Where it is from, in a line.
    pub(super) fn origin(&self) -> String {
        let Self {
            command,
            date,
            commit,
            machine,
            ..
        } = self;
        let origin = format!("`{command}`, {machine}, {date}, commit {commit}.");
        [origin, self.note.clone()].join(" ").trim_end().to_owned()
    }

    /// What was seen under a name, by the name's slug.
    fn seen(&self, slug: &str) -> Option<&str> {
        let facts = self.facts.iter().map(|it| (&it.fact, it.seen.as_str()));
        let figures = self.figures.iter().map(|(name, value)| (name, text(value)));
        facts
            .chain(figures)
            .find(|(name, _)| self::slug(name) == slug)
            .map(|(_, seen)| seen)
    }

    pub(super) fn check(&self, name: &str) {
        let is_date = pattern(r"^\d{4}-\d\d-\d\d$");
        let is_commit = pattern(r"^[0-9a-f]{7,}(-dirty)?$");
        assert!(is_date.is_match(&self.date), "{name}: date {:?}", self.date);
        assert!(
            is_commit.is_match(&self.commit),
            "{name}: commit {:?}",
            self.commit
        );
        assert!(!self.machine.is_empty(), "{name} has no machine");
        assert!(!self.command.is_empty(), "{name} has no command");
    }
}

/// Figures are text in a record: with their unit, as the run printed them.
pub(super) fn text(value: &serde_json::Value) -> &str {
    value.as_str().expect("a figure is a text")
}

/// `Python service, CPU a request` → `python-service-cpu-a-request`.
pub(super) fn slug(name: &str) -> String {
    let lower = name.to_lowercase();
    let words = lower.split(|it: char| !it.is_ascii_alphanumeric());
    words
        .filter(|it| !it.is_empty())
        .collect::<Vec<_>>()
        .join("-")
}

/// All of them, by the name of their file.
pub(super) struct Records(BTreeMap<String, Record>);

impl Records {
    pub(super) fn read() -> Self {
        let files = std::fs::read_dir(root().join("docs/figures")).expect("a folder");
        let record = |path: std::path::PathBuf| {
            let text = std::fs::read_to_string(&path).expect("readable");
            let record = serde_json::from_str(&text);
            let record = record.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let name = path.file_stem().expect("a name").display().to_string();
            (name, record)
        };
        Self(
            files
                .map(|it| record(it.expect("readable").path()))
                .collect(),
        )
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    pub(super) fn of(&self, name: &str) -> &Record {
        let record = self.0.get(name);
        record.unwrap_or_else(|| panic!("there is no docs/figures/{name}.json"))
    }

    /// The number that was seen: the first one, as `2.82` of `2.82 times, median of 3 repetitions`.
    pub(super) fn number(&self, name: &str, slug: &str) -> f64 {
        let record = self.of(name);
        let seen = record.seen(slug);
        let seen = seen.unwrap_or_else(|| panic!("docs/figures/{name}.json has no {slug}"));
        let number = pattern(r"-?\d+(\.\d+)?");
        let found = number.find(seen);
        let found =
            found.unwrap_or_else(|| panic!("{name}/{slug}: there is no number in {seen:?}"));
        found.as_str().parse().expect("a number")
    }
}
