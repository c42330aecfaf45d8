//! Rules over a valid stack: what Kubernetes would accept and people would regret.
//!
//! This version tells the findings with each plan; the `gate` command, which refuses, and rules of one's own in CEL
//! come later.

mod rules;

use serde::Serialize;
use toml::value::Date;

use crate::stack::{Stack, Waiver};

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It will not work.
    Error,
    /// It will work, until it matters.
    Warning,
}

impl Severity {
    /// As it is printed.
    pub const fn word(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        }
    }
}

/// One rule's verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Id of the rule, by which a waiver names it.
    pub rule: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// The keys of the stack file that may be its cause, as dotted paths; [`crate::stack::locate`] finds the line.
    pub keys: &'static [&'static str],
    /// What is found, and why it matters.
    pub message: String,
    /// What to do.
    pub mend: &'static str,
}

/// A rule: everything about it in one value.
pub(crate) struct Rule {
    pub(crate) id: &'static str,
    pub(crate) severity: Severity,
    pub(crate) keys: &'static [&'static str],
    pub(crate) mend: &'static str,
    /// What it finds, in words; `None` when all is well.
    pub(crate) check: fn(&Stack) -> Option<String>,
}

/// Applies every rule in its order. `today` decides which waivers still hold.
pub fn check(stack: &Stack, today: Date) -> Vec<Finding> {
    let is_waived = |rule: &Rule| {
        stack
            .gate
            .allow
            .iter()
            .any(|waiver| waiver.rule == rule.id && holds(waiver, today))
    };
    rules::RULES
        .iter()
        .filter(|rule| !is_waived(rule))
        .filter_map(|rule| {
            let message = (rule.check)(stack)?;
            Some(Finding {
                rule: rule.id,
                severity: rule.severity,
                keys: rule.keys,
                message,
                mend: rule.mend,
            })
        })
        .collect()
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
        let mut ids: Vec<&str> = rules::RULES.iter().map(|rule| rule.id).collect();
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
