//! Which waiver of a stack accepts a finding.

use serde::Serialize;
use toml::value::Date;
use uninlu_stack::Waiver;

/// Why a finding is accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Waived {
    /// In its owner's words.
    pub reason: String,
    /// Last day, `2027-01-01`; `None` without an end.
    pub until: Option<String>,
}

impl std::fmt::Display for Waived {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.until {
            Some(until) => write!(formatter, "accepted until {until}: {}", self.reason),
            None => write!(formatter, "accepted: {}", self.reason),
        }
    }
}

/// The waiver that holds on that day for a rule with such an id.
pub fn accepted(waivers: &[Waiver], today: Date, is: impl Fn(&str) -> bool) -> Option<Waived> {
    let mut waivers = waivers.iter();
    let waiver = waivers.find(|waiver| is(&waiver.rule) && holds(waiver, today))?;
    Some(Waived {
        reason: waiver.reason.clone(),
        until: waiver.until.map(|until| until.to_string()),
    })
}

pub(super) fn holds(waiver: &Waiver, today: Date) -> bool {
    let key = |date: Date| (date.year, date.month, date.day);
    waiver.until.is_none_or(|until| key(today) <= key(until))
}

#[cfg(test)]
mod tests {
    use super::*;

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
