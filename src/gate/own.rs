//! Rules of one's own, in CEL: each runs for every object that would be sent.

use std::collections::HashMap;
use std::sync::Arc;

use cel::{Context, IdedExpr, Value};
use serde_json::{Value as Json, json};

use super::cost;
use super::verdicts::{Finding, Unknown, Verdicts};
use crate::kinds::ObjectId;
use crate::plan::Plan;
use crate::rules::{Severity, Subject, accepted};
use crate::stack::{OwnRule, expression};

pub(super) fn check(subject: &Subject, verdicts: &mut Verdicts) {
    let Ok(functions) = cost::environment().map(Arc::new) else {
        return;
    };
    let stack = as_cel(&subject.facts.document);
    for (index, rule) in subject.stack.gate.rules.iter().enumerate() {
        // The stack is valid, so it compiles.
        let Ok(program) = expression::compile(&rule.expression) else {
            continue;
        };
        if subject.plan.is_none() && program.references().has_variable("change") {
            verdicts.unknown.push(Unknown {
                rule: rule.id.clone(),
                reason: "it speaks of `change`, and no cluster was asked what changes".to_owned(),
            });
            continue;
        }
        let expression = cost::charged(program.expression());
        for (id, body) in subject.objects {
            let mut context = Context::with_env(Arc::clone(&functions));
            context.add_variable_from_value("stack", &stack);
            context.add_variable_from_value("object", as_cel(body));
            if let Some(plan) = subject.plan {
                context.add_variable_from_value("change", as_cel(&change_json(plan, id)));
            }
            let (severity, message) = match run(&expression, &context) {
                Ok(true) => continue,
                Ok(false) => (rule.severity, format!("{id}: {}", rule.message)),
                // A rule that does not run guards nothing, however mild it was meant.
                Err(reason) => (
                    Severity::Error,
                    format!("{id}: the rule `{}` cannot be evaluated: {reason}", rule.id),
                ),
            };
            let key = format!("gate.rule.{index}");
            let finding = finding(subject, rule, key, severity, message);
            verdicts.findings.push(finding);
        }
    }
}

fn finding(
    subject: &Subject,
    rule: &OwnRule,
    key: String,
    severity: Severity,
    message: String,
) -> Finding {
    Finding {
        rule: rule.id.clone(),
        severity,
        keys: vec![key],
        message,
        why: format!("this stack's own rule: {}", rule.expression),
        fix: "change the keys that set it, or the rule".to_owned(),
        place: None,
        waived: accepted(&subject.stack.gate.allow, subject.today, |id| id == rule.id),
    }
}

fn run(expression: &IdedExpr, context: &Context) -> Result<bool, String> {
    match cost::evaluate(expression, context)? {
        Value::Bool(holds) => Ok(holds),
        other => Err(format!("it gives {}, not true or false", kind(&other))),
    }
}

/// What an apply would do with the object; null where the plan does not speak of it.
fn change_json(plan: &Plan, id: &ObjectId) -> Json {
    let mut changes = plan.changes.iter();
    let Some(change) = changes.find(|change| change.id == *id) else {
        return Json::Null;
    };
    json!({
        "action": change.action.word(),
        "restarts-pods": change.restarts_pods(),
        "fields": change.fields,
    })
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::List(_) => "a list",
        Value::Map(_) => "a map",
        Value::Int(_) | Value::UInt(_) | Value::Float(_) => "a number",
        Value::String(_) => "text",
        Value::Null => "null",
        _ => "something",
    }
}

/// Whole numbers are CEL's `int`, so that they compute with its literals; serde would make unsigned ones of them.
fn as_cel(value: &Json) -> Value {
    match value {
        Json::Null => Value::Null,
        Json::Bool(is) => Value::Bool(*is),
        Json::Number(number) => match number.as_i64() {
            Some(number) => Value::Int(number),
            None => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::String(Arc::new(text.clone())),
        Json::Array(items) => Value::List(Arc::new(items.iter().map(as_cel).collect())),
        Json::Object(object) => {
            let map: HashMap<String, Value> = object
                .iter()
                .map(|(key, value)| (key.clone(), as_cel(value)))
                .collect();
            map.into()
        }
    }
}
