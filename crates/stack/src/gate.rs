//! `[gate]`: waivers and own rules.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::value::{Date, Datetime};

use super::at::{At, value_or};
use super::expression;
use super::fault::{Faults, Need};

/// How bad a finding is
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It will not work: the gate refuses it
    Error,
    /// It will work, until it matters: the gate reports it, and refuses it with `--strict`
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

/// Waivers and own rules of the gate.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Gate {
    /// Findings that are accepted, each with a reason and an end.
    pub allow: Vec<Waiver>,
    /// The user's own rules, in CEL.
    pub rules: Vec<OwnRule>,
}

/// One accepted finding.
#[derive(Debug, Clone, PartialEq)]
pub struct Waiver {
    /// Id of the rule.
    pub rule: String,
    /// Why the finding is accepted.
    pub reason: String,
    /// Last day on which the waiver holds.
    pub until: Option<Date>,
}

/// One rule of the user's own.
#[derive(Debug, Clone, PartialEq)]
pub struct OwnRule {
    /// Id by which findings and waivers name it.
    pub id: String,
    /// CEL expression over `object`, `stack` and `change` that must be true; it compiles.
    pub expression: String,
    /// What to say when it is false.
    pub message: String,
    /// How bad that is.
    pub severity: Severity,
}

/// Waivers and own rules of the gate
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Gate")]
pub(super) struct RawGate {
    /// Findings that are accepted, each with a reason and an end
    allow: Vec<At<RawWaiver>>,
    /// The user's own rules, in CEL
    rule: Vec<At<RawOwnRule>>,
}

/// One accepted finding
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Waiver")]
struct RawWaiver {
    /// Id of the rule
    rule: Option<At<String>>,
    /// Why the finding is accepted
    reason: Option<At<String>>,
    /// Last day on which the waiver holds, such as 2027-01-01 (no quotes)
    #[schemars(with = "Option<String>", extend("format" = "date"))]
    until: Option<At<Datetime>>,
}

/// One rule of the user's own
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "OwnRule")]
struct RawOwnRule {
    /// Id by which findings and waivers name it
    id: Option<At<String>>,
    /// CEL expression over `object`, `stack` and `change` that must be true
    expression: Option<At<String>>,
    /// What to say when it is false
    message: Option<At<String>>,
    /// `error` (default) refuses, `warning` reports
    severity: Option<At<Severity>>,
}

impl RawGate {
    pub(super) fn validate(self, faults: &mut Faults) -> Gate {
        refuse_double_ids(&self.rule, faults);
        let allow = self.allow.into_iter().zip(0..);
        let allow = allow.map(|(at, index)| validate_waiver(index, at, faults));
        let allow = allow.collect();
        let rules = self.rule.into_iter().zip(0..);
        let rules = rules.map(|(at, index)| validate_rule(index, at, faults));
        Gate {
            allow,
            rules: rules.collect(),
        }
    }
}

fn refuse_double_ids(rules: &[At<RawOwnRule>], faults: &mut Faults) {
    let mut seen = BTreeSet::new();
    for id in rules.iter().filter_map(|rule| rule.value.id.as_ref()) {
        faults.check(
            seen.insert(&id.value),
            &id.span,
            format!("a second rule has the id `{}`", id.value),
            "give each rule an id of its own: waivers and findings name it",
        );
    }
}

fn validate_waiver(index: usize, at: At<RawWaiver>, faults: &mut Faults) -> Waiver {
    let raw = at.value;
    let is_reasoned = raw
        .reason
        .as_ref()
        .is_some_and(|reason| !reason.value.trim().is_empty());
    if raw.rule.is_none() || !is_reasoned {
        faults.add_missing(
            &format!("gate.allow.{index}"),
            &at.span,
            "a waiver names a rule and a reason",
            "write `{ rule = \"…\", reason = \"why it is accepted\", until = 2027-01-01 }`",
        );
    }
    if let Some(until) = &raw.until {
        faults.check(
            until.value.date.is_some(),
            &until.span,
            "`until` is not a date",
            "write a date such as 2027-01-01",
        );
    }
    Waiver {
        rule: raw.rule.unwrap_or_default().value,
        reason: raw.reason.unwrap_or_default().value,
        until: raw.until.and_then(|until| until.value.date),
    }
}

fn validate_rule(index: usize, at: At<RawOwnRule>, faults: &mut Faults) -> OwnRule {
    let raw = at.value;
    check_id(&raw.id, faults);
    check_expression(&raw.expression, faults);
    if raw.id.is_none() || raw.expression.is_none() || raw.message.is_none() {
        faults.add_missing(
            &format!("gate.rule.{index}"),
            &at.span,
            "a rule has an id, an expression and a message",
            "write `id`, `expression` (CEL over `object`, `stack` and `change`) and `message`",
        );
    }
    OwnRule {
        id: raw.id.unwrap_or_default().value,
        expression: raw.expression.unwrap_or_default().value,
        message: raw.message.unwrap_or_default().value,
        severity: value_or(&raw.severity, Severity::Error),
    }
}

fn check_id(id: &Option<At<String>>, faults: &mut Faults) {
    if let Some(at) = id {
        faults.need(
            Need::FreeRuleId(at.value.clone()),
            &at.span,
            format!("`{}` is the id of a rule that is built in", at.value),
            "choose another id: waivers and findings name it",
        );
    }
}

fn check_expression(expression: &Option<At<String>>, faults: &mut Faults) {
    let Some(at) = expression else { return };
    if let Err(reason) = expression::compile(&at.value) {
        faults.add(
            &at.span,
            format!("the expression is not valid CEL: {reason}"),
            "such as `object.kind != 'Deployment' || has(object.metadata.labels.team)`; docs/gate.md describes the variables",
        );
    }
}
