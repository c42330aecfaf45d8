//! Rules over a valid stack, what it renders, and what is known around it: what Kubernetes would accept and people would
//! regret. Pure; every plan shows the findings, and `uninlu gate` refuses by them.

mod cost;
mod own;
pub mod report;
mod verdicts;

use toml::value::Date;
pub use verdicts::{Finding, Place, Unknown, Verdicts};

use crate::kinds::{self, Desired, Kind};
use crate::rules::{self, At, Check, Fields, Found, Pod, Rule, Spot, Verdict};
pub use crate::rules::{
    Access, Cluster, Exposed, Facts, Listing, ModelFile, Severity, Subject, UNASKED, Version,
    Waived, secret_forms as secrets,
};

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
    let deployment = kinds::of_kind(objects, Kind::Deployment);
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
