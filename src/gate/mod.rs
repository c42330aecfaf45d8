//! Rules over a valid stack, what it renders, and what is known around it: what Kubernetes would accept and people would
//! regret. Pure; every plan tells the findings, and `uninlu gate` refuses by them.

mod cost;
mod own;
pub mod report;
mod rules;
pub mod secrets;
mod subject;

use serde::Serialize;
use serde_json::Value;
use toml::value::Date;

use crate::kinds::{Desired, Kind};

pub use crate::stack::Severity;
use crate::stack::{OwnRule, Waiver};
pub use subject::{Access, Cluster, Exposed, Facts, Listing, ModelFile, Subject, Version};

/// One rule's verdict on one matter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Id of the rule, by which a waiver names it.
    pub rule: String,
    /// How bad it is.
    pub severity: Severity,
    /// The keys of the stack file that may be its cause, as dotted paths, likeliest first.
    pub keys: Vec<String>,
    /// What is found.
    pub message: String,
    /// Why it matters.
    pub why: String,
    /// What to do.
    pub mend: String,
    /// Where it stands, once somebody has looked it up. `None` where the keys have their defaults.
    pub place: Option<Place>,
    /// The waiver that accepts it.
    pub waived: Option<Waived>,
}

/// A key of the stack file and its line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Place {
    /// Dotted path.
    pub key: String,
    /// Counted from 1.
    pub line: usize,
}

/// Why a finding is accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Waived {
    /// In its owner's words.
    pub reason: String,
    /// Last day, `2027-01-01`; `None` without an end.
    pub until: Option<String>,
}

/// What a rule could not look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Unknown {
    /// Id of the rule.
    pub rule: String,
    /// Why.
    pub reason: String,
}

/// What all rules say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Verdicts {
    /// In the order of the rules.
    pub findings: Vec<Finding>,
    /// What was not looked at; no reason to refuse.
    pub unknown: Vec<Unknown>,
}

impl Verdicts {
    /// Findings of that severity that nothing accepts.
    pub fn count(&self, severity: Severity) -> usize {
        let counts = |finding: &&Finding| finding.severity == severity && finding.waived.is_none();
        self.findings.iter().filter(counts).count()
    }

    /// Notes where each finding stands, as `find` knows of its keys: the first that is written, and its line.
    pub fn locate(&mut self, find: impl for<'k> Fn(&[&'k str]) -> Option<(&'k str, usize)>) {
        for finding in &mut self.findings {
            let keys: Vec<&str> = finding.keys.iter().map(String::as_str).collect();
            finding.place = find(&keys).map(|(key, line)| Place {
                key: key.to_owned(),
                line,
            });
        }
    }

    /// Whether the gate stays closed: for an error, and if `strict` for a warning too.
    pub fn refuse(&self, strict: bool) -> bool {
        self.count(Severity::Error) > 0 || strict && self.count(Severity::Warning) > 0
    }
}

/// A rule: everything about it in one value. Its page is `docs/rules/ID.md`.
pub struct Rule {
    /// By which findings and waivers name it.
    pub id: &'static str,
    /// How bad its findings are.
    pub severity: Severity,
    /// What it looks at, in a few words.
    pub title: &'static str,
    /// Why it matters.
    pub why: &'static str,
    /// What to do.
    pub mend: &'static str,
    /// The keys that may be the cause, likeliest first.
    pub keys: &'static [&'static str],
    pub(crate) check: fn(&Subject) -> Verdict,
}

/// What a rule found, and what it could not look at.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    found: Vec<Found>,
    unknown: Option<String>,
}

#[derive(Debug)]
pub(crate) struct Found {
    message: String,
    /// More exact than the rule's own.
    key: Option<String>,
}

impl Verdict {
    pub(crate) fn unknown(reason: impl Into<String>) -> Self {
        Self {
            found: Vec::new(),
            unknown: Some(reason.into()),
        }
    }

    /// Findings, each with the key that it is about.
    pub(crate) fn at(found: impl IntoIterator<Item = (String, String)>) -> Self {
        let found = found.into_iter().map(|(key, message)| Found {
            message,
            key: Some(key),
        });
        Self {
            found: found.collect(),
            unknown: None,
        }
    }
}

impl FromIterator<String> for Verdict {
    fn from_iter<I: IntoIterator<Item = String>>(messages: I) -> Self {
        let found = messages
            .into_iter()
            .map(|message| Found { message, key: None });
        Self {
            found: found.collect(),
            unknown: None,
        }
    }
}

impl From<Option<String>> for Verdict {
    fn from(message: Option<String>) -> Self {
        message.into_iter().collect()
    }
}

