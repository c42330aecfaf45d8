//! Rules over a valid stack, what it renders, and what is known around it: what Kubernetes would accept and people would
//! regret. Pure; every plan shows the findings, and `uninlu gate` refuses by them.

mod cost;
mod own;
pub mod report;

use serde::Serialize;
use toml::value::Date;

use crate::kinds::{self, Desired, Kind};
use crate::rules::{self, At, Check, Fields, Found, Pod, Rule, Spot, Verdict, accepted};
pub use crate::rules::{
    Access, Cluster, Exposed, Facts, Listing, ModelFile, Severity, Subject, UNASKED, Version,
    Waived, secret_forms as secrets,
};
use crate::stack::OwnRule;

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
    pub fix: String,
    /// Where it is written, once [`Verdicts::locate`] has looked. `None` where the keys have their defaults.
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

/// A rule that could not be checked.
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
    /// What was skipped; no reason to refuse.
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

/// Every rule that the gate runs, in the order in which findings are shown.
pub fn rules() -> impl Iterator<Item = &'static Rule> {
    rules::all().filter(|rule| rule.is_of_gate())
}

/// Applies every rule in its order, then the stack's own.
pub fn check(subject: &Subject) -> Verdicts {
    let objects = subject.objects();
    let mut verdicts = Verdicts::default();
    for rule in rules() {
        for check in rule.checks {
            match check {
                Check::Pod(find) => verdicts.add_spots(subject, rule, find(&objects.pod)),
                Check::Objects(find) => verdicts.add_spots(subject, rule, find(&objects)),
                Check::Planned(look) => verdicts.add_verdict(subject, rule, look(subject)),
                Check::Waivers(look) => {
                    verdicts.add_verdict(subject, rule, look(subject, rules::is_known));
                }
                Check::Files(_) | Check::Running(_) | Check::Settling(_) => (),
            }
        }
    }
    own::check(subject, &mut verdicts);
    verdicts
}

/// What the rules over pods refuse of objects that no stack file stands for (an earlier release): `rule: finding`.
pub fn refuse_pods(objects: &Desired) -> Vec<String> {
    let mut deployments = objects.iter().filter(|(id, _)| id.kind == Kind::Deployment);
    let deployment = deployments.next().map(|(_, body)| body);
    deployment.map_or_else(Vec::new, |body| {
        rules::refuse_pod(&Pod::of_deployment(body))
    })
}

/// Most findings are about the Deployment; others name their object.
fn message(spot: &Spot) -> String {
    match spot.at.first() {
        Some(At::Field(object, _)) if object.kind() != Kind::Deployment.name() => {
            format!("{}: {}", object.id(), spot.what)
        }
        _ => spot.what.clone(),
    }
}

/// The keys that set the field where something is found.
fn keys(spot: &Spot) -> Vec<String> {
    let fields = spot.at.iter().filter_map(|at| match at {
        At::Field(object, pointer) => Some((Kind::by_name(object.kind())?, object.path(pointer))),
        At::Line(_) => None,
    });
    let keys = fields.flat_map(|(kind, path)| kinds::causes(kind, &path));
    keys.map(|key| (*key).to_owned()).collect()
}

impl Verdicts {
    fn add_spots(&mut self, subject: &Subject, rule: &Rule, spots: Vec<Spot>) {
        for spot in spots {
            let keys = match rule.keys {
                [] => keys(&spot),
                _ => Vec::new(),
            };
            let message = message(&spot);
            self.add(subject, rule, Found { message, keys });
        }
    }

    fn add_verdict(&mut self, subject: &Subject, rule: &Rule, verdict: Verdict) {
        for found in verdict.found {
            self.add(subject, rule, found);
        }
        self.unknown.extend(verdict.unknown.map(|reason| Unknown {
            rule: rule.id.to_owned(),
            reason,
        }));
    }

    fn add(&mut self, subject: &Subject, rule: &Rule, found: Found) {
        let keys = rule.keys.iter().map(|key| (*key).to_owned());
        self.findings.push(Finding {
            rule: rule.id.to_owned(),
            severity: rule.severity,
            keys: found.keys.into_iter().chain(keys).collect(),
            message: found.message,
            why: rule.why.to_owned(),
            fix: rule.fix.to_owned(),
            place: None,
            waived: rule.waived(&subject.stack.gate.allow, subject.today),
        });
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
            fix: "change the keys that set it, or the rule".to_owned(),
            place: None,
            waived: accepted(&subject.stack.gate.allow, subject.today, |id| id == rule.id),
        });
    }
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
