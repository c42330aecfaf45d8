//! What a rule is: its words, its checks, and where they find something.

use serde_json::Value;
use toml::value::Date;
use uninlu_helm_template::Place;
use uninlu_stack::{Severity, Stack, Waiver};

use super::files::Files;
use super::objects::{Objects, Pod, called};
use super::planned::{Subject, Verdict};
use super::running::{Facts as Running, Look};
use super::waivers::{Waived, accepted};

/// A rule: everything about it in one value. Its page is `docs/rules/ID.md`.
pub struct Rule {
    /// By which findings and waivers name it.
    pub id: &'static str,
    /// Earlier ids, which waivers may still name. Several rules share one where a rule was divided.
    pub aliases: &'static [&'static str],
    /// How bad its findings are.
    pub severity: Severity,
    /// What must hold, in a few words.
    pub title: &'static str,
    /// Why it matters.
    pub why: &'static str,
    /// What to do.
    pub fix: &'static str,
    /// The stack's keys that may be the cause, likeliest first; none where the field that is found decides.
    pub keys: &'static [&'static str],
    /// How it is checked, by what that needs.
    pub checks: &'static [Check],
}

/// Whether an id is a rule's.
pub(super) type IsKnown = fn(&str) -> bool;

/// A look at what a rule is about. What it needs decides who runs it.
pub enum Check {
    /// A pod's `spec`: gate and import run it on the Deployment, verify on each pod as it was admitted.
    Pod(for<'a> fn(&Pod<'a>) -> Vec<Spot<'a>>),
    /// The objects of one service: gate, import, and verify on those that are live.
    Objects(for<'a> fn(&Objects<'a>) -> Vec<Spot<'a>>),
    /// The stack, its plan, and what is known around them: gate.
    Planned(fn(&Subject) -> Verdict),
    /// The stack's waivers, and whether an id is a rule's: gate.
    Waivers(fn(&Subject, IsKnown) -> Verdict),
    /// The files beside the objects: import.
    Files(for<'a> fn(&Files<'a>) -> Vec<Spot<'a>>),
    /// What runs: verify.
    Running(fn(&Stack, &Running) -> Look),
    /// The same of what may come true by itself soon after an apply.
    Settling(fn(&Stack, &Running) -> Look),
}

/// Where a rule found something, and what.
#[derive(Debug, Clone, PartialEq)]
pub struct Spot<'a> {
    /// The field or line; more where several contradict each other.
    pub at: Vec<At<'a>>,
    /// What is found.
    pub what: String,
}

/// A place.
#[derive(Debug, Clone, PartialEq)]
pub enum At<'a> {
    /// An object, and a JSON pointer in it.
    Field(&'a Value, String),
    /// A line of a file.
    Line(Place),
}

impl<'a> Spot<'a> {
    /// In a field of an object.
    pub(crate) fn at(object: &'a Value, pointer: &str, what: impl Into<String>) -> Self {
        Self {
            at: vec![At::Field(object, pointer.to_owned())],
            what: what.into(),
        }
    }

    /// In a field of an object, if it is wrong.
    pub(super) fn when(
        is_wrong: bool,
        object: &'a Value,
        pointer: &str,
        what: impl Into<String>,
    ) -> Vec<Self> {
        let spot = is_wrong.then(|| Self::at(object, pointer, what));
        spot.into_iter().collect()
    }

    /// In a line of a file.
    pub(super) fn in_file(file: &str, line: usize, what: impl Into<String>) -> Self {
        let line = Place {
            file: file.to_owned(),
            line,
        };
        Self {
            at: vec![At::Line(line)],
            what: what.into(),
        }
    }

    /// In each container of which something is found: at that field, said of the container by its name.
    pub(super) fn in_containers<I>(pod: &Pod<'a>, find: impl Fn(&str, &'a Value) -> I) -> Vec<Self>
    where
        I: IntoIterator<Item = (String, String)>,
    {
        let mut spots = Vec::new();
        for (at, container) in pod.containers() {
            let found = find(&at, container).into_iter();
            spots.extend(found.map(|(pointer, what)| {
                Self::at(
                    pod.object,
                    &pointer,
                    format!("{} {what}", called(container)),
                )
            }));
        }
        spots
    }

    pub(super) fn and(mut self, object: &'a Value, pointer: &str) -> Self {
        self.at.push(At::Field(object, pointer.to_owned()));
        self
    }
}

impl Rule {
    /// What most rules have whose findings are errors: no earlier id, and no keys of their own. The rest is each
    /// rule's to say.
    pub(super) const ERROR: Rule = Rule {
        id: "",
        aliases: &[],
        severity: Severity::Error,
        title: "",
        why: "",
        fix: "",
        keys: &[],
        checks: &[],
    };

    /// The same for a rule whose findings are warnings.
    pub(super) const WARNING: Rule = Rule {
        severity: Severity::Warning,
        ..Rule::ERROR
    };

    /// Whether a waiver or a reader that says `id` means this rule.
    pub fn is_called(&self, id: &str) -> bool {
        self.id == id || self.aliases.contains(&id)
    }

    /// The waiver that accepts its findings on that day.
    pub fn waived(&self, waivers: &[Waiver], today: Date) -> Option<Waived> {
        accepted(waivers, today, |id| self.is_called(id))
    }

    /// Its page in the project.
    pub fn page(&self) -> String {
        format!("docs/rules/{}.md", self.id)
    }

    /// Whether the gate runs it.
    pub fn is_of_gate(&self) -> bool {
        let is_it = |check: &Check| {
            matches!(
                check,
                Check::Pod(_) | Check::Objects(_) | Check::Planned(_) | Check::Waivers(_)
            )
        };
        self.checks.iter().any(is_it)
    }
}