/// Why rules that need a cluster say nothing without one.
pub const UNASKED: &str = "no cluster was asked (--offline)";

/// Every rule that is built in, in the order in which findings are told.
pub fn rules() -> impl Iterator<Item = &'static Rule> {
    rules::FAMILIES.iter().copied().flatten()
}

/// Their ids.
pub fn ids() -> impl Iterator<Item = &'static str> {
    rules().map(|rule| rule.id)
}

/// Applies every rule in its order, then the stack's own.
pub fn check(subject: &Subject) -> Verdicts {
    let mut verdicts = Verdicts::default();
    for rule in rules() {
        let verdict = (rule.check)(subject);
        verdicts.add(subject, rule, verdict);
    }
    own::check(subject, &mut verdicts);
    verdicts
}

/// What the rules over pods refuse of objects that no stack file stands for (an earlier release): `rule: finding`. No
/// waiver accepts it, since nothing that is rendered needs one.
pub fn refuse_pods(objects: &Desired) -> Vec<String> {
    let mut deployments = objects.iter().filter(|(id, _)| id.kind == Kind::Deployment);
    let pod = deployments
        .next()
        .map(|(_, body)| &body["spec"]["template"]["spec"]);
    let verdicts = rules::of_pod(pod.unwrap_or(&Value::Null)).into_iter();
    let of_rule = |(rule, verdict): (&str, Verdict)| {
        let found = verdict.found.into_iter();
        let words = found.map(|found| format!("{rule}: {}", found.message));
        words.collect::<Vec<_>>()
    };
    verdicts.flat_map(of_rule).collect()
}

impl Verdicts {
    fn add(&mut self, subject: &Subject, rule: &Rule, verdict: Verdict) {
        for found in verdict.found {
            let keys = rule.keys.iter().map(|key| (*key).to_owned());
            self.findings.push(Finding {
                rule: rule.id.to_owned(),
                severity: rule.severity,
                keys: found.key.into_iter().chain(keys).collect(),
                message: found.message,
                why: rule.why.to_owned(),
                mend: rule.mend.to_owned(),
                place: None,
                waived: waiver(subject, rule.id),
            });
        }
        self.unknown.extend(verdict.unknown.map(|reason| Unknown {
            rule: rule.id.to_owned(),
            reason,
        }));
    }

    fn add_own(&mut self, subject: &Subject, index: usize, rule: &OwnRule, found: own::Found) {
        let (severity, message) = match found {
            own::Found::Broken(message) => (rule.severity, message),
            // A rule that does not run guards nothing, however mild it was meant.
            own::Found::Failed(message) => (Severity::Error, message),
        };
        self.findings.push(Finding {
            rule: rule.id.clone(),
            severity,
            keys: vec![format!("gate.rule.{index}")],
            message,
            why: format!("this stack's own rule: {}", rule.expression),
            mend: "change the keys that set it, or the rule".to_owned(),
            place: None,
            waived: waiver(subject, &rule.id),
        });
    }
}

/// The waiver that accepts the rule's findings today.
fn waiver(subject: &Subject, rule: &str) -> Option<Waived> {
    let mut waivers = subject.stack.gate.allow.iter();
    let waiver = waivers.find(|waiver| waiver.rule == rule && holds(waiver, subject.today))?;
    Some(Waived {
        reason: waiver.reason.clone(),
        until: waiver.until.map(|until| until.to_string()),
    })
}

fn holds(waiver: &Waiver, today: Date) -> bool {
    let key = |date: Date| (date.year, date.month, date.day);
    waiver.until.is_none_or(|until| key(today) <= key(until))
}

/// The present day in UTC: the only clock here, read by the commands.
pub fn today() -> Date {
    let today = jiff::Timestamp::now()
        .to_zoned(jiff::tz::TimeZone::UTC)
        .date();
    Date {
        year: today.year().unsigned_abs(),
        month: today.month().unsigned_abs(),
        day: today.day().unsigned_abs(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique() {
        let mut ids: Vec<&str> = ids().collect();
        ids.sort_unstable();
        assert!(ids.windows(2).all(|pair| pair[0] != pair[1]), "{ids:?}");
    }

    #[test]
    fn a_waiver_holds_up_to_its_last_day() {
        let date = |year, month, day| Date { year, month, day };
        let waiver = Waiver {
            rule: "single-replica".into(),
            reason: "a test".into(),
            until: Some(date(2026, 12, 31)),
        };
        assert!(holds(&waiver, date(2026, 12, 31)));
        assert!(!holds(&waiver, date(2027, 1, 1)));
    }
}
