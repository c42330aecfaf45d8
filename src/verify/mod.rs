//! Does the running thing keep what the stack promises? Facts → checks, each with its evidence.
//!
//! ```text
//! Stack + Facts ──check──▶ Checks ──render──▶ text, JSON, JUnit      pure; the facts come from `cluster::facts`
//! ```
//! What cannot be looked at is not proven, and so it failed: a check is skipped only where the stack promises nothing.

pub mod exposition;
mod facts;
pub mod render;
mod rules;

pub use facts::{Answer, Capabilities, Facts, Inspection, PodFacts, Process, Trial};

use serde::Serialize;

use crate::stack::Stack;

/// A promise and how it is looked at: everything about it in one value.
struct Rule {
    id: &'static str,
    /// What must hold.
    promise: &'static str,
    mend: &'static str,
    /// Whether it may come true by itself soon after an apply.
    settles: bool,
    look: fn(&Stack, &Facts) -> Look,
}

/// What a rule found.
enum Look {
    /// The stack promises nothing here, and why.
    NotPromised(&'static str),
    Seen(Vec<Evidence>),
}

/// What was asked of whom, and what was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Evidence {
    /// Kind and name of the object.
    pub of: String,
    /// The question.
    pub asked: String,
    /// The answer, or why there is none.
    pub seen: String,
    /// Whether the promise is kept there.
    pub holds: bool,
}

/// One promise, looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// By which scripts know it.
    pub id: &'static str,
    /// What must hold.
    pub promise: &'static str,
    /// What to do when it does not.
    pub mend: &'static str,
    /// How it ended.
    pub verdict: Verdict,
    /// What it was decided by.
    pub evidence: Vec<Evidence>,
    settles: bool,
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Everywhere as promised.
    Passed,
    /// Somewhere not, or it could not be looked at.
    Failed,
    /// Nothing is promised, and why.
    Skipped(&'static str),
}

impl Verdict {
    /// As it is printed.
    pub const fn word(self) -> &'static str {
        match self {
            Verdict::Passed => "passed",
            Verdict::Failed => "failed",
            Verdict::Skipped(_) => "skipped",
        }
    }
}

/// Looks at every promise, in the order in which one would by hand.
pub fn check(stack: &Stack, facts: &Facts) -> Vec<Check> {
    let checks = rules::RULES.iter().map(|rule| {
        let (verdict, evidence) = match (rule.look)(stack, facts) {
            Look::NotPromised(why) => (Verdict::Skipped(why), Vec::new()),
            Look::Seen(evidence) if evidence.iter().all(|one| one.holds) => {
                (Verdict::Passed, evidence)
            }
            Look::Seen(evidence) => (Verdict::Failed, evidence),
        };
        Check {
            id: rule.id,
            promise: rule.promise,
            mend: rule.mend,
            verdict,
            evidence,
            settles: rule.settles,
        }
    });
    checks.collect()
}

/// The ids of the checks that failed.
pub fn failed(checks: &[Check]) -> Vec<&'static str> {
    let failed = checks
        .iter()
        .filter(|check| check.verdict == Verdict::Failed);
    failed.map(|check| check.id).collect()
}

/// Whether everything that failed may come true by itself: only then is it worth to look again. While pods still come,
/// nothing that they tell is final.
pub fn may_settle(checks: &[Check]) -> bool {
    let has_failed = |check: &&Check| check.verdict == Verdict::Failed;
    let is_rolling = checks
        .iter()
        .find(has_failed)
        .is_some_and(|first| first.id == rules::ROLLOUT);
    is_rolling || checks.iter().filter(has_failed).all(|check| check.settles)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique() {
        let mut ids: Vec<&str> = rules::RULES.iter().map(|rule| rule.id).collect();
        ids.sort_unstable();
        assert!(ids.windows(2).all(|pair| pair[0] != pair[1]), "{ids:?}");
    }
}
