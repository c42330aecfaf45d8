//! Does the running thing keep what the stack promises? Facts → checks, each with its evidence.
//!
//! ```text
//! Stack + Facts ──check──▶ Checks ──render──▶ text, JSON, JUnit      pure; the facts come from `cluster::facts`
//! ```
//! The rules are those of `crate::rules`: over what runs, and over the live objects and each pod as it was admitted.
//! What cannot be checked is not proven, and so it failed: a check is skipped only where the stack promises nothing.

pub mod render;

use serde_json::Value;
use toml::value::Date;

use crate::rules::{self, At, Fields, Look, Objects, Pod, Rule, Severity, Spot, Waived};
pub use crate::rules::{
    Answer, Capabilities, Evidence, Inspection, PodFacts, Process, Running as Facts, Trial,
};
use crate::stack::Stack;

/// One promise, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// By which scripts know it.
    pub id: &'static str,
    /// What must hold.
    pub promise: &'static str,
    /// What to do when it does not hold.
    pub fix: &'static str,
    /// How it ended.
    pub verdict: Verdict,
    /// What it was decided by.
    pub evidence: Vec<Evidence>,
    settles: bool,
}

/// How a check ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Everywhere as promised.
    Passed,
    /// Somewhere not, or it could not be checked.
    Failed,
    /// Nothing is promised, and why.
    Skipped(&'static str),
    /// Not as promised, and a waiver of the stack accepts it.
    Waived(Waived),
}

impl Verdict {
    /// As it is printed.
    pub const fn word(&self) -> &'static str {
        match self {
            Verdict::Passed => "passed",
            Verdict::Failed => "failed",
            Verdict::Skipped(_) => "skipped",
            Verdict::Waived(_) => "waived",
        }
    }
}

/// Looks at every promise, in the order in which one would by hand. `today` decides which waivers hold.
pub fn check(stack: &Stack, facts: &Facts, today: Date) -> Vec<Check> {
    let pods = facts.pods.iter();
    let pods: Vec<Value> = pods
        .map(|pod| serde_json::to_value(&pod.pod).unwrap_or_default())
        .collect();
    let pods: Vec<Pod> = pods.iter().map(Pod::running).collect();
    let live = [
        &facts.deployment,
        &facts.settings,
        &facts.budget,
        &facts.autoscaler,
    ];
    let mut live = Objects::of_stack(live.into_iter().flatten().collect());
    live.is_live = true;
    let checks = rules::all().filter_map(|rule| {
        let (verdict, evidence, settles) = judged(rule, stack, facts, &pods, &live)?;
        let waived = rule.waived(&stack.gate.allow, today);
        let verdict = match (verdict, waived) {
            (Verdict::Failed, Some(waived)) => Verdict::Waived(waived),
            (verdict, _) => verdict,
        };
        Some(Check {
            id: rule.id,
            promise: rule.title,
            fix: rule.fix,
            verdict,
            evidence,
            settles,
        })
    });
    checks.collect()
}

/// `None` where no check is of what runs, and the objects are as they should be or no error.
fn judged(
    rule: &Rule,
    stack: &Stack,
    facts: &Facts,
    pods: &[Pod],
    live: &Objects,
) -> Option<(Verdict, Vec<Evidence>, bool)> {
    let mut found = Vec::new();
    let mut running = None;
    for check in rule.checks {
        match check {
            rules::Check::Pod(find) => {
                found.extend(pods.iter().flat_map(find).map(evidence));
            }
            rules::Check::Objects(find) => found.extend(find(live).into_iter().map(evidence)),
            rules::Check::Running(look) => running = Some((look(stack, facts), false)),
            rules::Check::Settling(look) => running = Some((look(stack, facts), true)),
            rules::Check::Planned(_) | rules::Check::Waivers(_) | rules::Check::Files(_) => (),
        }
    }
    match running {
        None if found.is_empty() || rule.severity != Severity::Error => None,
        None => Some((Verdict::Failed, found, false)),
        Some((Look::NotPromised(why), settles)) if found.is_empty() => {
            Some((Verdict::Skipped(why), found, settles))
        }
        Some((Look::NotPromised(_), _)) => Some((Verdict::Failed, found, false)),
        Some((Look::Seen(mut seen), settles)) => {
            let settles = settles && found.is_empty();
            seen.extend(found);
            let verdict = match seen.iter().all(|one| one.holds) {
                true => Verdict::Passed,
                false => Verdict::Failed,
            };
            Some((verdict, seen, settles))
        }
    }
}

/// What a rule over objects found, as what is seen of the object.
fn evidence(spot: Spot) -> Evidence {
    let field = spot.at.iter().find_map(|at| match at {
        At::Field(object, pointer) => Some((object.id(), object.path(pointer))),
        At::Line(_) => None,
    });
    let (of, asked) = field.unwrap_or_default();
    Evidence {
        of,
        asked,
        seen: spot.what,
        holds: false,
    }
}

/// The ids of the checks that failed.
pub fn failed(checks: &[Check]) -> Vec<&'static str> {
    let failed = checks
        .iter()
        .filter(|check| check.verdict == Verdict::Failed);
    failed.map(|check| check.id).collect()
}

/// Whether everything that failed may come true by itself: only then is it worth another look. While pods still come,
/// nothing that they report is final.
pub fn may_settle(checks: &[Check]) -> bool {
    let has_failed = |check: &&Check| check.verdict == Verdict::Failed;
    let is_rolling = checks
        .iter()
        .find(has_failed)
        .is_some_and(|first| first.id == rules::ROLLOUT);
    is_rolling || checks.iter().filter(has_failed).all(|check| check.settles)
}
